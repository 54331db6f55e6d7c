import JSONSlice
import MCPModel
package import NIOCore

/// The MCP server inside the binary: something to try a new node with, and a second side for tests.
/// Everything it says is true, and nothing it does leaves the process.
///
/// | entry | what it does |
/// | --- | --- |
/// | tool `echo` | gives its `text` back |
/// | tool `add` | adds `a` and `b` |
/// | tool `now` | the time, UTC |
/// | tool `countdown` | counts `steps` down, `delayMs` apart, with progress; can be cancelled |
/// | tool `confirm` | asks the user a question (a form with `ok`), and tells what was chosen |
/// | resource `sample://about` | what this is |
/// | prompt `greet` | a greeting for `name` |
package struct SampleServer: Sendable {
    package static let name = "martlet-sample"

    private let version: String
    private let now: @Sendable () -> Int64
    private let loops: any EventLoopGroup

    /// - Parameters:
    ///   - now: seconds since 1970, UTC.
    ///   - loops: where `countdown` waits.
    package init(
        version: String = "0", now: @escaping @Sendable () -> Int64, loops: any EventLoopGroup
    ) {
        self.version = version
        self.now = now
        self.loops = loops
    }

    /// The server as what stands behind every endpoint of a front; for itself alone, everybody may come in.
    package var service: MCPService {
        let description = EndpointDescription(
            serverInfo: ["name": .string(Self.name), "version": .string(version)],
            instructions: "A sample: echo, add, now, countdown and confirm do what they say.",
            capabilities: ["tools": .emptyObject, "resources": .emptyObject, "prompts": .emptyObject],
            ttl: .seconds(3_600))
        return MCPService(
            door: .open,
            describe: { _, _ in description },
            list: { _, _, kind, cursor in
                cursor == nil
                    ? .success(ListPage(items: SampleEntries.list(kind), ttl: .seconds(3_600)))
                    : .failure(.invalidParams("no such cursor; every list here is one page"))
            },
            call: { call, sink in self.call(call, sink) },
            watch: { _, _, _ in .none },
            definition: { _, _, kind, name in
                SampleEntries.list(kind).first { $0[kind.nameMember]?.string == name }
            })
    }

    private func call(_ call: EndpointCall, _ sink: @escaping CallSink) -> CallHandle {
        switch call.method {
        case Method.toolsCall:
            return SampleTools(now: now, loop: loops.any()).call(call.params, call.client, sink)
        case Method.resourcesRead:
            sink(SampleEntries.read(call.params["uri"]?.string ?? ""))
        case Method.promptsGet:
            sink(SampleEntries.prompt(call.params))
        default:
            sink(.error(RPCError.methodNotFound(call.method).json))
        }
        return .finished
    }
}

/// What the sample lists, and the entries that need no running.
enum SampleEntries {
    static func list(_ kind: EntryListKind) -> [JSON] {
        switch kind {
        case .tools: tools
        case .resources: [about]
        case .resourceTemplates: []
        case .prompts: [greet]
        }
    }

    private static let tools: [JSON] = [
        [
            "name": "echo", "title": "Echo", "description": "Gives the text back.",
            "inputSchema": schema(["text": ["type": "string"]], required: ["text"]),
            "outputSchema": schema(["text": ["type": "string"]], required: ["text"]),
            "annotations": ["readOnlyHint": true, "idempotentHint": true, "openWorldHint": false],
        ],
        [
            "name": "add", "title": "Add", "description": "Adds two numbers.",
            "inputSchema": schema(["a": ["type": "number"], "b": ["type": "number"]], required: ["a", "b"]),
            "outputSchema": schema(["sum": ["type": "number"]], required: ["sum"]),
            "annotations": ["readOnlyHint": true, "idempotentHint": true, "openWorldHint": false],
        ],
        [
            "name": "now", "title": "Now", "description": "The time on this machine, UTC, as ISO 8601.",
            "inputSchema": schema([:], required: []),
            "outputSchema": schema(["now": ["type": "string", "format": "date-time"]], required: ["now"]),
            "annotations": ["readOnlyHint": true, "openWorldHint": false],
        ],
        [
            "name": "countdown", "title": "Countdown",
            "description": "Counts down slowly and tells its progress; can be cancelled.",
            "inputSchema": schema(
                [
                    "steps": [
                        "type": "integer", "minimum": 1, "maximum": .number(SampleTools.stepsMax),
                        "default": 3,
                    ],
                    "delayMs": [
                        "type": "integer", "minimum": 0, "maximum": .number(SampleTools.delayMax),
                        "default": 1000,
                    ],
                ], required: []),
            "annotations": ["readOnlyHint": true, "openWorldHint": false],
        ],
        [
            "name": "confirm", "title": "Confirm",
            "description": "Asks the user to confirm something, and tells what was chosen.",
            "inputSchema": schema(["question": ["type": "string"]], required: ["question"]),
            "annotations": ["readOnlyHint": true, "openWorldHint": false],
        ],
    ]

    private static let about: JSON = [
        "uri": "sample://about", "name": "about", "title": "About this server", "mimeType": "text/plain",
    ]

    private static let greet: JSON = [
        "name": "greet", "title": "Greet", "description": "A greeting for somebody.",
        "arguments": [["name": "name", "description": "Who is greeted", "required": true]],
    ]

    private static func schema(_ properties: JSON, required: JSON) -> JSON {
        ["type": "object", "properties": properties, "required": required, "additionalProperties": false]
    }

    static func read(_ uri: String) -> CallEvent {
        guard uri == "sample://about" else { return .error(RPCError.unknownResource(uri: uri).json) }
        let text =
            "This is the sample server of Martlet. It runs inside the martlet program and touches nothing."
        let content: JSON = ["uri": "sample://about", "mimeType": "text/plain", "text": .string(text)]
        return .result(
            EraBridge.withCaching(
                ["resultType": "complete", "contents": [content]],
                EraBridge.Caching(milliseconds: 3_600_000, scope: .public)))
    }

    static func prompt(_ params: JSON) -> CallEvent {
        guard params["name"]?.string == "greet" else {
            return .error(RPCError.invalidParams("no such prompt; there is only greet").json)
        }
        guard let name = params["arguments"]?["name"]?.string, !name.isEmpty else {
            return .error(RPCError.invalidParams("greet needs the argument name").json)
        }
        let text: JSON = ["type": "text", "text": .string("Please greet \(name) warmly, in one sentence.")]
        return .result([
            "resultType": "complete", "description": "A greeting for somebody.",
            "messages": [["role": "user", "content": text]],
        ])
    }
}
