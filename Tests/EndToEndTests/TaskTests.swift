import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// A server of 2025-11-25 with tasks on one node, clients of both eras on another.
extension EndToEnd.TwoNodes {
    @Test(.enabled(if: PythonClient.isInstalled), .timeLimit(.minutes(3)))
    func `tasks cross the mesh and the eras`() async throws {
        let scratch = try Scratch()
        let command = PythonClient.script(on: .one, "task_server.py")
        let quoted = command.map { "\"\($0)\"" }
        let server =
            "servers: {studio: {command: \(quoted[0]), args: [\(quoted.dropFirst().joined(separator: ", "))]}}"
        let owner = try await TestNode(
            "owner", in: scratch, yaml: quiet("owner", mesh: "127.0.0.1:0") + "\n" + server)
        let entry = try await TestNode(
            "entry", in: scratch, yaml: quiet("entry", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await owner.joinToken()])
        try await eventually("the entry node lists the tool", within: .seconds(30)) {
            try await entry.entryState("owner--studio__render") != nil
        }
        try await legacyClient(at: entry)
        try await modernClient(at: entry, and: owner)
        // Who knows nothing of tasks waits for the end.
        let plain = try await ModernCall.send(
            "tools/call",
            try JSON(validating: #"{"name":"owner--studio__render","arguments":{"ask":false}}"#),
            name: "owner--studio__render", capabilities: [:], to: entry)
        #expect(plain.pointer("/result/content/0/text") == "not asked", "\(plain.text)")
        try await entry.stop()
        try await owner.stop()
    }

    @Test(.enabled(if: PythonClient.isInstalled), .timeLimit(.minutes(3)))
    func `alice of another entry node is another alice, and who has no name may move`() async throws {
        let scratch = try Scratch()
        let quoted = PythonClient.script(on: .one, "task_server.py").map { "\"\($0)\"" }
        let child = "{command: \(quoted[0]), args: [\(quoted.dropFirst().joined(separator: ", "))]}"
        let owner = try await TestNode(
            "owner", in: scratch,
            yaml: quiet("owner", mesh: "127.0.0.1:0") + "\nservers: {studio: \(child)}")
        var entries: [TestNode] = []
        for name in ["one", "two"] {
            entries.append(
                try await TestNode(
                    name, in: scratch, yaml: quiet(name, mesh: "127.0.0.1:0"),
                    arguments: ["--join", try await owner.joinToken()]))
        }
        let tool = "owner--studio__render"
        for entry in entries {
            try await eventually("\(entry.name) lists the tool", within: .seconds(30)) {
                try await entry.entryState(tool) != nil
            }
        }
        func make(_ key: String? = nil) async throws -> String {
            let made = try await ModernCall.send(
                "tools/call", ["name": .string(tool), "arguments": ["forever": true]], name: tool,
                to: entries[0], key: key)
            return try #require(made.pointer("/result/taskId")?.string, "\(made.text)")
        }
        func get(_ id: String, _ place: Int, _ key: String? = nil) async throws -> JSON {
            try await ModernCall.send(
                "tasks/get", ["taskId": .string(id)], name: id, to: entries[place], key: key)
        }
        // Without a credential a client goes on wherever it comes in.
        let nobodys = try await make()
        for place in [0, 1] {
            #expect(try await get(nobodys, place).pointer("/result/status") == "working")
        }
        var keys: [String] = []
        for entry in entries {
            keys.append(try #require(try await entry.json("token", "create", "alice")["token"]?.string))
        }
        let hers = try await make(keys[0])
        #expect(try await get(hers, 0, keys[0]).pointer("/result/status") == "working")
        let others = try await get(hers, 1, keys[1])
        #expect(others.pointer("/error/code") == -32602, "\(others.text)")
        for node in entries + [owner] { try await node.stop() }
    }

    @Test(.enabled(if: PythonClient.isInstalled), .timeLimit(.minutes(3)))
    func `a task over HTTP is found again after its owner was killed, by its caller`() async throws {
        let scratch = try Scratch()
        let quoted = PythonClient.script(on: .one, "task_server.py").map { "\"\($0)\"" }
        let child = "{command: \(quoted[0]), args: [\(quoted.dropFirst().joined(separator: ", "))]}"
        // A node's endpoint of one server is a server with tasks over HTTP.
        let maker = try await TestNode(
            "maker", in: scratch, yaml: quiet("maker") + "\nservers: {studio: \(child)}")
        try await eventually("the maker lists its tool", within: .seconds(30)) {
            try await maker.entryState("studio__render") != nil
        }
        let url = "http://\(try await maker.mcpAddress())/servers/studio/mcp"
        let yaml = quiet("owner") + "\nservers: {studio: {url: \"\(url)\"}, own: \(child)}"
        let first = try await TestNode("owner", in: scratch, yaml: yaml)
        var ids: [String] = []
        for tool in ["studio__render", "own__render"] {
            try await eventually("the owner lists \(tool)", within: .seconds(30)) {
                try await first.entryState(tool) != nil
            }
            let made = try await ModernCall.send(
                "tools/call", ["name": .string(tool), "arguments": ["forever": true]], name: tool, to: first)
            ids.append(try #require(made.pointer("/result/taskId")?.string, "\(made.text)"))
        }
        // What was handed out is on disk a moment later.
        try await eventually("both are on disk") {
            let kept = ["martlet.db", "martlet.db-wal"].compactMap {
                FileManager.default.contents(atPath: "\(first.dataFolder)/\($0)")
            }
            return ids.allSatisfy { id in
                let own = Data(id.split(separator: "/")[1].utf8)
                return kept.contains { $0.range(of: own) != nil }
            }
        }
        try await first.kill()
        let second = try await TestNode("owner", in: scratch, yaml: yaml)
        try await eventually("the task is known again", within: .seconds(30)) {
            let got = try await ModernCall.send(
                "tasks/get", ["taskId": .string(ids[0])], name: ids[0], to: second)
            return got.pointer("/result/status") == "working"
        }
        let lost = try await ModernCall.send(
            "tasks/get", ["taskId": .string(ids[1])], name: ids[1], to: second)
        #expect(lost.pointer("/error/code") == -32602, "\(lost.text)")
        #expect(lost.text.contains("has lost task"), "\(lost.text)")
        try await second.stop()
        try await maker.stop()
    }

    private func legacyClient(at entry: TestNode) async throws {
        let url = "http://\(try await entry.mcpAddress())/mcp"
        let outcome = try await Program.run(
            PythonClient.script(on: .one, "task_client.py") + [url, "owner--studio__render", "{}"],
            limit: .seconds(90))
        let said = try #require(try? JSON(validating: outcome.output), "\(outcome.output)\(outcome.errors)")
        #expect(said.pointer("/offered/tasks/requests/tools/call") != nil, "\(said.text)")
        #expect(said.pointer("/created/status") == "working")
        #expect(said.pointer("/created/taskId")?.string?.hasPrefix("owner--studio/") == true)
        #expect(said.pointer("/result/content/0/text") == "accept")
        #expect(said.pointer("/ended/status") == "completed")
        #expect(said["listed"] == [said.pointer("/created/taskId") ?? .null])
    }

    private func modernClient(at entry: TestNode, and owner: TestNode) async throws {
        let tool = "owner--studio__render"
        let made = try await ModernCall.send(
            "tools/call", ["name": .string(tool), "arguments": [:]], name: tool, to: entry)
        let id = try #require(made.pointer("/result/taskId")?.string, "\(made.text)")
        #expect(made.pointer("/result/resultType") == "task")
        let key = try await asked(id, at: entry)
        let decline: JSON = ["action": "decline"]
        let answer: JSON = .object([(key, decline)])
        let updated = try await ModernCall.send(
            "tasks/update", ["taskId": .string(id), "inputResponses": answer], name: id, to: entry)
        #expect(updated.pointer("/result/resultType") == "complete", "\(updated.text)")
        // At its owner the same task goes by the shorter name.
        let own = String(id.dropFirst("owner--".count))
        try await eventually("the task has ended") {
            let got = try await ModernCall.send("tasks/get", ["taskId": .string(own)], name: own, to: owner)
            return got.pointer("/result/result/content/0/text") == "decline"
        }
    }

    /// The key of the question that a task waits with.
    private func asked(_ id: String, at node: TestNode) async throws -> String {
        var key: String?
        try await eventually("the task asks") {
            let got = try await ModernCall.send("tasks/get", ["taskId": .string(id)], name: id, to: node)
            key = got.pointer("/result/inputRequests")?.members.first?.key
            return key != nil
        }
        return try #require(key)
    }
}

/// One request of 2026-07-28, sent by curl.
enum ModernCall {
    static let capabilities: JSON = [
        "elicitation": ["form": [:]], "extensions": ["io.modelcontextprotocol/tasks": [:]],
    ]

    static func send(
        _ method: String, _ params: JSON, name: String, capabilities: JSON = capabilities, to node: TestNode,
        key: String? = nil
    ) async throws -> JSON {
        let program = try await start(
            method, params, name: name, capabilities: capabilities, to: node, key: key)
        let outcome = try await program.outcome(within: .seconds(60))
        // An answer with nothing before it is JSON, otherwise the last event of a stream.
        let last = outcome.output.split(separator: "\n").last { $0.contains("jsonrpc") } ?? ""
        return try JSON(validating: String(last.hasPrefix("data:") ? last.dropFirst(5) : last))
    }

    /// Sends it, and leaves the answer to whoever waits for it.
    static func start(
        _ method: String, _ params: JSON, name: String, capabilities: JSON = capabilities, to node: TestNode,
        key: String? = nil
    ) async throws -> Program {
        let meta: JSON = .object([
            ("io.modelcontextprotocol/protocolVersion", "2026-07-28"),
            ("io.modelcontextprotocol/clientCapabilities", capabilities),
        ])
        let body: JSON = [
            "jsonrpc": "2.0", "id": 1, "method": .string(method), "params": params.setting("_meta", to: meta),
        ]
        let headers =
            [
                "Content-Type: application/json", "Accept: application/json, text/event-stream",
                "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: \(method)", "Mcp-Name: \(name)",
            ] + (key.map { ["Authorization: Bearer \($0)"] } ?? [])
        let url = "http://\(try await node.mcpAddress())/mcp"
        return try Program(
            ["curl", "-sS", "--max-time", "20", "--data", body.text, url] + headers.flatMap { ["-H", $0] })
    }
}
