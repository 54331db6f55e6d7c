package import JSONSlice

/// A tool as `tools/list` shows it; a reading aid over the definition's bytes, which stay what they are.
package struct ToolDefinition: Hashable, Sendable {
    /// What conformance enforces, and what leaves room for the prefixes that clients put in front.
    package static let nameLengthMax = 64

    package let json: JSON
    package let name: String

    /// - Returns: `nil` unless it is an object with a name.
    package init?(_ json: JSON) {
        guard let name = json["name"]?.string, !name.isEmpty else { return nil }
        self.json = json
        self.name = name
    }

    package var title: String? { json["title"]?.string ?? annotations?["title"]?.string }
    package var summary: String? { json["description"]?.string }
    package var inputSchema: JSON { json["inputSchema"] ?? ["type": "object"] }
    package var outputSchema: JSON? { json["outputSchema"] }
    package var annotations: JSON? { json["annotations"] }

    /// The backend's own hints; never a ground for a decision about safety.
    package var readOnlyHint: Bool? { annotations?["readOnlyHint"]?.bool }
    package var destructiveHint: Bool? { annotations?["destructiveHint"]?.bool }
    package var idempotentHint: Bool? { annotations?["idempotentHint"]?.bool }
    package var openWorldHint: Bool? { annotations?["openWorldHint"]?.bool }

    /// - Throws: why a client on HTTP must drop the tool.
    package func parameterHeaders() throws(ParameterHeaders.Violation) -> ParameterHeaders {
        try ParameterHeaders(inputSchema: inputSchema)
    }

    /// Whether the name is one that MCP's conformance accepts: 1 to 64 of `[A-Za-z0-9_./-]`.
    package var hasPortableName: Bool {
        name.utf8.count <= Self.nameLengthMax
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
                    UInt8(ascii: "/"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
