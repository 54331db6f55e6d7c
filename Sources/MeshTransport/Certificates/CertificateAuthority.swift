package import Catalog
package import Crypto
package import FoundationEssentials
package import Mesh
import SwiftASN1
import X509

/// How long certificates last.
package enum CertificateLife {
    package static let root: TimeInterval = 20 * 365 * day
    package static let intermediate: TimeInterval = 365 * day
    package static let leaf: TimeInterval = 14 * day
    /// A guest's own certificate; nobody looks at its dates.
    package static let guest: TimeInterval = day
    /// Certificates start this long before they are made: a peer whose clock is behind ours would otherwise
    /// refuse a certificate as not yet valid in the first minutes of its life, which is just when a joiner
    /// needs it. An hour also covers a machine that never heard of daylight saving.
    package static let clockSkew: TimeInterval = 3600

    private static let day: TimeInterval = 86_400
}

/// The root of a mesh: makes issuers, and nothing else.
///
/// The key is P-256; the mesh id is the fingerprint of its public key (``MeshTrust``).
package struct RootAuthority: Sendable {
    package let key: P256.Signing.PrivateKey
    package let certificate: DERCertificate
    package let trust: MeshTrust
    /// Signs the grants that let nodes enrol others.
    package let signer: RootSigner

    package var mesh: MeshID { trust.mesh }

    /// Makes a new mesh: a key and a self-signed certificate of 20 years.
    package static func generate(at now: Date) throws(CertificateError) -> RootAuthority {
        let key = P256.Signing.PrivateKey()
        let mesh = MeshID(ofKey: key.publicKey.x963Representation)
        let certificate = try DERCertificate.sign(
            subject: "martlet root", spiffe: .authority(of: mesh), key: key.publicKey, from: now,
            for: CertificateLife.root, role: .authority(pathLength: 1), issuer: nil, issuerKey: key)
        return try RootAuthority(key: key.rawRepresentation, certificate: certificate.bytes)
    }

    /// Takes up a stored root.
    ///
    /// - Parameter key: the private key's 32 raw bytes.
    package init(key: some Sequence<UInt8>, certificate: [UInt8]) throws(CertificateError) {
        let scalar = Array(key)
        guard let signer = RootSigner(scalar: scalar),
            let secret = try? P256.Signing.PrivateKey(rawRepresentation: scalar)
        else { throw .unreadable(what: "the root key", why: "it is not a P-256 private key of 32 bytes") }
        self.certificate = try DERCertificate(certificate)
        guard let trust = self.certificate.rootTrust else {
            throw .notAnAuthority("it is not the self-signed root of a mesh")
        }
        guard trust == signer.trust else { throw .rootOfAnotherMesh(trust.mesh, expected: signer.trust.mesh) }
        self.key = secret
        self.trust = trust
        self.signer = signer
    }

    /// Certifies an issuer's key: an intermediate of one year that may sign leaves only (path length 0).
    ///
    /// - Parameter node: whose key it is; named in the subject, so that its leaves can be told when it is revoked.
    package func certifyIssuer(
        _ node: NodeID, key: P256.Signing.PublicKey, at now: Date
    ) throws(CertificateError) -> DERCertificate {
        try DERCertificate.sign(
            subject: DERCertificate.issuerSubject(node), spiffe: .authority(of: mesh), key: key, from: now,
            for: CertificateLife.intermediate, role: .authority(pathLength: 0),
            issuer: certificate.parsed, issuerKey: self.key)
    }

    /// Makes an issuer.
    package func makeIssuer(
        of node: NodeID, key: P256.Signing.PrivateKey = P256.Signing.PrivateKey(), at now: Date
    ) throws(CertificateError) -> CertificateAuthority {
        let intermediate = try certifyIssuer(node, key: key.publicKey, at: now)
        return try CertificateAuthority(
            key: key.rawRepresentation, certificate: intermediate.bytes, root: certificate.bytes)
    }
}

/// An issuer's certificate authority: signs the leaves of nodes.
package struct CertificateAuthority: Sendable {
    package let key: P256.Signing.PrivateKey
    package let intermediate: DERCertificate
    package let root: DERCertificate
    package let trust: MeshTrust

    package var mesh: MeshID { trust.mesh }

    /// Takes up a stored issuer.
    ///
    /// - Parameter key: the private key's 32 raw bytes.
    package init(
        key: some Sequence<UInt8>, certificate: [UInt8], root: [UInt8]
    ) throws(CertificateError) {
        guard let secret = try? P256.Signing.PrivateKey(rawRepresentation: Array(key)) else {
            throw .unreadable(what: "the issuer's key", why: "it is not a P-256 private key of 32 bytes")
        }
        self.key = secret
        intermediate = try DERCertificate(certificate)
        self.root = try DERCertificate(root)
        guard intermediate.parsed.publicKey == Certificate.PublicKey(self.key.publicKey) else {
            throw .notAnAuthority("the issuer's key and certificate do not belong together")
        }
        guard let trust = self.root.rootTrust,
            intermediate.parsed.spiffeName == .authority(of: trust.mesh),
            self.root.parsed.publicKey.isValidSignature(
                intermediate.parsed.signature, for: intermediate.parsed)
        else { throw .notAnAuthority("it was not made by this mesh's root") }
        self.trust = trust
    }

    /// Signs a node's leaf for the key of a checked request: of 14 days, but none outlives this issuer's own certificate, under
    /// which it would be refused while its node still thinks it good.
    ///
    /// Nothing in the request but its key is used: names are given by the issuer.
    ///
    /// - Returns: DER, leaf first, then this issuer's intermediate.
    package func issueLeaf(
        for node: NodeID, request: CertificateRequest, at now: Date
    ) throws(CertificateError) -> [[UInt8]] {
        try issueLeaf(for: node, key: request.publicKey, at: now)
    }

    package func issueLeaf(
        for node: NodeID, key: P256.Signing.PublicKey, at now: Date
    ) throws(CertificateError) -> [[UInt8]] {
        let left = intermediate.notAfter.timeIntervalSince(now)
        guard left > 0 else {
            throw .notAnAuthority(
                "it has ended itself; the node that holds the root's key renews it (`martlet mesh issuers`)")
        }
        let leaf = try DERCertificate.sign(
            subject: node.description, spiffe: .node(node, of: mesh), key: key, from: now,
            for: min(CertificateLife.leaf, left), role: .endEntity, issuer: intermediate.parsed,
            issuerKey: self.key)
        return [leaf.bytes, intermediate.bytes]
    }
}
