package import Crypto

/// What the keeper of a log stands by: so many records, with this root.
package struct LogHead: Hashable, Sendable {
    /// Which log: 16 bytes, chosen when it begins, so that a new log after a restore is not taken for the old.
    package static let logIDLength = 16

    package let logID: [UInt8]
    package let size: UInt64
    package let root: MerkleHash

    /// `nil` unless `logID` has ``logIDLength`` bytes.
    package init?(logID: [UInt8], size: UInt64, root: MerkleHash) {
        guard logID.count == Self.logIDLength else { return nil }
        self.logID = logID
        self.size = size
        self.root = root
    }

    /// What is signed: a prefix that no other signature of a node begins with, then log id, size (big-endian) and root, all
    /// of fixed length.
    package var signedBytes: [UInt8] {
        var bytes = Array("martlet/1 log head\0".utf8)
        bytes += logID
        withUnsafeBytes(of: size.bigEndian) { bytes += Array($0) }
        bytes += root.bytes
        return bytes
    }
}

/// A head with its keeper's Ed25519 signature (RFC 8032).
package struct SignedHead: Hashable, Sendable {
    package let head: LogHead
    package let signature: [UInt8]

    /// As it was received; ``isValid(by:)`` says what it is worth.
    package init(head: LogHead, signature: [UInt8]) {
        self.head = head
        self.signature = signature
    }

    /// - Throws: what the cryptography throws; not for any head.
    package init(_ head: LogHead, by key: Curve25519.Signing.PrivateKey) throws {
        self.init(head: head, signature: Array(try key.signature(for: head.signedBytes)))
    }

    package func isValid(by key: Curve25519.Signing.PublicKey) -> Bool {
        key.isValidSignature(signature, for: head.signedBytes)
    }
}
