import Crypto

/// A hash in a Merkle tree over a log: of one record, or of two hashes below it (RFC 6962 §2.1).
///
/// Records and nodes are hashed under different first bytes, so that neither can be passed off as the other.
package struct MerkleHash: Hashable, Sendable {
    /// Bytes of one.
    package static let length = 32
    private static let leafPrefix: [UInt8] = [0]
    private static let nodePrefix: [UInt8] = [1]

    package let bytes: [UInt8]

    /// `nil` unless there are ``length`` bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.length else { return nil }
        self.bytes = Array(bytes)
    }

    private init(hashing parts: [UInt8]...) {
        var hasher = SHA256()
        for part in parts { hasher.update(data: part) }
        bytes = Array(hasher.finalize())
    }

    /// The root of a log without records.
    package static let empty = MerkleHash(hashing: [])

    package static func leaf(_ record: [UInt8]) -> MerkleHash { MerkleHash(hashing: leafPrefix, record) }

    static func node(_ left: MerkleHash, _ right: MerkleHash) -> MerkleHash {
        MerkleHash(hashing: nodePrefix, left.bytes, right.bytes)
    }
}
