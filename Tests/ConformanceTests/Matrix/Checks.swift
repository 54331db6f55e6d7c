import JSONSlice
import MCPModel

/// What each feature of the matrix asks of a connection.
struct Checks {
    let cell: Cell
    let client: ScriptedClient
    let ledger: Ledger

    private var front: ProtocolRevision { cell.front.revision }
    private var back: ProtocolRevision { cell.back.revision }
    private var known: ProtocolRevision { min(front, back) }

    /// Which features are tried by a client that can be asked for something. The others' sessions declare nothing, so
    /// that both kinds are seen.
    static func declares(_ feature: Feature) -> Bool {
        switch feature {
        case .toolCall, .resourceRead, .error: false
        case .progress, .elicitation, .sampling, .listChange, .cancel: true
        }
    }

    func run(_ capabilities: JSON) async throws {
        switch cell.feature {
        case .toolCall: try await toolCall()
        case .progress: try await progress()
        case .elicitation: try await elicitation()
        case .sampling: try await sampling()
        case .resourceRead: try await resourceRead()
        case .listChange:
            try expect(capabilities["tools"]?["listChanged"], true, "tools.listChanged")
            try await listChange()
        case .cancel: try await cancel()
        case .error: try await error()
        }
    }

    private func toolCall() async throws {
        let tools = try await tools()
        for tool in Offer.tools(in: known) {
            let name = tool["name"]?.string ?? ""
            try expect(tools.first { $0["name"]?.string == name }, tool, "the definition of \(name)")
        }
        // Escapes, spaces and digits must reach the server as they are.
        let arguments = try JSON(
            validating: #"{"text":"Gr\u00fc\u00dfe, 世界 \/ 🐦", "topic":"disks" ,"n":1.0e3}"#)
        let result = try await call("echo", arguments).result()
        try expect(bare(result), Offer.echoed(arguments, by: back, seenBy: front), "the result")
    }

    private func progress() async throws {
        for token in [JSON.string("token-\(UInt64.random(in: 0 ... .max))"), .number(4_000_000_007)] {
            let exchange = try await call("count", ["to": 3], token: token)
            try expect(text(try exchange.result()), "counted to 3", "the result")
            let steps = (1...3).map { number -> JSON in
                let step: JSON = ["progressToken": token, "progress": .number(number), "total": 3]
                // A message goes with progress since 2025-03-26.
                return known < .v2025_03_26 ? step : step.setting("message", to: .string("at \(number)"))
            }
            try expect(
                exchange.notes.map { inOrder($0["params"] ?? .null) }, steps.map(inOrder),
                "progress, in order")
        }
        try expect(try await call("count", ["to": 2]).notes, [], "progress that nobody asked for")
    }

    private func elicitation() async throws {
        let form = Offer.form("What is \"your\" name?\n(first)")
        let said: JSON = ["action": "accept", "content": ["name": "Ada \u{e9}", "age": 36]]
        for (answer, expected) in [
            (said, "accept Ada \u{e9} \(said["content"]?.text ?? "")"),
            (["action": "decline"], "decline nobody -"), (["action": "cancel"], "cancel nobody -"),
        ] as [(JSON, String)] {
            client.answering = { _, _ in answer }
            let exchange = try await call("ask", ["question": .string(form.message)])
            try expect(text(try exchange.result()), expected, "what the server made of the answer")
            try expect(exchange.questions.map(\.method), ["elicitation/create"], "what was asked")
            let params = exchange.questions.first?.params
            try expect(params?["message"]?.string, form.message, "the question")
            try expect(params?["requestedSchema"], form.schema, "its form")
            let others = params?.members.map(\.key).filter {
                !["message", "requestedSchema", "mode", "_meta"].contains($0)
            }
            try expect(others, [], "members that nobody put there")
        }
    }

    private func sampling() async throws {
        client.answering = { _, params in
            let about = params["messages"]?[0]?["content"]?["text"]?.string ?? "nothing"
            return [
                "role": "assistant", "content": ["type": "text", "text": .string("\(about)? 42")],
                "model": "thinker", "stopReason": "endTurn",
            ]
        }
        let exchange = try await call("think", ["about": "life"])
        try expect(text(try exchange.result()), "life? 42 by thinker", "what the server made of the answer")
        try expect(exchange.questions.map(\.method), ["sampling/createMessage"], "what was asked")
        try expect(exchange.questions.first?.params.removing("_meta"), Offer.sampling("life"), "the prompt")
    }

    private func resourceRead() async throws {
        let listed = try await client.request("resources/list").result()
        try expect(listed["resources"]?.elements, [Offer.resource(in: known)], "the resources")
        let templates = try await client.request("resources/templates/list").result()
        try expect(templates["resourceTemplates"]?.elements, [], "the templates")
        let read = try await client.request("resources/read", ["uri": .string(Offer.greetingURI)]).result()
        try expect(read["contents"]?.elements, Offer.contents, "the contents")
        try expect(bare(read).members.map(\.key), ["contents"], "the members of the result")
    }

    private func listChange() async throws {
        let name = "tool_\(UInt64.random(in: 0 ... .max))"
        let before = try await tools().count
        try await client.listen()
        try expect(text(try await call("grow", ["name": .string(name)]).result()), "grown", "the result")
        // Other cells have tools of their own added; this one waits for its own.
        while true {
            try await client.nextToolsChange()
            let tools = try await tools()
            guard tools.count > before, let tool = tools.first(where: { $0["name"]?.string == name }) else {
                continue
            }
            try expect(tool, Offer.plain(name, "nothing", "string"), "the new tool")
            break
        }
        try expect(text(try await call(name, ["nothing": ""]).result()), name, "what the new tool says")
    }

    private func cancel() async throws {
        let trace = "trace-\(UInt64.random(in: 0 ... .max))"
        let id = try await client.start(
            "tools/call", ["name": "slow", "arguments": ["trace": .string(trace)]])
        try await soon("the tool runs") { ledger.hasStarted(trace) }
        try await client.cancel(id)
        try await soon("the server hears of it") { !ledger.cancels(of: trace).isEmpty }
        let isByStream = cell.back.era == .modern && cell.back.transport == .http
        try expect(ledger.cancels(of: trace), [isByStream ? .closedStream : .notification], "the form of it")
        let said = text(try await call("echo", ["text": "still here"]).result())
        try expect(said?.contains("still here"), true, "whether the connection goes on")
    }

    private func error() async throws {
        let failed = try await call("fail", ["reason": "no more paper"]).result()
        try expect(
            bare(failed), Offer.text("no more paper").setting("isError", to: true),
            "the result of a tool that fails")

        let refused = try await call("refuse", ["reason": "not today \u{e9}"]).error()
        let whole: JSON = ["code": 1234, "message": "not today \u{e9}", "data": ["left": 0, "x": ["n": 1]]]
        try expect(refused, whole, "the server's own error")

        let uri = "matrix://no-such-resource"
        let missing = try await client.request("resources/read", ["uri": .string(uri)]).error()
        try expect(
            missing["code"]?.int, front.era == .modern ? -32602 : -32002, "the code for a missing resource")
        try expect(missing["message"]?.string, "Resource not found", "its message")
        try expect(missing["data"], ["uri": .string(uri), "x-shelf": 7], "its data")

        let unknown = try await call("no_such_tool", [:]).error()
        try expect(unknown["code"]?.int, -32602, "the code for an unknown tool")
        // At the endpoint of one server, that server says what it does not know.
        try expect(unknown["message"]?.string, "Unknown tool: no_such_tool", "its message")
    }

    // MARK: -

    private func call(_ name: String, _ arguments: JSON, token: JSON? = nil) async throws
        -> ScriptedClient.Exchange
    {
        try await client.request("tools/call", ["name": .string(name), "arguments": arguments], token: token)
    }

    private func tools() async throws -> [JSON] {
        try await client.request("tools/list").result()["tools"]?.elements ?? []
    }

    private func text(_ result: JSON) -> String? { result["content"]?[0]?["text"]?.string }

    /// A result without what its era must have (the rules have looked at that).
    private func bare(_ result: JSON) -> JSON {
        front.era == .legacy
            ? result : result.removing { ["resultType", "ttlMs", "cacheScope", "_meta"].contains($0) }
    }

    private func inOrder(_ object: JSON) -> JSON {
        .object(object.members.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }

    private func expect<Value: Equatable>(_ found: Value, _ wanted: Value, _ what: String) throws {
        if found != wanted { throw Breach("\(what): \(found) instead of \(wanted)") }
    }

    private func soon(_ what: String, _ isSo: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(5)
        while !isSo() {
            guard ContinuousClock.now < deadline else { throw Breach("not so within 5 s: \(what)") }
            try await Task.sleep(for: .milliseconds(5))  // a condition with a deadline
        }
    }
}
