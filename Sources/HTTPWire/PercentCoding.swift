/// Percent-encoding of URIs (RFC 3986 §2.1), read strictly.
package enum PercentCoding {
    /// - Returns: `nil` when an escape is malformed, or the bytes are no UTF-8 or hold a NUL.
    package static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            if byte == HTTPByte.percent {
                guard let high = rest.next().flatMap(HTTPByte.hexDigit),
                    let low = rest.next().flatMap(HTTPByte.hexDigit)
                else { return nil }
                bytes.append(UInt8(high << 4 | low))
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? HTTPByte.space : byte)
            }
        }
        return bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
    }

    /// Escapes all but the unreserved characters, so that the result is one segment or one query value.
    package static func encode(_ text: some StringProtocol) -> String { encode(bytes: text.utf8) }

    package static func encode(bytes plain: some Sequence<UInt8>) -> String {
        var bytes: [UInt8] = []
        for byte in plain {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                bytes.append(byte)
            default:
                bytes.append(HTTPByte.percent)
                bytes.append(digits[Int(byte >> 4)])
                bytes.append(digits[Int(byte & 15)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let digits = Array("0123456789ABCDEF".utf8)
}
