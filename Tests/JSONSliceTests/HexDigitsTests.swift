import Testing

@testable import JSONSlice

@Suite struct HexDigitsTests {
    @Test(arguments: [0, 1, 0x9A, 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210, .max] as [UInt64])
    func `a word has sixteen digits, the highest first`(word: UInt64) {
        var text = ByteWriter(capacity: 16)
        text.put(hex: word)
        let digits = String(word, radix: 16)
        #expect(
            String(decoding: text.finished(), as: UTF8.self)
                == String(repeating: "0", count: 16 - digits.count) + digits)
    }

    @Test(arguments: 0..<70)
    func `a byte has two digits, wherever it stands`(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
        var writer = ByteWriter(capacity: 1)
        writer.put(" ")
        writer.put(hexOf: bytes)
        let text = writer.finished()
        let expected = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(text.first == UInt8(ascii: " "))
        #expect(String(decoding: text.dropFirst(), as: UTF8.self) == expected)
    }
}
