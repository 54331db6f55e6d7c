/// The one spelling of a value (RFC 8785, JCS): for hashes that say what a value means, not how it was written.
extension JSON {
    package struct Canonical: Hashable, Sendable {
        package let bytes: [UInt8]
        /// Whether every number keeps its value in a `Double`, in which the form spells them. Where not, two values that
        /// some readers tell apart have one form.
        package let isExact: Bool
    }

    /// Members by their keys in UTF-16, numbers as ECMAScript writes them, no whitespace, no escape but the needed.
    ///
    /// - Returns: `nil` where RFC 8785 knows no form: half a surrogate pair, a number beyond any `Double`.
    /// - Complexity: O(*n* log *n*) in the bytes.
    package var canonical: Canonical? {
        var writer = CanonicalWriter()
        guard writer.write(self) else { return nil }
        return Canonical(bytes: writer.bytes, isExact: writer.isExact)
    }
}

private struct CanonicalWriter {
    var bytes: [UInt8] = []
    var isExact = true

    /// Of an integer that every reader of JSON reads as the same (RFC 7493 §2.2).
    private static let integerMax: UInt64 = (1 << 53) - 1
    /// A `Double` tells no more apart.
    private static let digitsMax = 17

    mutating func write(_ value: JSON) -> Bool {
        switch value.kind {
        case .null, .bool: bytes.append(contentsOf: value.bytes)
        case .number: return write(number: value)
        case .string: return write(string: value)
        case .array:
            bytes.append(UInt8(ascii: "["))
            for (index, element) in value.elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                guard write(element) else { return false }
            }
            bytes.append(UInt8(ascii: "]"))
        case .object: return write(object: value)
        }
        return true
    }

    private mutating func write(object: JSON) -> Bool {
        // A key that is cut through a surrogate pair would read as another one.
        guard !Self.hasHalfPair(inKeysOf: object) else { return false }
        let members = object.members.map { (order: Array($0.key.utf16), member: $0) }
            .sorted { $0.order.lexicographicallyPrecedes($1.order) }
        bytes.append(UInt8(ascii: "{"))
        for (index, (_, member)) in members.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            append(text: member.key)
            bytes.append(UInt8(ascii: ":"))
            guard write(member.value) else { return false }
        }
        bytes.append(UInt8(ascii: "}"))
        return true
    }

    // MARK: Strings

    private mutating func write(string: JSON) -> Bool {
        guard !Self.hasHalfPair(string.bytes.dropFirst().dropLast()), let text = string.string else {
            return false
        }
        append(text: text)
        return true
    }

    private mutating func append(text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case 0x08: bytes += Array("\\b".utf8)
            case 0x09: bytes += Array("\\t".utf8)
            case 0x0A: bytes += Array("\\n".utf8)
            case 0x0C: bytes += Array("\\f".utf8)
            case 0x0D: bytes += Array("\\r".utf8)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let hex = String(byte, radix: 16)
                bytes += Array("\\u00\(hex.count == 1 ? "0" : "")\(hex)".utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Keys are read through, since only their texts are at hand: an escape that names half a pair stands in the bytes.
    private static func hasHalfPair(inKeysOf object: JSON) -> Bool {
        guard hasHalfPair(object.bytes) else { return false }
        // Somewhere inside; a value's own strings are looked at in their turn, a key reads with U+FFFD.
        return object.members.contains { $0.key.unicodeScalars.contains("\u{FFFD}") }
    }

    private static func hasHalfPair(_ inside: ArraySlice<UInt8>) -> Bool {
        var index = inside.startIndex
        while let slash = inside[index...].firstIndex(of: UInt8(ascii: "\\")) {
            guard slash + 1 < inside.endIndex else { return false }
            guard let unit = unit(inside, at: slash) else {
                index = slash + 2
                continue
            }
            index = slash + 6
            switch unit {
            case 0xD800...0xDBFF:
                guard let low = Self.unit(inside, at: index), (0xDC00...0xDFFF).contains(low) else {
                    return true
                }
                index += 6
            case 0xDC00...0xDFFF: return true
            default: break
            }
        }
        return false
    }

    /// The code unit of an escape `\uXXXX` that begins there.
    private static func unit(_ bytes: ArraySlice<UInt8>, at index: Int) -> UInt16? {
        guard index + 6 <= bytes.endIndex, bytes[index] == UInt8(ascii: "\\"),
            bytes[index + 1] == UInt8(ascii: "u")
        else { return nil }
        return UInt16(String(decoding: bytes[index + 2..<index + 6], as: UTF8.self), radix: 16)
    }

    // MARK: Numbers

    private mutating func write(number: JSON) -> Bool {
        let text = number.text
        guard let value = Double(text), value.isFinite else { return false }
        if !Self.isKept(text, as: value) { isExact = false }
        bytes += Array(Self.spelled(value).utf8)
        return true
    }

    private static func isKept(_ text: String, as value: Double) -> Bool {
        let mantissa = text.prefix { $0 != "e" && $0 != "E" }.filter(\.isNumber).drop { $0 == "0" }
        if value == 0 { return mantissa.isEmpty }
        if !text.contains(where: { ".eE".contains($0) }) {
            return UInt64(mantissa).map { $0 <= integerMax } ?? false
        }
        var digits = mantissa
        while digits.last == "0" { digits.removeLast() }
        return digits.count <= digitsMax
    }

    /// `Number.prototype.toString` (ECMA-262 §6.1.6.1.20): the shortest digits that read as the same, of which Swift finds
    /// the same ones and writes them otherwise.
    private static func spelled(_ value: Double) -> String {
        if value == 0 { return "0" }
        let sign = value < 0 ? "-" : ""
        let parts = value.magnitude.description.split(separator: "e", maxSplits: 1)
        let mantissa = parts[0].split(separator: ".", maxSplits: 1)
        let whole = mantissa[0]
        var digits = String(whole + (mantissa.count > 1 ? mantissa[1] : ""))
        // The value is 0.DIGITS × 10^point.
        var point = whole.count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        while digits.first == "0" {
            digits.removeFirst()
            point -= 1
        }
        while digits.last == "0" { digits.removeLast() }
        let zeros = { (count: Int) in String(repeating: "0", count: count) }
        switch point {
        case digits.count...21: return sign + digits + zeros(point - digits.count)
        case 1...21: return sign + digits.prefix(point) + "." + digits.dropFirst(point)
        case -5...0: return sign + "0." + zeros(-point) + digits
        default:
            let rest = digits.count > 1 ? "." + digits.dropFirst() : ""
            let exponent = point - 1
            return sign + digits.prefix(1) + rest + "e" + (exponent < 0 ? "-" : "+")
                + String(exponent.magnitude)
        }
    }
}
