package import Catalog
import Crypto
package import FoundationEssentials
package import Mesh
import SwiftASN1
import X509

/// One certificate: its exact bytes, and what they say.
package struct DERCertificate: Sendable, Hashable {
    /// No certificate of ours comes near; more than this is not worth parsing.
    package static let bytesMax = 8 * 1024

    package let bytes: [UInt8]
    let parsed: Certificate

    package init(_ bytes: [UInt8]) throws(CertificateError) {
        guard bytes.count <= Self.bytesMax else {
            throw .unreadable(
                what: "a certificate", why: "it has \(bytes.count) bytes, over \(Self.bytesMax)")
        }
        do {
            parsed = try Certificate(derEncoded: bytes)
        } catch {
            throw .unreadable(what: "a certificate", why: String(describing: error))
        }
        self.bytes = bytes
    }

    /// Reads one PEM block (RFC 7468).
    package init(pem: String) throws(CertificateError) {
        do {
            try self.init(PEMDocument(pemString: pem).derBytes)
        } catch let error as CertificateError {
            throw error
        } catch {
            throw .unreadable(what: "a PEM certificate", why: String(describing: error))
        }
    }

    package var pem: String { PEMDocument(type: "CERTIFICATE", derBytes: bytes).pemString + "\n" }

    package var notBefore: Date { parsed.notValidBefore }
    package var notAfter: Date { parsed.notValidAfter }
    package var name: SPIFFEName? { parsed.spiffeName }
    /// SHA-256 over the DER: what join proofs bind to.
    package var fingerprint: ContentHash { ContentHash(of: bytes) }
    /// What makes this certificate the root of a mesh; `nil` for anything but a self-signed P-256 root that
    /// carries the name that follows from its own key.
    package var rootTrust: MeshTrust? {
        guard case .authority(let mesh)? = name, let key = P256.Signing.PublicKey(parsed.publicKey),
            let trust = MeshTrust(rootKey: Array(key.x963Representation)), trust.mesh == mesh,
            parsed.publicKey.isValidSignature(parsed.signature, for: parsed)
        else { return nil }
        return trust
    }

    private static let issuerPrefix = "martlet issuer "

    /// The subject of the certificate with which a node issues leaves.
    static func issuerSubject(_ node: NodeID) -> String { issuerPrefix + node.description }

    /// Which node issues with this certificate; `nil` for a leaf and the root.
    package var issuerNode: NodeID? {
        let subject = String(describing: parsed.subject)
        let prefix = "CN=" + Self.issuerPrefix
        guard subject.hasPrefix(prefix) else { return nil }
        return NodeID(subject.dropFirst(prefix.count))
    }

    package static func == (a: Self, b: Self) -> Bool { a.bytes == b.bytes }
    package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

extension DERCertificate {
    enum Use {
        case authority(pathLength: Int)
        case endEntity
    }

    /// A guest's certificate: self-signed, nameless, good for asking to be let in and nothing else.
    static func guest(key: P256.Signing.PrivateKey, at now: Date) throws(CertificateError) -> DERCertificate {
        try sign(
            subject: "martlet guest", spiffe: nil, key: key.publicKey, from: now, for: CertificateLife.guest,
            role: .endEntity, issuer: nil, issuerKey: key)
    }

    /// Whether a certificate vouches for itself, as a guest's does.
    var isSelfSigned: Bool {
        parsed.issuer == parsed.subject && parsed.publicKey.isValidSignature(parsed.signature, for: parsed)
    }

    static func sign(
        subject: String, spiffe: SPIFFEName?, key: P256.Signing.PublicKey, from now: Date,
        for life: TimeInterval, role: Use, issuer: Certificate?, issuerKey: P256.Signing.PrivateKey
    ) throws(CertificateError) -> DERCertificate {
        try sign(
            subject: subject, uris: spiffe.map { [$0.description] } ?? [], key: key, from: now, for: life,
            role: role, issuer: issuer, issuerKey: issuerKey)
    }

    /// - Parameter uris: alternative names.
    static func sign(
        subject: String, uris: [String], key: P256.Signing.PublicKey, from now: Date,
        for life: TimeInterval, role: Use, issuer: Certificate?, issuerKey: P256.Signing.PrivateKey
    ) throws(CertificateError) -> DERCertificate {
        do {
            let publicKey = Certificate.PublicKey(key)
            let subjectName = try DistinguishedName { CommonName(subject) }
            let certificate = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey,
                notValidBefore: now.addingTimeInterval(-CertificateLife.clockSkew),
                notValidAfter: now.addingTimeInterval(life),
                issuer: issuer?.subject ?? subjectName, subject: subjectName,
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try extensions(
                    uris: uris, key: publicKey, role: role,
                    issuerKey: Certificate.PublicKey(issuerKey.publicKey)),
                issuerPrivateKey: Certificate.PrivateKey(issuerKey))
            var serializer = DER.Serializer()
            try serializer.serialize(certificate)
            return try DERCertificate(serializer.serializedBytes)
        } catch let error as CertificateError {
            throw error
        } catch {
            throw .signingFailed(String(describing: error))
        }
    }

    private static func extensions(
        uris: [String], key: Certificate.PublicKey, role: Use, issuerKey: Certificate.PublicKey
    ) throws -> Certificate.Extensions {
        var all = Certificate.Extensions()
        switch role {
        case .authority(let pathLength):
            try all.append(
                BasicConstraints.isCertificateAuthority(maxPathLength: pathLength)
                    .makeCertificateExtension().asCritical)
            try all.append(KeyUsage(keyCertSign: true, cRLSign: true).makeCertificateExtension().asCritical)
        case .endEntity:
            try all.append(BasicConstraints.notCertificateAuthority.makeCertificateExtension().asCritical)
            try all.append(KeyUsage(digitalSignature: true).makeCertificateExtension().asCritical)
            try all.append(ExtendedKeyUsage([.serverAuth, .clientAuth]).makeCertificateExtension())
        }
        if !uris.isEmpty {
            try all.append(
                SubjectAlternativeNames(uris.map { .uniformResourceIdentifier($0) })
                    .makeCertificateExtension())
        }
        let issuerID = SubjectKeyIdentifier(hash: issuerKey).keyIdentifier
        try all.append(SubjectKeyIdentifier(hash: key).makeCertificateExtension())
        try all.append(AuthorityKeyIdentifier(keyIdentifier: issuerID).makeCertificateExtension())
        return all
    }
}

extension Certificate.Extension {
    fileprivate var asCritical: Certificate.Extension {
        var copy = self
        copy.critical = true
        return copy
    }
}
