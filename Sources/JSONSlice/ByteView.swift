/// Bytes borrowed for the length of one closure; reading outside of them yields 0.
///
/// 0 stands nowhere in a JSON text, so each loop over the bytes ends by itself where they end, and no index,
/// however wrong, can leave the memory. Never stored beyond the closure that lends the pointer.
struct ByteView {
    private let base: UnsafeBufferPointer<UInt8>

    init(_ base: UnsafeBufferPointer<UInt8>) { self.base = base }

    var count: Int { base.count }

    @inline(__always)
    subscript(index: Int) -> UInt8 {
        index >= 0 && index < base.count ? base[index] : 0
    }

    subscript(range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        let safe = range.clamped(to: 0..<base.count)
        return UnsafeBufferPointer(rebasing: base[safe])
    }

    func isEqual(_ a: Range<Int>, _ b: Range<Int>) -> Bool {
        Self.isEqual(self[a], self[b])
    }

    /// Whether both hold the same bytes; eight at a time.
    static func isEqual(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Bool {
        guard a.count == b.count else { return false }
        guard let one = UnsafeRawPointer(a.baseAddress), let other = UnsafeRawPointer(b.baseAddress) else {
            return a.count == 0
        }
        var at = 0
        while at + 8 <= a.count {
            let word = one.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            if word != other.loadUnaligned(fromByteOffset: at, as: UInt64.self) { return false }
            at += 8
        }
        while at < a.count {
            if one.load(fromByteOffset: at, as: UInt8.self) != other.load(fromByteOffset: at, as: UInt8.self)
            {
                return false
            }
            at += 1
        }
        return true
    }

    /// First place at or after `index` that is not plain text of a string: a quote, a backslash, a control
    /// character, a byte outside ASCII, or the end.
    ///
    /// Looks at thirty-two bytes at a time.
    @inline(__always)
    func skipPlainText(from index: Int) -> Int {
        var at = index
        if at >= 0, let raw = UnsafeRawPointer(base.baseAddress) {
            while at <= base.count - 32 {
                let one = Self.specials(raw.loadUnaligned(fromByteOffset: at, as: Sixteen.self))
                let two = Self.specials(raw.loadUnaligned(fromByteOffset: at + 16, as: Sixteen.self))
                if Self.hasAny(one .| two) { break }
                at += 32
            }
            while at <= base.count - 8 {
                let word = raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                if Self.specials(word) != 0 { break }
                at += 8
            }
        }
        while Self.isPlain(self[at]) { at += 1 }
        return at
    }

    /// First place at or after `index` where a valid string ends or has an escape: a quote, a backslash, or the end.
    ///
    /// Looks at thirty-two bytes at a time.
    @inline(__always)
    func skipValidText(from index: Int) -> Int {
        var at = index
        if at >= 0, let raw = UnsafeRawPointer(base.baseAddress) {
            while at <= base.count - 32 {
                let one = Self.quotesAndBackslashes(
                    raw.loadUnaligned(fromByteOffset: at, as: Sixteen.self))
                let two = Self.quotesAndBackslashes(
                    raw.loadUnaligned(fromByteOffset: at + 16, as: Sixteen.self))
                if Self.hasAny(one .| two) { break }
                at += 32
            }
            while at <= base.count - 8 {
                let word = raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                if Self.quotesAndBackslashes(word) != 0 { break }
                at += 8
            }
        }
        while at < base.count, self[at] != 0x22, self[at] != 0x5C { at += 1 }
        return at
    }

    /// Not zero where the word has a quote or a backslash, and nowhere else (Warren, Hacker's Delight §6-1).
    @inline(__always)
    private static func quotesAndBackslashes(_ word: UInt64) -> UInt64 {
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        return (((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)) & highs
    }

    /// As signed numbers, so that bytes outside ASCII are less than a space, as control characters are.
    private typealias Sixteen = SIMD16<Int8>

    @inline(__always)
    private static func quotesAndBackslashes(_ bytes: Sixteen) -> SIMDMask<Sixteen> {
        (bytes .== Sixteen(repeating: 0x22)) .| (bytes .== Sixteen(repeating: 0x5C))
    }

    /// Where a byte is not plain text.
    @inline(__always)
    private static func specials(_ bytes: Sixteen) -> SIMDMask<Sixteen> {
        quotesAndBackslashes(bytes) .| (bytes .< Sixteen(repeating: 0x20))
    }

    /// The same as `any(mask)`, which looks at one lane after the other.
    @inline(__always)
    private static func hasAny(_ mask: SIMDMask<Sixteen>) -> Bool {
        let halves = unsafeBitCast(mask, to: SIMD2<UInt64>.self)
        return halves[0] | halves[1] != 0
    }

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Not zero where the word has a byte that is not plain text: a quote, a backslash, a control character, or one outside ASCII
    /// (the "find a byte in a word" identities of Warren, Hacker's Delight §6-1).
    @inline(__always)
    private static func specials(_ word: UInt64) -> UInt64 {
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        let control = word &- (ones &* 0x20)
        let found = (quote &- ones) | (backslash &- ones) | control
        // The identities may report a byte next to a real hit, never miss one; the caller looks at each.
        return (found | word) & highs
    }

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != 0x22 && byte != 0x5C
    }
}
