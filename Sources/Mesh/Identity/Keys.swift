package import Catalog
import Crypto

/// A node's long-lived public key: Ed25519, 32 bytes (RFC 8032). Its hash is the node's id.
package struct NodeKey: Hashable, Sendable, Canonical {
    package static let byteCount = 32

    package let raw: [UInt8]
    package let id: NodeID

    /// - Returns: `nil` unless there are exactly 32 bytes.
    package init?(raw: some Collection<UInt8>) {
        guard raw.count == Self.byteCount else { return nil }
        self.raw = Array(raw)
        id = NodeID(ofKey: raw)
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        guard let key = NodeKey(raw: try decoder.slice(fixed: Self.byteCount, "node key")) else {
            throw .truncated("node key")
        }
        self = key
    }

    package func encode(to encoder: inout CanonicalEncoder) { encoder.put(fixed: raw) }
}

/// 64 bytes of signature: Ed25519 of a node, or ECDSA over P-256 (r then s) of a mesh's root.
package struct Signature: Hashable, Sendable, Canonical {
    package static let byteCount = 64

    package let bytes: [UInt8]

    /// - Returns: `nil` unless there are exactly 64 bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = Array(bytes)
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        guard let signature = Signature(bytes: try decoder.slice(fixed: Self.byteCount, "signature")) else {
            throw .truncated("signature")
        }
        self = signature
    }

    package func encode(to encoder: inout CanonicalEncoder) { encoder.put(fixed: bytes) }
}

/// The private key could not sign (it is gone, locked, or its holder failed).
package struct SigningFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package var detail: String
    package init(_ detail: String) { self.detail = detail }
    package var description: String { "cannot sign: \(detail)" }
}

/// A node's private key as something that signs; where the key lies is the shell's affair.
package struct Signer: Sendable {
    package let key: NodeKey
    package let sign: @Sendable (_ message: [UInt8]) throws(SigningFailure) -> Signature

    package init(
        key: NodeKey, sign: @escaping @Sendable (_ message: [UInt8]) throws(SigningFailure) -> Signature
    ) {
        self.key = key
        self.sign = sign
    }

    /// Signs with an Ed25519 key held in memory.
    ///
    /// - Returns: `nil` unless `seed` is a private key of 32 bytes.
    package init?(seed: [UInt8]) {
        guard let secret = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed),
            let key = NodeKey(raw: Array(secret.publicKey.rawRepresentation))
        else { return nil }
        self.init(key: key) { message throws(SigningFailure) in
            guard let made = try? secret.signature(for: message),
                let signature = Signature(bytes: Array(made))
            else { throw SigningFailure("the Ed25519 key gave no signature") }
            return signature
        }
    }
}

/// The mesh's root as something that signs: ECDSA over SHA-256 on P-256.
package struct RootSigner: Sendable {
    package let trust: MeshTrust
    package let sign: @Sendable (_ message: [UInt8]) throws(SigningFailure) -> Signature

    package init(
        trust: MeshTrust, sign: @escaping @Sendable (_ message: [UInt8]) throws(SigningFailure) -> Signature
    ) {
        self.trust = trust
        self.sign = sign
    }

    /// Signs with a P-256 key held in memory.
    ///
    /// - Returns: `nil` unless `scalar` is a private key of 32 bytes.
    package init?(scalar: [UInt8]) {
        guard let secret = try? P256.Signing.PrivateKey(rawRepresentation: scalar),
            let trust = MeshTrust(rootKey: Array(secret.publicKey.x963Representation))
        else { return nil }
        self.init(trust: trust) { message throws(SigningFailure) in
            guard let made = try? secret.signature(for: message),
                let signature = Signature(bytes: Array(made.rawRepresentation))
            else { throw SigningFailure("the P-256 key gave no signature") }
            return signature
        }
    }
}

/// Whether a signature is good. A parameter of everything that decides, so that a simulation of a thousand nodes
/// need not spend its time on curves.
package struct SignatureChecker: Sendable {
    package let node: @Sendable (_ key: NodeKey, _ signature: Signature, _ message: [UInt8]) -> Bool
    package let root: @Sendable (_ key: [UInt8], _ signature: Signature, _ message: [UInt8]) -> Bool

    package init(
        node: @escaping @Sendable (_ key: NodeKey, _ signature: Signature, _ message: [UInt8]) -> Bool,
        root: @escaping @Sendable (_ key: [UInt8], _ signature: Signature, _ message: [UInt8]) -> Bool
    ) {
        self.node = node
        self.root = root
    }

    /// Ed25519 and ECDSA P-256 by swift-crypto; the only checker outside tests.
    package static let real = SignatureChecker(
        node: { key, signature, message in
            guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: key.raw) else {
                return false
            }
            return key.isValidSignature(signature.bytes, for: message)
        },
        root: { key, signature, message in
            guard let key = try? P256.Signing.PublicKey(x963Representation: key),
                let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature.bytes)
            else { return false }
            return key.isValidSignature(signature, for: message)
        })
}
