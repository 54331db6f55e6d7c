/// A whole number without a sign, or a string of ASCII without an escape, of few bytes: as most ids are written.
///
/// Such bytes are certainly one value and nothing more, wherever in a document they stand.
package enum PlainScalar {
    private static let bytesMax = 64
    /// Digits that any reader holds in 64 bits.
    private static let digitsMax = 18

    /// Whether these bytes, all of them, are one.
    package static func isOne(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = bytes.first, bytes.count <= bytesMax else { return false }
        if first == quote {
            return bytes.count >= 2 && bytes[bytes.count - 1] == quote
                && bytes[1..<bytes.count - 1].allSatisfy(isText)
        }
        guard bytes.count <= digitsMax, first != UInt8(ascii: "0") || bytes.count == 1 else { return false }
        return bytes.allSatisfy(isDigit)
    }

    /// How long the one is that these bytes begin with; `nil`: they begin with none.
    static func countAtStart(of bytes: UnsafeRawBufferPointer) -> Int? {
        guard let first = bytes.first else { return nil }
        let near = bytes.prefix(bytesMax)
        let end =
            first == quote
            ? near.dropFirst().firstIndex(of: quote).map { $0 + 1 } : near.firstIndex { !isDigit($0) }
        guard let end, isOne(UnsafeRawBufferPointer(rebasing: near[..<end])) else { return nil }
        return end
    }

    /// How long the one is that these bytes end with; `nil`: they end with none.
    static func countAtEnd(of bytes: UnsafeRawBufferPointer) -> Int? {
        guard let last = bytes.last else { return nil }
        let near = bytes.suffix(bytesMax)
        let start =
            last == quote
            ? near.dropLast().lastIndex(of: quote) : near.lastIndex { !isDigit($0) }.map { $0 + 1 }
        guard let start, isOne(UnsafeRawBufferPointer(rebasing: near[start...])) else { return nil }
        return near.endIndex - start
    }

    private static let quote = UInt8(ascii: "\"")

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isText(_ byte: UInt8) -> Bool {
        (0x20..<0x7F).contains(byte) && byte != quote && byte != UInt8(ascii: "\\")
    }
}
