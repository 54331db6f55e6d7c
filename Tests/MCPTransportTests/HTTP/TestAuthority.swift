import Crypto
import Foundation
import X509

/// An authority of one test's own, and the certificates that it signs.
struct TestAuthority {
    struct Pair {
        /// The certificate, then its authority's.
        var certificate: String
        var key: String
    }

    let pem: String
    private let certificate: Certificate
    private let key = P256.Signing.PrivateKey()

    init(_ name: String) throws {
        let subject = try DistinguishedName { CommonName(name) }
        certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
            notValidBefore: Date() - 3_600, notValidAfter: Date() + 86_400, issuer: subject, subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
            }, issuerPrivateKey: .init(key))
        pem = try certificate.serializeAsPEM().pemString
    }

    func sign(
        _ name: String, _ names: [GeneralName], notAfter: Date = Date() + 3_600
    ) throws -> Pair {
        let own = P256.Signing.PrivateKey()
        let subject = try name.isEmpty ? DistinguishedName() : DistinguishedName { CommonName(name) }
        let leaf = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(own.publicKey),
            notValidBefore: Date() - 7_200, notValidAfter: notAfter, issuer: certificate.subject,
            subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                SubjectAlternativeNames(names)
            }, issuerPrivateKey: .init(key))
        return Pair(
            certificate: try leaf.serializeAsPEM().pemString + "\n" + pem, key: own.pemRepresentation)
    }
}
