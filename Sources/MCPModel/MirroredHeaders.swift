package import JSONSlice

/// The headers of 2026-07-28 that repeat parts of the body, so that intermediaries need not parse it:
/// what a client sends, and what a server checks.
package struct MirroredHeaders: Hashable, Sendable {
    package static let protocolVersion = "MCP-Protocol-Version"
    package static let method = "Mcp-Method"
    package static let name = "Mcp-Name"
    package static let parameterPrefix = "Mcp-Param-"

    /// All values of the header of this name, which is compared without regard to case.
    package typealias Lookup = (_ name: String) -> [String]

    package struct Field: Hashable, Sendable {
        package let name: String
        package let value: String
    }

    /// In the order version, method, name, parameters; values encoded.
    package let fields: [Field]

    /// The headers of a request.
    ///
    /// - Parameters:
    ///   - version: what `_meta` of the body says.
    ///   - parameters: of the tool called; its current schema decides.
    package init(
        version: String, method: String, params: JSON, parameters: ParameterHeaders? = nil
    ) {
        var fields = [
            Field(name: Self.protocolVersion, value: version), Field(name: Self.method, value: method),
        ]
        if let member = Method.nameMember(of: method), let name = params[member]?.string {
            fields.append(Field(name: Self.name, value: Self.encoded(name)))
        }
        if let parameters, !parameters.parameters.isEmpty, let arguments = params["arguments"] {
            for parameter in parameters.parameters {
                guard let value = parameters.value(of: parameter, in: arguments) else { continue }
                fields.append(Field(name: parameter.header, value: Self.encoded(value)))
            }
        }
        self.fields = fields
    }

    // MARK: - Checking

    /// Compares `Mcp-Method` and `Mcp-Name` with the body. The version is ``ModernRequest``'s affair.
    ///
    /// - Throws: ``RPCError/headerMismatch(_:)``.
    package static func check(_ lookup: Lookup, method: String, params: JSON) throws(RPCError) {
        guard let header = try single(Self.method, lookup) else {
            throw .headerMismatch("\(Self.method) is missing; the body says \"\(method)\"")
        }
        guard header.utf8.elementsEqual(method.utf8) else {
            throw .headerMismatch("\(Self.method) is \"\(header)\", the body says \"\(method)\"")
        }
        guard let member = Method.nameMember(of: method), let name = params[member]?.string else { return }
        guard let raw = try single(Self.name, lookup) else {
            throw .headerMismatch("\(Self.name) is missing; the body says \"\(name)\"")
        }
        try compare(Self.name, raw, with: name)
    }

    /// Compares `Mcp-Param-*` with the arguments of a `tools/call`. Headers of other names are let be: an
    /// intermediary must forward those it does not know.
    ///
    /// - Throws: ``RPCError/headerMismatch(_:)``.
    package static func check(
        _ lookup: Lookup, arguments: JSON, against headers: ParameterHeaders
    ) throws(RPCError) {
        for parameter in headers.parameters {
            let raw = try single(parameter.header, lookup)
            let expected = headers.value(of: parameter, in: arguments)
            switch (raw, expected) {
            case (nil, nil): continue
            case (nil, _?):
                throw .headerMismatch("\(parameter.header) is missing though the body has a value")
            case (_?, nil): throw .headerMismatch("\(parameter.header) is there though the body has no value")
            case (let raw?, let expected?):
                if parameter.type == .integer, let number = Int(expected), integer(raw) == number { continue }
                try compare(parameter.header, raw, with: expected)
            }
        }
    }

    // MARK: - Encoding

    private static let prefix = "=?base64?"
    private static let suffix = "?="

    /// The text as a header value: itself where that is safe, otherwise base64 between the markers.
    package static func encoded(_ text: String) -> String {
        let bytes = text.utf8
        let isVisible = bytes.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x09 }
        let isTrimmed = bytes.first.map(isBlank) != true && bytes.last.map(isBlank) != true
        let isMarked = text.hasPrefix(prefix) && text.hasSuffix(suffix)
        return isVisible && isTrimmed && !isMarked ? text : prefix + Base64.encode(bytes) + suffix
    }

    /// The text that a header value stands for; `nil` for bad base64 or base64 of what is not UTF-8. With only
    /// one of the markers it is a literal.
    package static func decoded(_ value: String) -> String? {
        let value = trimmed(value)
        let bytes = value.utf8
        guard bytes.count >= prefix.utf8.count + suffix.utf8.count, bytes.starts(with: prefix.utf8),
            bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
        else { return value }
        let inside = bytes.dropFirst(prefix.utf8.count).dropLast(suffix.utf8.count)
        return Base64.decode(Substring(inside)).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// Without the optional whitespace around it (RFC 9110 §5.6.3).
    package static func trimmed(_ value: String) -> String {
        var bytes = Substring(value).utf8
        while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return String(Substring(bytes))
    }

    // MARK: -

    /// - Throws: ``RPCError/headerMismatch(_:)`` if it is there more than once: which one would count?
    static func single(_ name: String, _ lookup: Lookup) throws(RPCError) -> String? {
        let values = lookup(name)
        guard values.count <= 1 else { throw .headerMismatch("\(name) is there \(values.count) times") }
        return values.first.map(trimmed)
    }

    private static func compare(_ header: String, _ raw: String, with expected: String) throws(RPCError) {
        guard let value = decoded(raw) else { throw .headerMismatch("\(header) is no valid base64 of UTF-8") }
        guard value.utf8.elementsEqual(expected.utf8) else {
            throw .headerMismatch("\(header) is \"\(value)\", the body says \"\(expected)\"")
        }
    }

    /// `42`, `42.0` and `4.2e1` are one integer.
    private static func integer(_ raw: String) -> Int? {
        decoded(raw).flatMap { try? JSON(validating: $0) }?.int
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
