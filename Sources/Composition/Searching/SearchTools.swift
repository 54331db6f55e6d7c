import Catalog
package import JSONSlice

/// The two tools through which clients find and call the others, where tools are searched instead of listed (``ListingMode``).
///
/// Both are the entry node's own. `call_tool` is only a way to write a call down: what is routed, decided and recorded is the call
/// of the tool that it names.
package enum SearchTools {
    package enum Name: String, Hashable, Sendable, CaseIterable {
        case search = "search_tools"
        case call = "call_tool"
    }

    package static let limitDefault = 5
    /// Definitions in one answer; an agent that needs more asks better, or goes on with the cursor.
    package static let limitMax = 20
    /// Definitions that cursors lead to, over all.
    package static let depthMax = 1_000
    /// Bytes of definitions in one answer; one is always there.
    package static let bytesMax = 256 * 1024

    /// What an endpoint says to its clients before the servers' own instructions.
    package static let instructions =
        "The tools of this server are not all listed. Find them with search_tools, by what they do or by name; call the ones that "
        + "you find with call_tool."

    /// As `tools/list` shows them, in this order.
    package static let definitions: [JSON] = [
        [
            "name": .string(Name.search.rawValue), "title": "Search tools",
            "description": .string(
                "Finds tools by what they do or by name. Answers the full definitions of the best, best first; call one with call_tool."
            ),
            "inputSchema": [
                "type": "object",
                "properties": [
                    "query": [
                        "type": "string", "description": "What the tool shall do, or its name.",
                    ],
                    "where": [
                        "type": "string",
                        "description": .string(
                            "Only tools for which this holds, such as: readonly = TRUE AND server = 'erp'. Of: "
                                + columns.map(\.rawValue).joined(separator: ", ")
                                + "; with = <> < > LIKE IN, IS NULL, AND, OR, NOT, and 'word' IN tags."),
                    ],
                    "limit": [
                        "type": "integer", "minimum": 1, "maximum": .number(limitMax),
                        "default": .number(limitDefault),
                    ],
                    "cursor": [
                        "type": "string", "description": "Of an earlier answer, for what came after it.",
                    ],
                ],
                "required": ["query"], "additionalProperties": false,
            ],
            "annotations": ["readOnlyHint": true, "idempotentHint": true, "openWorldHint": false],
        ],
        [
            "name": .string(Name.call.rawValue), "title": "Call a tool",
            "description":
                "Calls a tool that search_tools found. The arguments are checked against the tool's inputSchema first.",
            "inputSchema": [
                "type": "object",
                "properties": [
                    "name": ["type": "string", "description": "The tool's name, as search_tools gave it."],
                    "arguments": [
                        "type": "object", "description": "As the tool's inputSchema says.",
                    ],
                ],
                "required": ["name"], "additionalProperties": false,
            ],
        ],
    ]

    package static func definition(named name: String) -> JSON? {
        Name(rawValue: name).flatMap { name in definitions.first { $0["name"]?.string == name.rawValue } }
    }

    /// What the filter may ask for: all that is of use to somebody who looks for a tool.
    private static let columns: [SelectionColumn] = [
        .name, .title, .description, .server, .node, .segment, .tags, .readonly, .destructive, .idempotent,
        .openworld, .callable,
    ]

    /// Why a call of one of the two calls nothing: the result that says it.
    package struct Complaint: Error, Hashable, Sendable { package let result: JSON }

    /// An answer that the model reads and can act upon, where a protocol error would end its attempt (MCP, server/tools, error
    /// handling).
    package static func complaint(_ text: String) -> JSON {
        [
            "resultType": "complete", "content": [["type": "text", "text": .string(text)]], "isError": true,
        ]
    }

    /// What is wrong with arguments for one of the two, or for a tool that is called through one of them.
    package static func complaint(_ mismatches: [SchemaMismatch], tool: String) -> JSON {
        let lines = mismatches.map { "- \($0)" }.joined(separator: "\n")
        return complaint("The arguments do not fit the inputSchema of \(tool); nothing was called:\n\(lines)")
    }
}
