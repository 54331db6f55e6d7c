/// One validated JSON value as a slice of bytes: cheap to copy, and what was read is kept to the byte.
///
/// There is no tree. Looking something up walks the bytes once; changing something makes new bytes in which
/// everything else stands as it stood: numbers digit for digit, escapes, order, whitespace, unknown members.
///
/// - Equality is equality of bytes: `1` is not `1.0`, and order counts.
/// - A value cut out of a document keeps the whole document in memory; see ``detached``.
/// - Keys and strings compare by their UTF-8, not by Unicode's canonical equivalence as `String` does.
package struct JSON: Sendable {
    package enum Kind: Hashable, Sendable { case object, array, string, number, bool, null }

    /// The exact bytes of this value, valid UTF-8, no whitespace at either end.
    package let bytes: ArraySlice<UInt8>

    /// For bytes that are known to be one valid value without whitespace around it.
    init(trusted bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    init(trusted bytes: [UInt8]) { self.bytes = bytes[...] }

    /// Takes in a document: strict RFC 8259, valid UTF-8, no duplicate keys; whitespace around it is left off.
    ///
    /// Half a surrogate pair written as an escape is accepted, because the grammar allows it, and kept; it reads
    /// as U+FFFD. A byte order mark is refused.
    /// - Complexity: O(*n*), one pass.
    package init(validating bytes: ArraySlice<UInt8>, limits: JSONLimits = .standard) throws(JSONError) {
        let bytesMax = min(limits.bytesMax, JSONLimits.bytesCeiling)
        guard bytes.count <= bytesMax else { throw .tooLarge(bytes: bytes.count, limit: bytesMax) }
        let place = try bytes.withUnsafeBufferPointer { pointer throws(JSONError) -> Range<Int> in
            var validator = JSONValidator(ByteView(pointer), limits: limits)
            return try validator.document()
        }
        let start = bytes.startIndex
        self.bytes = bytes[start + place.lowerBound..<start + place.upperBound]
    }

    package init(validating bytes: [UInt8], limits: JSONLimits = .standard) throws(JSONError) {
        try self.init(validating: bytes[...], limits: limits)
    }

    package init(validating bytes: some Sequence<UInt8>, limits: JSONLimits = .standard) throws(JSONError) {
        try self.init(validating: Array(bytes)[...], limits: limits)
    }

    package init(validating text: String, limits: JSONLimits = .standard) throws(JSONError) {
        try self.init(validating: Array(text.utf8)[...], limits: limits)
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package var kind: Kind {
        switch bytes.first {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .bool
        case UInt8(ascii: "n"): .null
        default: .number
        }
    }

    /// The same value with memory of its own, for what outlives the document it was cut from.
    package var detached: JSON { JSON(trusted: Array(bytes)) }

    /// The same value without line breaks, for framings that end a message with one (stdio).
    ///
    /// A raw line break can only be whitespace between tokens, since strings must escape it.
    package var onOneLine: JSON {
        bytes.contains(where: Self.isLineBreak)
            ? JSON(trusted: bytes.filter { !Self.isLineBreak($0) }) : self
    }

    fileprivate static func isLineBreak(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }
}

extension [UInt8] {
    /// As ``JSON/onOneLine``, of bytes that are a JSON document.
    package var onOneLine: [UInt8] {
        contains(where: JSON.isLineBreak) ? filter { !JSON.isLineBreak($0) } : self
    }
}

extension JSON: Hashable {
    package static func == (a: JSON, b: JSON) -> Bool { a.bytes == b.bytes }

    package func hash(into hasher: inout Hasher) {
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension JSON: CustomStringConvertible {
    package var description: String { text }
}
