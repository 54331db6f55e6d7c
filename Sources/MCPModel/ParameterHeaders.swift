package import JSONSlice

/// Which arguments of a tool are mirrored in `Mcp-Param-*` headers: the `x-mcp-header` annotations of its
/// `inputSchema`.
package struct ParameterHeaders: Hashable, Sendable {
    /// One argument that has a header.
    package struct Parameter: Hashable, Sendable {
        /// What follows `Mcp-Param-`.
        package let name: String
        /// Where the argument stands in `arguments`.
        package let path: [String]
        let type: ValueType

        package var header: String { MirroredHeaders.parameterPrefix + name }
    }

    enum ValueType: String, Hashable, Sendable {
        case string
        case integer
        case boolean
    }

    /// Why an annotation breaks a rule. A client on HTTP must drop the tool, and should say why.
    package enum Violation: Error, Hashable, Sendable, CustomStringConvertible {
        case notAToken(path: [String])
        case duplicate(name: String)
        case wrongType(path: [String])
        case unreachable(path: [String])

        package var description: String {
            switch self {
            case .notAToken(let path): "x-mcp-header at \(Self.show(path)) is no RFC 9110 token"
            case .duplicate(let name): "two properties carry x-mcp-header \"\(name)\""
            case .wrongType(let path):
                "x-mcp-header at \(Self.show(path)) needs type string, integer or boolean"
            case .unreachable(let path):
                "x-mcp-header below \(Self.show(path)) is not reached through \"properties\" alone"
            }
        }

        private static func show(_ path: [String]) -> String {
            path.isEmpty ? "the root" : path.joined(separator: ".")
        }
    }

    /// In the order of the schema.
    package let parameters: [Parameter]

    /// - Complexity: one pass over the schema for each level of nesting; most schemas have no annotation and are
    ///   not walked at all.
    package init(inputSchema: JSON) throws(Violation) {
        var parameters: [Parameter] = []
        if Self.mentionsAnnotation(inputSchema) {
            try Self.walk(inputSchema, path: [], isReachable: true, into: &parameters)
        }
        var names: Set<String> = []
        for parameter in parameters where !names.insert(parameter.name.lowercased()).inserted {
            throw .duplicate(name: parameter.name)
        }
        self.parameters = parameters
    }

    /// The value that a header must carry for these arguments; `nil`: no header.
    func value(of parameter: Parameter, in arguments: JSON) -> String? {
        var value: JSON? = arguments
        for step in parameter.path { value = value?[step] }
        guard let value else { return nil }
        switch value.kind {
        case .string: return value.string
        case .bool: return value.bool.map { $0 ? "true" : "false" }
        case .number: return value.int.map(String.init)
        case .object, .array, .null: return nil
        }
    }

    // MARK: -

    private static let annotation = "x-mcp-header"
    /// Keywords whose members are schemas under names of the author's choosing.
    private static let schemaMaps: Set<String> = [
        "patternProperties", "$defs", "definitions", "dependentSchemas",
    ]
    /// Keywords that hold data, in which the annotation is just a word.
    private static let data: Set<String> = ["const", "enum", "default", "examples", "required"]

    private static func mentionsAnnotation(_ schema: JSON) -> Bool {
        // An escape could spell it otherwise; then the walk decides.
        schema.mentions("x-mcp-header")
    }

    private static func walk(
        _ schema: JSON, path: [String], isReachable: Bool, into parameters: inout [Parameter]
    ) throws(Violation) {
        for (key, value) in schema.members {
            if key == annotation {
                guard isReachable else { throw .unreachable(path: path) }
                parameters.append(try parameter(value, of: schema, path: path))
            } else if key == "properties" {
                for (name, child) in value.members {
                    try walk(child, path: path + [name], isReachable: isReachable, into: &parameters)
                }
            } else if schemaMaps.contains(key) {
                for (_, child) in value.members {
                    try walk(child, path: path, isReachable: false, into: &parameters)
                }
            } else if !data.contains(key) {
                for child in value.kind == .array ? value.elements : [value] {
                    try walk(child, path: path, isReachable: false, into: &parameters)
                }
            }
        }
    }

    private static func parameter(_ value: JSON, of schema: JSON, path: [String]) throws(Violation)
        -> Parameter
    {
        guard let name = value.string, isToken(name) else { throw .notAToken(path: path) }
        guard !path.isEmpty, let type = valueType(schema["type"]) else { throw .wrongType(path: path) }
        return Parameter(name: name, path: path, type: type)
    }

    /// `"string"`, or a list of one such type and `"null"`: null only means that there is no header.
    private static func valueType(_ type: JSON?) -> ValueType? {
        guard let type else { return nil }
        if let name = type.string { return ValueType(rawValue: name) }
        let names = type.elements.compactMap(\.string).filter { $0 != "null" }
        return names.count == 1 ? ValueType(rawValue: names[0]) : nil
    }

    /// RFC 9110 §5.6.2.
    private static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
