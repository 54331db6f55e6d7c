import Catalog
import Crypto
import FoundationEssentials
import Mesh
import MeshTransport
import Storage
import Vault

/// Who this node is, for good (its key) and for now (its membership), as it lies in the data folder.
///
/// The node key and the leaf's key are files of mode 0600, because a node whose vault is sealed must still link up and relay;
/// the keys that make other nodes, root and issuer, are in the vault.
struct NodeIdentity: Sendable {
    let nodeKey: Curve25519.Signing.PrivateKey
    var membership: Membership

    var id: NodeID { NodeID(ofKey: nodeKey.publicKey.rawRepresentation) }

    /// The node's key; made at the first start.
    static func nodeKey(in folder: DataFolder) throws -> Curve25519.Signing.PrivateKey {
        if let bytes = try folder.read(.nodeKey) {
            guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes) else {
                throw Refusal(
                    .failed, "\(folder.path(of: .nodeKey)) holds no node key",
                    hint:
                        "restore it from a backup; without it this node is another one, and must be admitted anew"
                )
            }
            return key
        }
        let key = Curve25519.Signing.PrivateKey()
        try folder.create(.nodeKey, with: Array(key.rawRepresentation))
        return key
    }

    /// The stored membership, or a new mesh of one.
    static func open(
        in folder: DataFolder, nodeKey: Curve25519.Signing.PrivateKey, secrets: SecretStore, label: Label,
        segment: Label
    ) async throws -> NodeIdentity {
        if let bytes = try folder.read(.membership) {
            do {
                let membership = try Membership(canonical: bytes)
                _ = try membership.credentials(nodeKey: nodeKey)
                return NodeIdentity(nodeKey: nodeKey, membership: membership)
            } catch {
                throw Refusal(
                    .failed, "\(folder.path(of: .membership)) cannot be used: \(error)",
                    hint:
                        "restore it together with node.key from one backup, or move it away and join the mesh anew"
                )
            }
        }
        let membership = try await found(nodeKey: nodeKey, secrets: secrets, label: label, segment: segment)
        try folder.write(membership.canonicalBytes, to: .membership)
        return NodeIdentity(nodeKey: nodeKey, membership: membership)
    }

    /// Founds a mesh of one: root, issuer, and this node's own enrolment with every role.
    ///
    /// Its keys lie in the vault beside those of the mesh that the node is in, whose membership still holds.
    static func found(
        nodeKey: Curve25519.Signing.PrivateKey, secrets: SecretStore, label: Label, segment: Label
    ) async throws -> Membership {
        let mesh = try MeshOfOne.found(
            nodeKey: nodeKey, label: label, segment: segment, at: max(SoftwareVersion.date, Date()))
        let now = WallTime.now()
        let keys = AuthorityKeys(of: mesh.enrolment.mesh)
        try await secrets.set(keys.root, to: mesh.root.key.rawRepresentation.secret(), kind: .own, at: now)
        try await secrets.set(
            keys.issuer, to: mesh.issuer.key.rawRepresentation.secret(), kind: .own, at: now)
        return Membership(
            leafKey: mesh.credentials.leafKey, chain: mesh.credentials.chain, root: mesh.credentials.root,
            enrolment: mesh.enrolment, issuing: mesh.issuer.intermediate.bytes)
    }
}

/// The vault's records of the keys that make other nodes; of each mesh its own, so that founding the next one never
/// overwrites what the present one needs.
struct AuthorityKeys: Hashable, Sendable {
    let root: SecretName
    let issuer: SecretName

    init(of mesh: MeshID) {
        root = Self.ownRecord("mesh-root.\(mesh)")
        issuer = Self.ownRecord("mesh-issuer.\(mesh)")
    }

    /// This node's certificate authority, when it is an issuer and its vault is open.
    static func authority(of membership: Membership, from secrets: SecretStore) throws -> CertificateAuthority
    {
        guard membership.enrolment.roles.contains(.issuer) else {
            throw Refusal(
                .forbidden, "this node has no role issuer, so it cannot admit others",
                hint: "make the token on a node that has it; `martlet status` there shows its roles")
        }
        guard let issuing = membership.issuing else {
            throw Refusal(.failed, "this node's certificate as issuer is missing")
        }
        let key: [UInt8]
        do {
            key = try secrets.open(AuthorityKeys(of: membership.enrolment.mesh).issuer, for: .node).copied()
        } catch {
            throw Refusal(.unavailable, "the issuer's key cannot be opened: \(error)")
        }
        return try CertificateAuthority(key: key, certificate: issuing, root: membership.root)
    }

    /// The mesh's root, opened for one use.
    ///
    /// - Parameter what: what only the root does, for the message.
    static func root(
        of membership: Membership, from secrets: SecretStore, for what: String
    ) throws -> RootAuthority {
        let name = AuthorityKeys(of: membership.enrolment.mesh).root
        guard secrets.contains(name) else {
            throw Refusal(
                .conflict, "the root's key is not on this node, and only with it this \(what)",
                hint: "do it on the node that holds it, or `martlet mesh root import` it here")
        }
        let key: [UInt8]
        do {
            key = try secrets.open(name, for: .node).copied()
        } catch {
            throw Refusal(.unavailable, "the root's key cannot be opened: \(error)")
        }
        return try RootAuthority(key: key, certificate: membership.root)
    }

    /// A mesh id is 26 characters of base32, so the names are short and plain enough.
    private static func ownRecord(_ text: String) -> SecretName {
        guard let name = SecretName(own: text) else { preconditionFailure("\(text) is a valid record name") }
        return name
    }
}

extension Data {
    /// Moves key material into a wiped buffer.
    func secret() -> Secret {
        var bytes = Array(self)
        return Secret(moving: &bytes)
    }
}

extension Secret {
    /// A copy for an interface that takes plain bytes; the copy is not wiped, so it must be short-lived.
    borrowing func copied() -> [UInt8] {
        withBytes { span in (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) } }
    }
}
