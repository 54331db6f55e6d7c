package import Crypto
import SwiftASN1
import X509

/// A PKCS #10 request (RFC 2986) for a leaf: proof that the asker holds the key it wants certified.
package struct CertificateRequest: Sendable {
    /// A P-256 request has about 250 bytes.
    package static let bytesMax = 2 * 1024

    package let bytes: [UInt8]
    package let publicKey: P256.Signing.PublicKey

    /// Makes one, signed with the key it names.
    package init(key: P256.Signing.PrivateKey) throws(CertificateError) {
        do {
            let request = try CertificateSigningRequest(
                version: .v1, subject: try DistinguishedName { CommonName("martlet node") },
                privateKey: Certificate.PrivateKey(key), attributes: .init(),
                signatureAlgorithm: .ecdsaWithSHA256)
            var serializer = DER.Serializer()
            try serializer.serialize(request)
            bytes = serializer.serializedBytes
        } catch {
            throw .signingFailed(String(describing: error))
        }
        publicKey = key.publicKey
    }

    /// Reads and checks one: size, kind of key, its own signature. What else it claims is not looked at.
    package init(checking bytes: [UInt8]) throws(CertificateError) {
        guard bytes.count <= Self.bytesMax else { throw .requestTooLarge(bytes: bytes.count) }
        let request: CertificateSigningRequest
        do {
            request = try CertificateSigningRequest(derEncoded: bytes)
        } catch {
            throw .unreadable(what: "the certificate request", why: String(describing: error))
        }
        guard let key = P256.Signing.PublicKey(request.publicKey) else { throw .wrongKeyType }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw .requestNotSigned
        }
        self.bytes = bytes
        publicKey = key
    }
}
