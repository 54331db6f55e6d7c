import Crypto
import Foundation
import NIOSSL
import X509

/// A certificate of `localhost` and 127.0.0.1 that signs itself, made anew with its key in each run of the tests.
struct TestCertificate: Sendable {
    static let made = Result { try TestCertificate() }

    /// For clients that shall trust it.
    let pem: String
    private let keyPEM: String

    private init() throws {
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName { CommonName("martlet test") }
        let now = Date()
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
            notValidBefore: now - 3_600, notValidAfter: now + 86_400, issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                SubjectAlternativeNames([
                    .dnsName("localhost"), .ipAddress(.init(contentBytes: [127, 0, 0, 1])),
                ])
            },
            issuerPrivateKey: .init(key))
        pem = try certificate.serializeAsPEM().pemString
        keyPEM = key.pemRepresentation
    }

    func serverContext() throws -> NIOSSLContext {
        let certificates = try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8))
        let key = try NIOSSLPrivateKey(bytes: Array(keyPEM.utf8), format: .pem)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key)))
    }
}
