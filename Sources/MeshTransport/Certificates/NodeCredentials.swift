package import Catalog
package import Crypto
package import FoundationEssentials
package import Mesh
import X509

/// Everything a node proves itself with. The shell stores it; this target only uses it.
package struct NodeCredentials: Sendable {
    /// Signs documents and requests to enrol; its fingerprint is the node's id. For life.
    package let nodeKey: Curve25519.Signing.PrivateKey
    /// Used for TLS; made anew for each leaf, since the TLS stack's default list of algorithms has no Ed25519.
    package let leafKey: P256.Signing.PrivateKey
    /// DER: the leaf, then the issuer's intermediate.
    package let chain: [[UInt8]]
    /// DER: the pinned root of the mesh.
    package let root: [UInt8]

    package let trust: MeshTrust
    /// Signs with ``nodeKey``.
    package let signer: Signer

    package var id: NodeID { signer.key.id }
    package var mesh: MeshID { trust.mesh }

    /// - Throws: when key, leaf, intermediate and root do not belong to one node of one mesh.
    package init(
        nodeKey: Curve25519.Signing.PrivateKey, leafKey: P256.Signing.PrivateKey, chain: [[UInt8]],
        root: [UInt8]
    ) throws(CertificateError) {
        guard let signer = Signer(seed: Array(nodeKey.rawRepresentation)) else {
            throw .unreadable(what: "the node key", why: "it is not an Ed25519 private key")
        }
        guard let trust = try DERCertificate(root).rootTrust else {
            throw .notAnAuthority("it is not the self-signed root of a mesh")
        }
        let (id, mesh) = (signer.key.id, trust.mesh)
        guard let leafBytes = chain.first else {
            throw .unreadable(what: "the certificate chain", why: "it is empty")
        }
        let leaf = try DERCertificate(leafBytes)
        guard leaf.name == .node(id, of: mesh),
            leaf.parsed.publicKey == Certificate.PublicKey(leafKey.publicKey)
        else {
            throw .unreadable(
                what: "the certificate chain",
                why: "its leaf is not for node \(id) of mesh \(mesh) with this key")
        }
        self.nodeKey = nodeKey
        self.leafKey = leafKey
        self.chain = chain
        self.root = root
        self.signer = signer
        self.trust = trust
    }

    /// When the leaf runs out; it is renewed well before.
    package var leafEnd: Date? { chain.first.flatMap { try? DERCertificate($0).notAfter } }
    /// SHA-256 over the leaf's DER, bound into join proofs.
    package var leafHash: ContentHash { ContentHash(of: chain.first ?? []) }
}

/// What the first node of a mesh is made of: a mesh of one.
package struct MeshOfOne: Sendable {
    package let root: RootAuthority
    package let issuer: CertificateAuthority
    package let credentials: NodeCredentials
    /// The first node's own, with all roles; its grant lets it enrol others.
    package let enrolment: Enrolment

    /// Founds a mesh around a node key: root, issuer, leaf and enrolment, all new.
    package static func found(
        nodeKey: Curve25519.Signing.PrivateKey, label: Label, segment: Label, at now: Date
    ) throws(CertificateError) -> MeshOfOne {
        let root = try RootAuthority.generate(at: now)
        let id = NodeID(ofKey: nodeKey.publicKey.rawRepresentation)
        let issuer = try root.makeIssuer(of: id, at: now)
        let leafKey = P256.Signing.PrivateKey()
        let chain = try issuer.issueLeaf(for: id, key: leafKey.publicKey, at: now)
        let credentials = try NodeCredentials(
            nodeKey: nodeKey, leafKey: leafKey, chain: chain, root: root.certificate.bytes)
        do {
            let grant = try IssuerGrant(to: credentials.signer.key, by: root.signer)
            let enrolment = try Enrolment(
                of: credentials.signer.key, label: label, roles: .all, segment: segment, serial: 1,
                grant: grant,
                by: credentials.signer)
            return MeshOfOne(root: root, issuer: issuer, credentials: credentials, enrolment: enrolment)
        } catch {
            throw .signingFailed(error.detail)
        }
    }
}
