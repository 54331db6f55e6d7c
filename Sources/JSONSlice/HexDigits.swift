/// Hexadecimal digits in lower case, eight at a time: what is written for every call has a hundred of them.
extension ByteWriter {
    /// Sixteen digits, the highest first.
    package mutating func put(hex word: UInt64) {
        write(atMost: 16) { start in
            Self.store(UInt32(truncatingIfNeeded: word >> 32), at: start)
            Self.store(UInt32(truncatingIfNeeded: word), at: start + 8)
            return start + 16
        }
    }

    /// Two digits for each byte.
    package mutating func put(hexOf bytes: [UInt8]) {
        write(atMost: 2 * bytes.count) { start in
            var at = start
            let whole = bytes.count & ~3
            bytes.withUnsafeBytes { bytes in
                for place in stride(from: 0, to: whole, by: 4) {
                    let word = bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)
                    Self.store(UInt32(bigEndian: word), at: at)
                    at += 8
                }
            }
            for byte in bytes[whole...] {
                for digit in [byte >> 4, byte & 15] {
                    let text = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                    at.storeBytes(of: text, as: UInt8.self)
                    at += 1
                }
            }
            return at
        }
    }

    /// The eight digits of a word.
    private static func store(_ word: UInt32, at place: UnsafeMutableRawPointer) {
        // Each of the eight digits into a byte of its own, the highest at the top.
        var digits = UInt64(word)
        digits = (digits | digits << 16) & 0x0000_FFFF_0000_FFFF
        digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF
        digits = (digits | digits << 4) & 0x0F0F_0F0F_0F0F_0F0F
        // 1 in each byte that holds ten or more.
        let letters = ((digits &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        let toLetter = UInt64(UInt8(ascii: "a") - 10 - UInt8(ascii: "0"))
        let text = digits &+ 0x3030_3030_3030_3030 &+ letters &* toLetter
        place.storeBytes(of: text.bigEndian, as: UInt64.self)
    }
}
