package import Catalog

/// What a node must know of a mesh to tell its members from others: the root's public key, pinned for good.
package struct MeshTrust: Hashable, Sendable {
    /// Bytes of an uncompressed P-256 point (SEC 1 §2.3.3, "x963").
    package static let rootKeyByteCount = 65

    /// Hash of ``rootKey``.
    package let mesh: MeshID
    package let rootKey: [UInt8]

    /// - Returns: `nil` unless `rootKey` has the shape of an uncompressed P-256 point.
    package init?(rootKey: [UInt8]) {
        guard rootKey.count == Self.rootKeyByteCount, rootKey.first == 4 else { return nil }
        self.rootKey = rootKey
        mesh = MeshID(ofKey: rootKey)
    }

    /// All of SHA-256 of the root key; the mesh id is its first half. Join tokens carry it.
    package var rootFingerprint: ContentHash { ContentHash(of: rootKey) }
}

/// What is signed: a purpose, the mesh, then the value, so that no signature is good for anything else
/// (prefix `martlet/1`, mesh id, kind).
package enum SigningPurpose: String, Sendable {
    case issuerGrant = "issuer-grant"
    case enrolment
    case document
    case scopedDocument = "scoped-document"
    case joinRequest = "join-request"
    case revocation
    case statement
    case renewal

    func encoder(for mesh: MeshID, reserving capacity: Int = 256) -> CanonicalEncoder {
        var encoder = CanonicalEncoder(reserving: capacity)
        encoder.put(text: "martlet/1")
        encoder.put(mesh)
        encoder.put(text: rawValue)
        return encoder
    }
}

/// The root's word that a node may enrol others.
package struct IssuerGrant: Hashable, Sendable, Canonical {
    package let mesh: MeshID
    package let issuer: NodeKey
    package let signature: Signature

    /// Grants `issuer` the right to enrol.
    package init(to issuer: NodeKey, by root: RootSigner) throws(SigningFailure) {
        mesh = root.trust.mesh
        self.issuer = issuer
        signature = try root.sign(Self.message(mesh: root.trust.mesh, issuer: issuer))
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        mesh = try decoder.fingerprint("mesh id")
        issuer = try decoder.value(NodeKey.self)
        signature = try decoder.value(Signature.self)
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(mesh)
        encoder.put(issuer)
        encoder.put(signature)
    }

    package func isValid(under trust: MeshTrust, by checker: SignatureChecker) -> Bool {
        mesh == trust.mesh
            && checker.root(trust.rootKey, signature, Self.message(mesh: mesh, issuer: issuer))
    }

    private static func message(mesh: MeshID, issuer: NodeKey) -> [UInt8] {
        var encoder = SigningPurpose.issuerGrant.encoder(for: mesh)
        encoder.put(issuer)
        return encoder.bytes
    }
}
