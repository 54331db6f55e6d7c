import Crypto

/// 128 bits that name something for good: the first half of a SHA-256, spelled as 26 characters of base32.
///
/// Phantom-typed, so that a node id cannot be taken for a mesh id.
package struct Fingerprint<Subject>: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The id that belongs to a public key (the first 16 bytes of its SHA-256).
    package init(ofKey rawKey: some Sequence<UInt8>) {
        let digest = Array(SHA256.hash(data: Array(rawKey)))
        self.init(high: Self.integer(digest[0..<8]), low: Self.integer(digest[8..<16]))
    }

    /// - Returns: `nil` unless there are exactly 16 bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.init(high: Self.integer(bytes.prefix(8)), low: Self.integer(bytes.suffix(8)))
    }

    /// - Returns: `nil` unless the text is 26 characters of lower-case base32.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 26, let bytes = Base32.decode(text) else { return nil }
        self.init(bytes: bytes)
    }

    package var bytes: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
    }

    package var description: String { Base32.encode(bytes) }

    package static func < (a: Self, b: Self) -> Bool { (a.high, a.low) < (b.high, b.low) }

    private static func integer(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

package enum NodeSubject {}
package enum MeshSubject {}

/// Names a node: hash of its Ed25519 public key.
package typealias NodeID = Fingerprint<NodeSubject>
/// Names a mesh: hash of its root's public key.
package typealias MeshID = Fingerprint<MeshSubject>

/// 256 bits of SHA-256: names content (an entry's definition, a manifest) by what it says.
package struct ContentHash: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Its bytes, most significant first, eight a word: a mesh holds and compares very many of these.
    package let words: (UInt64, UInt64, UInt64, UInt64)

    package init(of content: [UInt8]) {
        words = SHA256.hash(data: content).withUnsafeBytes(Self.words)
    }

    package init(of content: some Sequence<UInt8>) { self.init(of: Array(content)) }

    /// - Returns: `nil` unless there are exactly 32 bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        words = Array(bytes).withUnsafeBytes(Self.words)
    }

    package var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        }
    }

    package var description: String { Base32.encode(bytes.prefix(10)) }

    package static func == (a: Self, b: Self) -> Bool { a.words == b.words }
    package static func < (a: Self, b: Self) -> Bool { a.words < b.words }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }

    private static func words(_ bytes: UnsafeRawBufferPointer) -> (UInt64, UInt64, UInt64, UInt64) {
        func word(_ place: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * place, as: UInt64.self))
        }
        return (word(0), word(1), word(2), word(3))
    }
}

/// A name that people give to a node, a server, a segment or a virtual server: `[a-z0-9-]`, 1 to 32
/// characters, no `--` (it separates node from server in names of entries), no `-` at either end.
package struct Label: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let lengthMax = 32

    package let text: String

    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard (1...Self.lengthMax).contains(bytes.count), bytes.first != Self.dash, bytes.last != Self.dash,
            bytes.allSatisfy(Self.allows), !text.contains("--")
        else { return nil }
        self.text = String(text)
    }

    /// The nearest label to any text: lower case, what is not allowed becomes one `-`, cut at 32.
    ///
    /// - Returns: `nil` when nothing of the text is left.
    package init?(fitting text: some StringProtocol) {
        var bytes: [UInt8] = []
        for byte in text.lowercased().utf8 {
            let next = Self.allows(byte) ? byte : Self.dash
            if next == Self.dash && (bytes.isEmpty || bytes.last == Self.dash) { continue }
            bytes.append(next)
        }
        bytes = Array(bytes.prefix(Self.lengthMax))
        while bytes.last == Self.dash { bytes.removeLast() }
        self.init(String(decoding: bytes, as: UTF8.self))
    }

    package var description: String { text }

    package static func < (a: Self, b: Self) -> Bool { a.text < b.text }

    private static let dash = UInt8(ascii: "-")

    private static func allows(_ byte: UInt8) -> Bool {
        byte == dash || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
