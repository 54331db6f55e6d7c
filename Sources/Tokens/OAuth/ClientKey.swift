import Crypto
import CryptoExtras
import FoundationEssentials
import JSONSlice

/// A client's private key, which signs its assertions.
package struct ClientKey: Sendable {
    private enum Material: Sendable {
        case rsa(_RSA.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
        case p384(P384.Signing.PrivateKey)
        case ed25519(Curve25519.Signing.PrivateKey)
    }

    /// Bytes of a PEM text; an RSA key of 8,192 bits has some 6,500.
    private static let bytesMax = 16 * 1024
    /// A PKCS #8 key of Ed25519 but for its last 32 bytes (RFC 8410 §7).
    private static let ed25519Prefix: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    private let material: Material

    /// Reads PEM: PKCS #8 of any kind, or the older forms of RSA and EC keys; without a passphrase.
    package init(pem: [UInt8]) throws(GrantTrouble) {
        guard pem.count <= Self.bytesMax, let text = String(validating: pem, as: UTF8.self),
            text.contains("PRIVATE KEY-----")
        else { throw .badKey("it is no PEM text that begins with -----BEGIN PRIVATE KEY-----") }
        guard !text.contains("ENCRYPTED") else { throw .badKey("it has a passphrase; store it without") }
        if let key = try? P256.Signing.PrivateKey(pemRepresentation: text) {
            material = .p256(key)
        } else if let key = try? P384.Signing.PrivateKey(pemRepresentation: text) {
            material = .p384(key)
        } else if let key = Self.ed25519(text) {
            material = .ed25519(key)
        } else if let key = try? _RSA.Signing.PrivateKey(pemRepresentation: text) {
            guard key.keySizeInBits >= 2_048 else { throw .badKey("an RSA key has at least 2048 bits") }
            material = .rsa(key)
        } else {
            throw .badKey("only RSA, P-256, P-384 and Ed25519 keys are used here")
        }
    }

    /// How it may sign, the most usual first.
    var algorithms: [SignatureAlgorithm] {
        switch material {
        case .rsa: [.rs256, .rs384, .rs512]
        case .p256: [.es256]
        case .p384: [.es384]
        case .ed25519: [.edDSA]
        }
    }

    func signature(of signed: some Sequence<UInt8>, by algorithm: SignatureAlgorithm) throws -> [UInt8] {
        let signed = Data(signed)
        switch material {
        case .p256(let key): return Array(try key.signature(for: signed).rawRepresentation)
        case .p384(let key): return Array(try key.signature(for: signed).rawRepresentation)
        case .ed25519(let key): return Array(try key.signature(for: signed))
        case .rsa(let key):
            let padding = _RSA.Signing.Padding.insecurePKCS1v1_5
            switch algorithm {
            case .rs384:
                return Array(
                    try key.signature(for: SHA384.hash(data: signed), padding: padding).rawRepresentation)
            case .rs512:
                return Array(
                    try key.signature(for: SHA512.hash(data: signed), padding: padding).rawRepresentation)
            default:
                return Array(
                    try key.signature(for: SHA256.hash(data: signed), padding: padding).rawRepresentation)
            }
        }
    }

    private static func ed25519(_ pem: String) -> Curve25519.Signing.PrivateKey? {
        let lines = pem.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("-----") }
        guard let der = Data(base64Encoded: lines.joined()), der.count == ed25519Prefix.count + 32,
            der.starts(with: ed25519Prefix)
        else { return nil }
        return try? Curve25519.Signing.PrivateKey(rawRepresentation: der.suffix(32))
    }
}

/// A client's word that it is this client (RFC 7523 §3), signed.
package enum ClientAssertion {
    /// How long one is good: it is made for one request, and clocks differ.
    package static let life: Int64 = 60

    /// - Parameters:
    ///   - issuer: the authorization server's, the only one that it is for (draft-ietf-oauth-rfc7523bis §4).
    ///   - id: never used before.
    ///   - now: seconds since 1970-01-01T00:00:00Z.
    package static func make(
        client: String, issuer: String, key: ClientKey, keyID: String?, algorithm: SignatureAlgorithm,
        id: String, at now: Int64
    ) throws(GrantTrouble) -> String {
        var header: [(String, String)] = [("alg", quote(algorithm.rawValue))]
        if let keyID { header.append(("kid", quote(keyID))) }
        header.append(("typ", quote("JWT")))
        let claims: [(String, String)] = [
            ("iss", quote(client)), ("sub", quote(client)), ("aud", quote(issuer)), ("jti", quote(id)),
            ("iat", String(now)), ("exp", String(now + life)),
        ]
        let signed = [header, claims].map { Base64URL.encode(object($0).utf8) }.joined(separator: ".")
        do {
            return signed + "." + Base64URL.encode(try key.signature(of: signed.utf8, by: algorithm))
        } catch {
            throw .badKey("it does not sign")
        }
    }

    private static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\(quote($0)):\($1)" }.joined(separator: ",") + "}"
    }

    private static func quote(_ text: String) -> String { JSON.string(text).text }
}
