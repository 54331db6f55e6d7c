import JSONSlice
import MCPModel

/// What every server of the matrix offers, as far as a revision can say it.
enum Offer {
    static let greetingURI = "matrix://greeting"
    static let greeting = "Grüße, 世界"

    /// Odd spellings on purpose: they must survive.
    private static let echoSchema =
        #"{"type":"object","properties":{"text":{"type":"string"},"topic":{"type":"string","x-mcp-header":"Topic"},"n":{"type":"number","maximum":1.0e3}},"required":["text"],"additionalProperties":false,"$defs":{"unused":{"type":"integer","minimum":-0.0}}}"#

    /// - Parameter revision: the older of what the server and who reads it speak.
    static func tools(in revision: ProtocolRevision) -> [JSON] {
        [
            echo(in: revision),
            plain("count", "to", "integer"), plain("ask", "question", "string"),
            plain("think", "about", "string"), plain("grow", "name", "string"),
            plain("slow", "trace", "string"), plain("fail", "reason", "string"),
            plain("refuse", "reason", "string"),
        ]
    }

    static func echo(in revision: ProtocolRevision) -> JSON {
        let members: [(String, JSON?, ProtocolRevision)] = [
            ("name", "echo", .v2024_11_05), ("title", "Say it again", .v2025_06_18),
            ("description", json(#""Says it again: Caf\u00e9 \/ \"x\"""#), .v2024_11_05),
            ("inputSchema", json(echoSchema), .v2024_11_05),
            (
                "outputSchema", json(#"{"type":"object","properties":{"said":{"type":"string"}}}"#),
                .v2025_06_18
            ),
            ("annotations", json(#"{"readOnlyHint":true,"title":"Echo"}"#), .v2025_03_26),
            ("icons", json(#"[{"src":"https://x.example/e.png"}]"#), .v2025_11_25),
            ("x-own", json(#"{"n":1.10}"#), .v2024_11_05),
        ]
        return .object(
            members.compactMap { key, value, since in
                since <= revision ? value.map { (key, $0) } : nil
            })
    }

    /// A tool with one argument.
    static func plain(_ name: String, _ argument: String, _ type: String) -> JSON {
        let properties = JSON.object([(argument, ["type": .string(type)])])
        let schema: JSON = [
            "type": "object", "properties": properties, "required": .array([.string(argument)]),
        ]
        return ["name": .string(name), "inputSchema": schema]
    }

    static func resource(in revision: ProtocolRevision) -> JSON {
        let members: [(String, JSON, ProtocolRevision)] = [
            ("uri", .string(greetingURI), .v2024_11_05), ("name", "greeting", .v2024_11_05),
            ("title", "A greeting", .v2025_06_18), ("mimeType", "text/plain", .v2024_11_05),
            ("annotations", ["priority": 0.5], .v2024_11_05),
        ]
        return .object(members.filter { $0.2 <= revision }.map { ($0.0, $0.1) })
    }

    static let contents: [JSON] = [
        ["uri": .string(greetingURI), "mimeType": "text/plain", "text": .string(greeting)]
    ]
    static let link: JSON = ["type": "resource_link", "uri": .string(greetingURI), "name": "greeting"]
    static let sound: JSON = ["type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"]

    /// What `echo` answers, of a server of one revision.
    static func echoed(_ arguments: JSON, by revision: ProtocolRevision) -> JSON {
        let said = JSON.string("\(arguments.text) (\(revision.rawValue))")
        var content: [JSON] = [["type": "text", "text": said]]
        if revision >= .v2025_06_18 { content.append(link) }
        if revision >= .v2025_03_26 { content.append(sound) }
        let result: JSON = ["content": .array(content)]
        guard revision >= .v2025_06_18 else { return result }
        return result.setting("structuredContent", to: .object([("said", said), ("n", json("1.10") ?? 0)]))
    }

    /// What a client of `front` must see of that.
    static func echoed(_ arguments: JSON, by back: ProtocolRevision, seenBy front: ProtocolRevision) -> JSON {
        let whole = echoed(arguments, by: back)
        let content = (whole["content"]?.elements ?? []).map { block -> JSON in
            switch block["type"]?.string {
            case "resource_link" where front < .v2025_06_18:
                ["type": "text", "text": .string(greetingURI)]
            case "audio" where front < .v2025_03_26:
                ["type": "text", "text": "[audio (audio/wav) left out: MCP 2024-11-05 cannot carry it]"]
            default: block
            }
        }
        let seen = whole.setting("content", to: .array(content))
        return front < .v2025_06_18 ? seen.removing("structuredContent") : seen
    }

    static func form(_ question: String) -> (message: String, schema: JSON) {
        (
            question,
            json(
                #"{"type":"object","properties":{"name":{"type":"string","title":"Name"},"age":{"type":"integer","minimum":0}},"required":["name"]}"#
            ) ?? .null
        )
    }

    static func sampling(_ about: String) -> JSON {
        [
            "messages": [["role": "user", "content": ["type": "text", "text": .string(about)]]],
            "systemPrompt": "Be brief.", "maxTokens": 50,
        ]
    }

    static func text(_ text: String) -> JSON { ["content": [["type": "text", "text": .string(text)]]] }

    private static func json(_ text: String) -> JSON? { try? JSON(validating: text) }
}
