import Crypto

/// What digests in records are made with: a node's own, so that equal values are recognised on this node and guessed nowhere else.
///
/// A plain hash of an argument such as a PIN could be tried out by whoever reads the records; under a key that lies
/// beside the data folder's other keys it cannot.
package struct RecordKey: Sendable {
    /// Bytes of one.
    package static let length = 32

    /// With the key taken in, and nothing else: what every code begins with.
    private let start: HMAC<SHA256>

    /// `nil` unless there are ``length`` bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        start = HMAC(key: SymmetricKey(data: bytes))
    }

    /// HMAC-SHA-256 (RFC 2104) over the bytes as they are, in hex.
    ///
    /// - Complexity: O(bytes)
    package func digest(of bytes: ArraySlice<UInt8>) -> String { Hexadecimal.text(of: code(of: bytes)) }

    /// The same, as bytes.
    package func code(of bytes: ArraySlice<UInt8>) -> [UInt8] {
        var code = start
        bytes.withUnsafeBytes { code.update(data: $0) }
        return code.finalize().withUnsafeBytes { Array($0) }
    }
}
