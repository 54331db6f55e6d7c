/// The fields of a message in the order they stand in it; names match in any case (RFC 9110 §5.1).
///
/// Names and values lie in one array of bytes, that of a decoded head in the very bytes that came, so that decoding a
/// head costs two allocations and a `String` is made only for what is asked for. What can be stored can be sent: a name
/// is a token and a value holds no line break, so no value can smuggle in a second field.
package struct HTTPHeaders: Sendable {
    /// Places in ``bytes``; short, since every connection keeps some heads.
    private struct Field {
        private let nameStart, nameEnd, valueStart, valueEnd: UInt32

        init(name: Range<Int>, value: Range<Int>) {
            nameStart = UInt32(clamping: name.lowerBound)
            nameEnd = UInt32(clamping: name.upperBound)
            valueStart = UInt32(clamping: value.lowerBound)
            valueEnd = UInt32(clamping: value.upperBound)
        }

        var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
        var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
    }

    /// Of a head that was decoded all of it, start line and line ends as well.
    private(set) var bytes: [UInt8] = []
    private var fields: [Field] = []

    package init() {}

    /// - Note: fields whose name is no token are left out, as ``add(_:_:)`` says.
    package init(_ list: some Sequence<(String, String)>) {
        for (name, value) in list { add(name, value) }
    }

    package var count: Int { fields.count }
    package var isEmpty: Bool { fields.isEmpty }

    /// The value of the first field of that name. Bytes that are no UTF-8 come out as U+FFFD.
    package func first(_ name: String) -> String? {
        fields.first { matches($0, name) }.map(value)
    }

    /// The values of all fields of that name, in order, uncombined.
    package func all(_ name: String) -> [String] {
        fields.filter { matches($0, name) }.map(value)
    }

    package func contains(_ name: String) -> Bool { fields.contains { matches($0, name) } }

    /// Whether one of the comma-separated elements of that field is `token`, in any case.
    package func lists(_ token: String, in name: String) -> Bool {
        fields.contains { field in
            matches(field, name)
                && bytes[field.value].split(separator: HTTPByte.comma).contains { element in
                    HTTPByte.equalIgnoringCase(Self.trimmed(element), token.utf8)
                }
        }
    }

    /// Appends a field. Line breaks and NUL in the value become spaces (RFC 9110 §5.5).
    ///
    /// - Returns: `false`, and nothing is added, when the name is no token.
    @discardableResult
    package mutating func add(_ name: String, _ value: String) -> Bool {
        guard Self.isValidName(name) else { return false }
        let start = bytes.count
        bytes.append(contentsOf: name.utf8)
        let middle = bytes.count
        for byte in value.utf8 { bytes.append(HTTPByte.isFieldText(byte) ? byte : HTTPByte.space) }
        fields.append(Field(name: start..<middle, value: middle..<bytes.count))
        return true
    }

    /// Puts one field in place of all of that name.
    @discardableResult
    package mutating func set(_ name: String, _ value: String) -> Bool {
        remove(name)
        return add(name, value)
    }

    /// The bytes of what is removed stay behind until the value goes; a head is short-lived.
    package mutating func remove(_ name: String) {
        fields = fields.filter { !matches($0, name) }
    }

    /// Whether this is a token (RFC 9110 §5.6.2), as every field name must be.
    package static func isValidName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy(HTTPByte.isToken)
    }

    /// Whether the value would be sent as it is.
    package static func isValidValue(_ value: String) -> Bool {
        value.utf8.allSatisfy(HTTPByte.isFieldText)
    }

    /// Whether there is one `Content-Type`, of this media type; its parameters are not looked at.
    package func isMediaType(_ type: StaticString) -> Bool {
        guard let field = fields.first(where: { matches($0, "content-type") }) else { return false }
        let value = bytes[field.value]
        let essence = value.prefix { $0 != HTTPByte.semicolon && $0 != HTTPByte.space }
        let type = UnsafeBufferPointer(start: type.utf8Start, count: type.utf8CodeUnitCount)
        return HTTPByte.equalIgnoringCase(essence, type)
    }

    // MARK: For the codec

    /// Notes a field that the decoder has found, a token and field text, at these places of what ``take(_:)`` gets next.
    mutating func note(name: Range<Int>, value: Range<Int>) {
        if fields.isEmpty { fields.reserveCapacity(Self.fieldsOfMost) }
        fields.append(Field(name: name, value: value))
    }

    /// Takes bytes of a head as they came, lines that end.
    mutating func take(_ lines: Span<UInt8>) {
        lines.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
    }

    /// As many as most heads have.
    private static let fieldsOfMost = 8

    /// Hands each field's bytes to `body`: name, value.
    func forEachField(_ body: (ArraySlice<UInt8>, ArraySlice<UInt8>) -> Void) {
        for field in fields { body(bytes[field.name], bytes[field.value]) }
    }

    /// The values of all fields of that name as they came.
    func rawValues(_ name: String) -> [ArraySlice<UInt8>] {
        fields.filter { matches($0, name) }.map { bytes[$0.value] }
    }

    static func trimmed(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var value = value
        while let first = value.first, HTTPByte.isBlank(first) { value.removeFirst() }
        while let last = value.last, HTTPByte.isBlank(last) { value.removeLast() }
        return value
    }

    private func matches(_ field: Field, _ name: String) -> Bool {
        field.name.count == name.utf8.count
            && HTTPByte.equalIgnoringCase(bytes[field.name], name.utf8)
    }

    private func value(of field: Field) -> String {
        String(decoding: bytes[field.value], as: UTF8.self)
    }
}

extension HTTPHeaders: Sequence {
    package struct Iterator: IteratorProtocol {
        fileprivate let headers: HTTPHeaders
        fileprivate var index = 0

        package mutating func next() -> (name: String, value: String)? {
            guard index < headers.fields.count else { return nil }
            defer { index += 1 }
            let field = headers.fields[index]
            return (
                String(decoding: headers.bytes[field.name], as: UTF8.self),
                headers.value(of: field)
            )
        }
    }

    package func makeIterator() -> Iterator { Iterator(headers: self) }
}

extension HTTPHeaders: Equatable {
    /// The same fields in the same order, names to the byte.
    package static func == (a: Self, b: Self) -> Bool { a.elementsEqual(b) { $0 == $1 } }
}

extension HTTPHeaders: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, String)...) { self.init(elements) }
}
