import Crypto
import CryptoExtras
import FoundationEssentials
package import JSONSlice

/// One key that checks signatures (RFC 7517).
///
/// A key is of one kind, and each kind has its algorithms: an RSA key is never taken for the bytes of a shared one, whatever
/// a token's header says.
package struct WebKey: Sendable {
    /// Why a key of a set is not used. A set may hold such keys beside others (RFC 7517 §5).
    package enum Flaw: Error, Hashable, Sendable {
        case notAnObject
        case badMember(String)
        case unknownKind(String)
        case unknownCurve(String)
        case notForSigning
        case otherAlgorithm(String)
        case tooWeak(String)
        case notAKey
        case symmetricFromNetwork
    }

    private enum Material: Sendable {
        case shared(SymmetricKey)
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
    }

    /// A hash function's own length (RFC 7518 §3.2).
    private static let sharedBytesMin = 32
    private static let sharedBytesMax = 1024
    /// 8,192 bits: what is longer only costs time.
    private static let modulusBytesMax = 1024
    private static let exponentBytesMax = 4
    private static let idLengthMax = 512

    package let id: String?
    /// What the key may check.
    package let algorithms: Set<SignatureAlgorithm>
    private let material: Material

    /// - Parameter allowsShared: whether the key may be symmetric: only where it came from a file of this host.
    package init(_ json: JSON, allowsShared: Bool) throws(Flaw) {
        guard json.kind == .object else { throw .notAnObject }
        id = try Self.optionalText("kid", in: json)
        if let use = try Self.optionalText("use", in: json), use != "sig" { throw .notForSigning }
        if let operations = json["key_ops"] {
            guard operations.kind == .array else { throw .badMember("key_ops") }
            guard operations.elements.contains(where: { $0.string == "verify" }) else { throw .notForSigning }
        }
        let (material, able) = try Self.material(of: json, allowsShared: allowsShared)
        self.material = material
        if let name = try Self.optionalText("alg", in: json) {
            guard let algorithm = SignatureAlgorithm(name: name), able.contains(algorithm) else {
                throw .otherAlgorithm(name)
            }
            algorithms = [algorithm]
        } else {
            algorithms = able
        }
    }

    /// Whether the signature is this key's under the algorithm; never for an algorithm that the key is not for.
    package func verifies(
        _ signature: [UInt8], of signed: some Sequence<UInt8>, by algorithm: SignatureAlgorithm
    ) -> Bool {
        guard algorithms.contains(algorithm) else { return false }
        let signed = Data(signed)
        switch material {
        case .shared(let key):
            return HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: signed, using: key)
        case .rsa(let key):
            let signature = _RSA.Signing.RSASignature(rawRepresentation: Data(signature))
            // The padding of RS256, RS384 and RS512 (RFC 8017 §8.2).
            let padding = _RSA.Signing.Padding.insecurePKCS1v1_5
            switch algorithm {
            case .rs256:
                return key.isValidSignature(signature, for: SHA256.hash(data: signed), padding: padding)
            case .rs384:
                return key.isValidSignature(signature, for: SHA384.hash(data: signed), padding: padding)
            case .rs512:
                return key.isValidSignature(signature, for: SHA512.hash(data: signed), padding: padding)
            case .hs256, .es256, .es384, .edDSA: return false
            }
        case .p256(let key):
            guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else {
                return false
            }
            return key.isValidSignature(signature, for: signed)
        case .p384(let key):
            guard let signature = try? P384.Signing.ECDSASignature(rawRepresentation: signature) else {
                return false
            }
            return key.isValidSignature(signature, for: signed)
        case .ed25519(let key):
            return key.isValidSignature(Data(signature), for: signed)
        }
    }

    // MARK: -

    private static func material(
        of json: JSON, allowsShared: Bool
    ) throws(Flaw) -> (Material, Set<SignatureAlgorithm>) {
        let kind = try text("kty", in: json)
        switch kind {
        case "oct":
            guard allowsShared else { throw .symmetricFromNetwork }
            let bytes = try bytes("k", in: json)
            guard (sharedBytesMin...sharedBytesMax).contains(bytes.count) else {
                throw .tooWeak("a shared key has \(sharedBytesMin) to \(sharedBytesMax) bytes")
            }
            return (.shared(SymmetricKey(data: bytes)), [.hs256])
        case "RSA":
            let modulus = try bytes("n", in: json)
            let exponent = try bytes("e", in: json)
            guard modulus.count <= modulusBytesMax, exponent.count <= exponentBytesMax else { throw .notAKey }
            guard let key = try? _RSA.Signing.PublicKey(n: modulus, e: exponent) else {
                throw .tooWeak("an RSA key has at least 2048 bits (RFC 7518 §3.3)")
            }
            return (.rsa(key), [.rs256, .rs384, .rs512])
        case "EC":
            let point: ([UInt8], [UInt8]) = (try bytes("x", in: json), try bytes("y", in: json))
            switch try text("crv", in: json) {
            case "P-256":
                // Which checks that the point is on the curve.
                guard point.0.count == 32, point.1.count == 32,
                    let key = try? P256.Signing.PublicKey(rawRepresentation: point.0 + point.1)
                else { throw .notAKey }
                return (.p256(key), [.es256])
            case "P-384":
                guard point.0.count == 48, point.1.count == 48,
                    let key = try? P384.Signing.PublicKey(rawRepresentation: point.0 + point.1)
                else { throw .notAKey }
                return (.p384(key), [.es384])
            case let other: throw .unknownCurve(other)
            }
        case "OKP":
            let curve = try text("crv", in: json)
            guard curve == "Ed25519" else { throw .unknownCurve(curve) }
            let bytes = try bytes("x", in: json)
            guard bytes.count == 32, let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes)
            else { throw .notAKey }
            return (.ed25519(key), [.edDSA])
        default: throw .unknownKind(kind)
        }
    }

    private static func text(_ name: String, in json: JSON) throws(Flaw) -> String {
        guard let text = try optionalText(name, in: json) else { throw .badMember(name) }
        return text
    }

    private static func optionalText(_ name: String, in json: JSON) throws(Flaw) -> String? {
        guard let value = json[name] else { return nil }
        guard let text = value.string, text.utf8.count <= idLengthMax else { throw .badMember(name) }
        return text
    }

    private static func bytes(_ name: String, in json: JSON) throws(Flaw) -> [UInt8] {
        guard let text = json[name]?.string, let bytes = Base64URL.decode(text.utf8) else {
            throw .badMember(name)
        }
        return bytes
    }
}

extension WebKey.Flaw: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notAnObject: "is no object"
        case .badMember(let name): "its \(name) is missing or not what RFC 7518 says"
        case .unknownKind(let kind): "keys of kind \(kind) are not used here"
        case .unknownCurve(let curve): "the curve \(curve) is not used here"
        case .notForSigning: "is not for checking signatures"
        case .otherAlgorithm(let name): "the algorithm \(name) is not used here, or not with such a key"
        case .tooWeak(let why): why
        case .notAKey: "its numbers are no key"
        case .symmetricFromNetwork: "a shared key is taken from a file only, never from the network"
        }
    }
}
