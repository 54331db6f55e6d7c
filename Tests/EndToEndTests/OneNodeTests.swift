import Foundation
import JSONSlice
import MartletTestKit
import Testing

extension EndToEnd.OneNode {
    @Test(.timeLimit(.minutes(2)))
    func `the sample server is added, listed, called and removed`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("solo", in: scratch, yaml: quiet("solo"))
        let added = try await node.json("servers", "add", "sample")
        #expect(added["server"]?["state"]?.string == "up")

        let found = try await node.json("catalog", "search", "echo")
        #expect(found["entries"]?[0]?["name"]?.string == "sample__echo")
        let shown = try await node.json("catalog", "show", "sample__add")
        #expect(shown["definition"]?["inputSchema"]?["properties"]?["a"] != nil)

        let sum = try await node.json("call", "sample__add", "a=40", "b=2")
        #expect(sum["result"]?["structuredContent"]?["sum"]?.double == 42)
        let echo = try await node.martlet("call", "sample__echo", "text=good day")
        #expect(echo.status == 0)
        #expect(echo.output.contains("good day"))

        #expect(try await node.martlet("servers", "remove", "sample").status == 0)
        let nothing = try await node.json("catalog", "search")
        #expect(nothing["entries"]?.elements.isEmpty == true)
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a restart finds the identity and what commands defined`() async throws {
        let scratch = try Scratch()
        let first = try await TestNode("again", in: scratch, yaml: quiet("again"))
        _ = try await first.json("servers", "add", "sample")
        _ = try await first.json("secret", "set", "spare", input: "a value\n")
        let id = try await first.json("status")["node"]?["id"]?.string
        try await first.stop()

        let second = try await TestNode("again", in: scratch, yaml: quiet("again"))
        #expect(try await second.json("status")["node"]?["id"]?.string == id)
        try await eventually("the sample server is up again") {
            try await second.json("servers", "list")["servers"]?[0]?["state"]?.string == "up"
        }
        #expect(try await second.json("secret", "list")["secrets"]?[0]?["name"]?.string == "spare")
        try await second.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a desktop client's file is taken as it is, credentials into the vault`() async throws {
        let scratch = try Scratch()
        let binary = try #require(Binary.path)
        let file = try scratch.write(
            """
            {"mcpServers": {"My Sample": {"command": "\(binary)", "args": ["sample-server"],
             "env": {"API_TOKEN": "ghp_0123456789abcdefghijklmnopqrstuvwxyz", "MODE": "fast"}}}}
            """, to: "mcp.json")
        let node = try await TestNode(
            "import", in: scratch, yaml: quiet("import"), arguments: ["--import", file])
        try await eventually("the imported server is up") {
            try await node.json("servers", "list")["servers"]?[0]?["state"]?.string == "up"
        }
        let imported = try await node.json("servers", "list")["servers"]?[0]
        #expect(imported?["name"]?.string == "my-sample")
        #expect(try await node.json("secret", "list")["secrets"]?.elements.count == 1)
        let dump = try Data(contentsOf: URL(fileURLWithPath: "\(node.dataFolder)/martlet.db"))
        #expect(dump.range(of: Data("ghp_0123456789".utf8)) == nil, "the credential lies there in the clear")
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a caller's key opens the door, a revoked one does not`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("door", in: scratch, yaml: quiet("door"))
        let mcp = try await node.mcpAddress()
        let admin = try #require(try await node.json("status")["listen"]?["admin"]?.string)
        #expect(try await status(of: "http://\(admin)/v1/status") == 401)
        #expect(try await status(of: "http://\(mcp)/mcp", post: initialize) == 200)

        let made = try await node.json("token", "create", "agent")
        let key = try #require(made["token"]?.string)
        let shown = ["Authorization: Bearer \(key)"]
        #expect(try await status(of: "http://\(mcp)/mcp", post: initialize) == 401)
        #expect(try await status(of: "http://\(mcp)/mcp", post: initialize, headers: shown) == 200)
        #expect(try await node.json("token", "list")["tokens"]?[0]?["name"]?.string == "agent")
        let database = try Data(contentsOf: URL(fileURLWithPath: "\(node.dataFolder)/martlet.db"))
        #expect(database.range(of: Data(key.utf8)) == nil)

        _ = try await node.json("token", "create", "other")
        _ = try await node.json("token", "revoke", "agent")
        #expect(try await status(of: "http://\(mcp)/mcp", post: initialize, headers: shown) == 401)
        try await node.stop()
    }

    @Test(
        .timeLimit(.minutes(2)),
        arguments: [
            (header: "Host: evil.example", status: 421),
            (header: "Origin: https://evil.example", status: 403),
            (header: "Origin: http://localhost:5173", status: 200),
        ])
    func `a page of another origin cannot reach the node through a browser`(
        header: String, status expected: Int
    ) async throws {
        let scratch = try Scratch()
        let node = try await TestNode("origin", in: scratch, yaml: quiet("origin"))
        let mcp = try await node.mcpAddress()
        #expect(try await status(of: "http://\(mcp)/mcp", post: initialize, headers: [header]) == expected)
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a client that starts its server as a child gets the running node`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("child", in: scratch, yaml: quiet("child"))
        _ = try await node.json("servers", "add", "sample")
        let call = """
            {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "sample__add", \
            "arguments": {"a": 40, "b": 2}}}
            """
        let initialized = "{\"jsonrpc\": \"2.0\", \"method\": \"notifications/initialized\"}"
        let first = initialize.replacing("\n", with: "")
        let bridge = try node.start(["stdio"], input: "\(first)\n\(initialized)\n\(call)\n")
        try await eventually("both requests are answered") {
            guard bridge.isRunning else { throw TestFailure("it ended: \(bridge.errorText)") }
            return bridge.outputText.split(separator: "\n").count { $0.contains("\"result\"") } == 2
        }
        let answers = try bridge.outputText.split(separator: "\n").map { try JSON(validating: String($0)) }
        #expect(answers.first { $0["id"]?.int == 1 }?["result"]?["serverInfo"] != nil)
        let sum = answers.first { $0["id"]?.int == 2 }?.pointer("/result/structuredContent/sum")
        #expect(sum?.double == 42, "\(bridge.outputText)")
        bridge.endInput()
        #expect(try await bridge.outcome(within: .seconds(5)).status == 0)
        try await node.stop()
    }

    /// One has a node, and both are served by it.
    @Test(.timeLimit(.minutes(2)), arguments: [false, true])
    func `where no node runs, the client's child is one`(atOnce: Bool) async throws {
        let scratch = try Scratch()
        let binary = try #require(Binary.path)
        let server = "{command: \(binary), args: [sample-server]}"
        let config = try scratch.write(quiet("alone") + "\nservers: {sample: \(server)}\n", to: "alone.yaml")
        for folder in ["run", "state"] {
            try FileManager.default.createDirectory(
                atPath: "\(scratch.path)/\(folder)", withIntermediateDirectories: true)
        }
        let environment = [
            "MARTLET_CONFIG": config, "XDG_RUNTIME_DIR": "\(scratch.path)/run",
            "XDG_STATE_HOME": "\(scratch.path)/state",
        ]
        let initialized = "{\"jsonrpc\": \"2.0\", \"method\": \"notifications/initialized\"}"
        let list = "{\"jsonrpc\": \"2.0\", \"id\": 2, \"method\": \"tools/list\"}"
        let input = "\(initialize.replacing("\n", with: ""))\n\(initialized)\n\(list)\n"
        func start() throws -> Program {
            try Program([binary, "stdio"], environment: environment, input: input, keepsInputOpen: true)
        }
        func lists(_ child: Program) async throws {
            do {
                try await eventually("the first list is whole", within: TestNode.startMax) {
                    guard child.isRunning else { throw TestFailure("it ended") }
                    return child.outputText.contains("sample__add")
                }
            } catch {
                throw TestFailure("\(error): \(child.outputText)\(child.errorText)")
            }
        }
        var children = [try start()]
        if atOnce {
            // Either may be first with a node; the other must not be told of it before its servers are listed.
            children.append(try start())
            for child in children { try await lists(child) }
        } else {
            try await lists(children[0])
            children.append(try start())
            try await lists(children[1])
        }
        for child in children.reversed() {
            child.endInput()
            #expect(try await child.outcome(within: .seconds(10)).status == 0, "\(child.errorText)")
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/run/martlet")
        #expect(left.isEmpty, "a node that is gone still says where it answers: \(left)")
    }

    /// A row that this version cannot read, as an older or newer one may have left it.
    @Test(.timeLimit(.minutes(2)))
    func `a stored definition that is of no use keeps neither the node nor the others from being`()
        async throws
    {
        let scratch = try Scratch()
        let before = try await TestNode("rows", in: scratch, yaml: quiet("rows"))
        _ = try await before.json("servers", "add", "sample")
        try await before.stop()
        let spoil = """
            import sqlite3; base = sqlite3.connect("\(before.dataFolder)/martlet.db")
            base.execute("INSERT INTO server VALUES ('odd', '{\\"nothing\\": 1}', 0, 0)")
            base.execute("INSERT INTO virtual_server (name, definition, counter, updated) VALUES ('odd-too', 'no JSON', 1, 0)")
            base.commit()
            """
        let spoilt = try await Program.run(["python3", "-c", spoil])
        #expect(spoilt.status == 0, "\(spoilt.errors)")
        let node = try await TestNode("rows", in: scratch, yaml: quiet("rows"))
        let attention = try await node.json("status").pointer("/attention")?.text ?? ""
        #expect(attention.contains("server odd is stored"), "\(attention)")
        #expect(attention.contains("virtual server odd-too is stored"), "\(attention)")
        #expect(try await node.martlet("call", "sample__add", "a=1", "b=2").output.contains("3"))
        for command in [["servers", "remove", "odd"], ["virtual", "remove", "odd-too"]] {
            let outcome = try await node.martlet(command)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        #expect(try await node.json("status").pointer("/attention")?.elements.isEmpty == true)
        try await node.stop()
    }

    /// A legacy `initialize`, the one request that needs nothing before it.
    private var initialize: String {
        """
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18",
         "capabilities": {}, "clientInfo": {"name": "curl", "version": "1"}}}
        """
    }

    private func status(of url: String, post body: String? = nil, headers: [String] = []) async throws -> Int
    {
        var command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", url]
        if let body {
            command += ["-H", "Content-Type: application/json", "-d", body]
            command += ["-H", "Accept: application/json, text/event-stream"]
        }
        for header in headers { command += ["-H", header] }
        let outcome = try await Program.run(command)
        return Int(outcome.output) ?? 0
    }
}
