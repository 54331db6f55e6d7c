import Crypto

/// What digests in records are made with: a node's own, so that equal values are recognised on this node and guessed nowhere else.
///
/// A plain hash of an argument such as a PIN could be tried out by whoever reads the records; under a key that lies
/// beside the data folder's other keys it cannot.
package struct RecordKey: Sendable {
    /// Bytes of one.
    package static let length = 32
    /// Of SHA-256 (RFC 2104 §2: *B*).
    private static let blockBytes = 64

    /// HMAC's two hashes with the key taken in, and nothing else: what every code begins with. (`HMAC` itself takes its data
    /// through generic collections, which costs more than hashing what most calls say.)
    private let inner: SHA256
    private let outer: SHA256

    /// `nil` unless there are ``length`` bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        func hash(with pad: UInt8) -> SHA256 {
            var block = Array(repeating: pad, count: Self.blockBytes)
            for (place, byte) in bytes.enumerated() { block[place] ^= byte }
            var hash = SHA256()
            hash.update(data: block)
            return hash
        }
        inner = hash(with: 0x36)
        outer = hash(with: 0x5C)
    }

    /// HMAC-SHA-256 (RFC 2104) over the bytes as they are, in hex.
    ///
    /// - Complexity: O(bytes)
    package func digest(of bytes: ArraySlice<UInt8>) -> String { Hexadecimal.text(of: code(of: bytes)) }

    /// The same, as bytes.
    package func code(of bytes: ArraySlice<UInt8>) -> [UInt8] {
        var (inner, outer) = (inner, outer)
        bytes.withUnsafeBytes { inner.update(bufferPointer: $0) }
        inner.finalize().withUnsafeBytes { outer.update(bufferPointer: $0) }
        return outer.finalize().withUnsafeBytes { Array($0) }
    }
}
