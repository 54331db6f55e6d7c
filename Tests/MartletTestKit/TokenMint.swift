import Crypto
import CryptoExtras
import Foundation
package import JSONSlice

/// An issuer of tokens, for tests: it can make good ones and every kind of bad one.
package struct TokenMint: Sendable {
    private enum Signer: Sendable {
        case shared(SymmetricKey)
        case rsa(_RSA.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
        case p384(P384.Signing.PrivateKey)
        case ed25519(Curve25519.Signing.PrivateKey)
    }

    package let algorithm: String
    package let keyID: String?
    private let signer: Signer

    /// - Parameter algorithm: as RFC 7518 and RFC 8037 spell it.
    package init(_ algorithm: String, keyID: String? = nil) throws {
        self.algorithm = algorithm
        self.keyID = keyID
        signer =
            switch algorithm {
            case "HS256": .shared(SymmetricKey(size: .bits256))
            case "RS256", "RS384", "RS512": .rsa(try _RSA.Signing.PrivateKey(keySize: .bits2048))
            case "ES256": .p256(P256.Signing.PrivateKey())
            case "ES384": .p384(P384.Signing.PrivateKey())
            default: .ed25519(Curve25519.Signing.PrivateKey())
            }
    }

    /// The same key under other names.
    package init(_ other: TokenMint, algorithm: String? = nil, keyID: String?) {
        self.algorithm = algorithm ?? other.algorithm
        self.keyID = keyID
        signer = other.signer
    }

    /// What checks its tokens, as a JSON Web Key.
    package var publicKey: JSON {
        var members: [(String, JSON)] = keyID.map { [("kid", .string($0))] } ?? []
        switch signer {
        case .shared(let key):
            members += [("kty", "oct"), ("k", Self.text(key.withUnsafeBytes { Array($0) }))]
        case .rsa(let key):
            guard let numbers = try? key.publicKey.getKeyPrimitives() else { return .null }
            members += [
                ("kty", "RSA"), ("n", Self.text(numbers.modulus)), ("e", Self.text(numbers.publicExponent)),
            ]
        case .p256(let key):
            let point = Array(key.publicKey.rawRepresentation)
            members += [
                ("kty", "EC"), ("crv", "P-256"), ("x", Self.text(point[..<32])),
                ("y", Self.text(point[32...])),
            ]
        case .p384(let key):
            let point = Array(key.publicKey.rawRepresentation)
            members += [
                ("kty", "EC"), ("crv", "P-384"), ("x", Self.text(point[..<48])),
                ("y", Self.text(point[48...])),
            ]
        case .ed25519(let key):
            members += [
                ("kty", "OKP"), ("crv", "Ed25519"), ("x", Self.text(key.publicKey.rawRepresentation)),
            ]
        }
        return .object(members)
    }

    /// The public key in the forms in which it lies about, which a confused verifier might take for a shared key.
    package var publicSpellings: [[UInt8]] {
        switch signer {
        case .rsa(let key):
            [
                Array(key.publicKey.pemRepresentation.utf8), Array(key.publicKey.derRepresentation),
                Array(key.publicKey.pkcs1PEMRepresentation.utf8), Array(publicKey.bytes),
                Base64.bytes(publicKey["n"]?.string ?? ""),
            ]
        case .p256(let key):
            [
                Array(key.publicKey.pemRepresentation.utf8), Array(key.publicKey.x963Representation),
                Array(key.publicKey.rawRepresentation),
            ]
        case .ed25519(let key): [Array(key.publicKey.rawRepresentation)]
        case .shared, .p384: []
        }
    }

    /// A set of these keys (RFC 7517 §5).
    package static func keySet(_ mints: [TokenMint]) -> [UInt8] {
        Array(JSON.object([("keys", .array(mints.map(\.publicKey)))]).bytes)
    }

    package func token(_ claims: JSON, header more: [(String, JSON)] = []) throws -> String {
        var header: [(String, JSON)] = [("alg", .string(algorithm)), ("typ", "JWT")]
        if let keyID { header.append(("kid", .string(keyID))) }
        return try sign(header: .object(header + more), payload: Array(claims.bytes))
    }

    package func sign(header: JSON, payload: [UInt8]) throws -> String {
        let signed = "\(Self.spell(header.bytes)).\(Self.spell(payload))"
        return "\(signed).\(Self.spell(try signature(of: Data(signed.utf8))))"
    }

    /// Signs with these bytes as a shared key.
    package static func confused(header: JSON, payload: [UInt8], key: [UInt8]) -> String {
        let signed = "\(spell(header.bytes)).\(spell(payload))"
        let code = HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: SymmetricKey(data: key))
        return "\(signed).\(spell(Array(code)))"
    }

    private func signature(of data: Data) throws -> [UInt8] {
        switch signer {
        case .shared(let key): Array(HMAC<SHA256>.authenticationCode(for: data, using: key))
        case .rsa(let key):
            switch algorithm {
            case "RS384": try Self.rsa(key, SHA384.hash(data: data))
            case "RS512": try Self.rsa(key, SHA512.hash(data: data))
            default: try Self.rsa(key, SHA256.hash(data: data))
            }
        case .p256(let key): Array(try key.signature(for: data).rawRepresentation)
        case .p384(let key): Array(try key.signature(for: data).rawRepresentation)
        case .ed25519(let key): Array(try key.signature(for: data))
        }
    }

    private static func rsa(_ key: _RSA.Signing.PrivateKey, _ digest: some Digest) throws -> [UInt8] {
        Array(try key.signature(for: digest, padding: .insecurePKCS1v1_5).rawRepresentation)
    }

    /// Base64url by other code than the product's.
    package static func spell(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    private static func text(_ bytes: some Sequence<UInt8>) -> JSON { .string(spell(bytes)) }

    private enum Base64 {
        static func bytes(_ text: String) -> [UInt8] {
            let plain = text.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
            let padded = plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
            return Array(Data(base64Encoded: padded) ?? Data())
        }
    }
}
