import Crypto
import Mesh
import MeshTransport

/// What makes this node a member of its mesh: certificates, the key of its leaf, its enrolment.
///
/// Stored as one file, so that joining another mesh is one rename and cannot be left half done.
struct Membership: Sendable, Canonical {
    static let fileName = "membership"
    private static let version: UInt8 = 2
    /// Had no certificate of its own for issuing: that was the second of the chain.
    private static let firstVersion: UInt8 = 1
    private static let chainMax = 4

    let leafKey: P256.Signing.PrivateKey
    /// DER: leaf, then intermediate.
    let chain: [[UInt8]]
    /// DER: the pinned root.
    let root: [UInt8]
    let enrolment: Enrolment
    /// DER: this node's own certificate as issuer; `nil` for others. Its leaf may come from another issuer.
    let issuing: [UInt8]?

    init(
        leafKey: P256.Signing.PrivateKey, chain: [[UInt8]], root: [UInt8], enrolment: Enrolment,
        issuing: [UInt8]? = nil
    ) {
        self.issuing = issuing
        self.leafKey = leafKey
        self.chain = chain
        self.root = root
        self.enrolment = enrolment
    }

    /// The same with a new leaf.
    func with(leafKey: P256.Signing.PrivateKey, chain: [[UInt8]]) -> Membership {
        Membership(leafKey: leafKey, chain: chain, root: root, enrolment: enrolment, issuing: issuing)
    }

    /// The same with a new certificate as issuer.
    func with(issuing: [UInt8]) -> Membership {
        Membership(leafKey: leafKey, chain: chain, root: root, enrolment: enrolment, issuing: issuing)
    }

    init(from decoder: inout CanonicalDecoder) throws(WireError) {
        let version = try decoder.byte("membership version")
        guard version == Self.version || version == Self.firstVersion else {
            throw .invalid("the membership's version")
        }
        guard let key = try? P256.Signing.PrivateKey(rawRepresentation: decoder.bytes(fixed: 32, "leaf key"))
        else {
            throw .invalid("the leaf's key")
        }
        leafKey = key
        var chain: [[UInt8]] = []
        for _ in 0..<(try decoder.count(max: Self.chainMax, "chain")) {
            chain.append(try decoder.bytes(max: DERCertificate.bytesMax, "certificate"))
        }
        self.chain = chain
        root = try decoder.bytes(max: DERCertificate.bytesMax, "root")
        enrolment = try decoder.value(Enrolment.self)
        if version == Self.firstVersion {
            issuing = enrolment.roles.contains(.issuer) && chain.count > 1 ? chain[1] : nil
        } else {
            issuing =
                try decoder.bool("issuer's certificate")
                ? try decoder.bytes(max: DERCertificate.bytesMax, "issuer's certificate") : nil
        }
    }

    func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(Self.version)
        encoder.put(fixed: leafKey.rawRepresentation)
        encoder.put(count: chain.count)
        for certificate in chain { encoder.put(bytes: certificate) }
        encoder.put(bytes: root)
        encoder.put(enrolment)
        encoder.put(issuing != nil)
        if let issuing { encoder.put(bytes: issuing) }
    }

    func credentials(nodeKey: Curve25519.Signing.PrivateKey) throws(CertificateError) -> NodeCredentials {
        try NodeCredentials(nodeKey: nodeKey, leafKey: leafKey, chain: chain, root: root)
    }
}
