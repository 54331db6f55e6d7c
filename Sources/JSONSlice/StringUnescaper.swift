/// The inside of a JSON string, unescaped and escaped (RFC 8259 §7).
enum StringUnescaper {
    static func hexValue(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }

    static func text(_ inside: UnsafeBufferPointer<UInt8>, isEscaped: Bool) -> String {
        isEscaped ? String(decoding: bytes(inside), as: UTF8.self) : String(decoding: inside, as: UTF8.self)
    }

    /// The UTF-8 that a valid string stands for. Half a surrogate pair, which JSON's grammar allows and Unicode
    /// does not, becomes U+FFFD.
    static func bytes(_ inside: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        let view = ByteView(inside)
        var result: [UInt8] = []
        result.reserveCapacity(view.count)
        var at = 0
        while at < view.count {
            guard view[at] == UInt8(ascii: "\\") else {
                result.append(view[at])
                at += 1
                continue
            }
            switch view[at + 1] {
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"):
                let (scalar, length) = scalar(at, of: view)
                result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
                at += length
                continue
            case let other: result.append(other)
            }
            at += 2
        }
        return result
    }

    private static func scalar(_ at: Int, of view: ByteView) -> (Unicode.Scalar, length: Int) {
        let first = unit(at, of: view)
        if let scalar = Unicode.Scalar(first) { return (scalar, 6) }
        if first < 0xDC00, view[at + 6] == UInt8(ascii: "\\"), view[at + 7] == UInt8(ascii: "u") {
            let second = unit(at + 6, of: view)
            if (0xDC00...0xDFFF).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
            {
                return (scalar, 12)
            }
        }
        return ("\u{FFFD}", 6)
    }

    private static func unit(_ at: Int, of view: ByteView) -> UInt32 {
        (2..<6).reduce(0) { $0 << 4 | (hexValue(view[at + $1]) ?? 0) }
    }

    /// Appends the text as a JSON string with its quotes; only what must be escaped is.
    static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        if !withPlain(text, { bytes.append(contentsOf: $0) }) { appendEscaped(text, to: &bytes) }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Gives `body` the text's bytes, if none of them needs an escape and they lie in one piece.
    ///
    /// - Returns: whether it did.
    static func withPlain(_ text: String, _ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
        text.utf8.withContiguousStorageIfAvailable { inside in
            let isPlain = inside.allSatisfy {
                $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
            if isPlain { body(UnsafeRawBufferPointer(inside)) }
            return isPlain
        } ?? false
    }

    /// The text as it stands between the quotes of a JSON string.
    static func appendEscaped(_ text: String, to bytes: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x0A: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0x0D: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case 0x09: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
    }
}
