import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Two real nodes, two keys, and rules on both ends.
extension EndToEnd.TwoNodes {
    /// Asks a node's MCP endpoint as a modern client with a key would.
    private func mcp(
        _ node: TestNode, key: String, _ method: String, _ params: JSON = .emptyObject,
        at path: String = "/mcp"
    ) async throws -> (status: Int, answer: JSON) {
        let address = try await node.mcpAddress()
        let meta: JSON = [
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": [:],
            "io.modelcontextprotocol/clientInfo": ["name": "test", "version": "1"],
        ]
        let body: JSON = [
            "jsonrpc": "2.0", "id": 1, "method": .string(method), "params": params.setting("_meta", to: meta),
        ]
        var headers = [
            "Authorization: Bearer \(key)", "Content-Type: application/json",
            "MCP-Protocol-Version: 2026-07-28",
            "Accept: application/json, text/event-stream", "Mcp-Method: \(method)",
        ]
        if let name = params["name"]?.string { headers.append("Mcp-Name: \(name)") }
        let outcome = try await Program.run(
            ["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}"] + headers.flatMap { ["-H", $0] }
                + ["--data", body.text, "http://\(address)\(path)"], environment: node.environment)
        let lines = outcome.output.split(separator: "\n").map(String.init)
        let status = try #require(lines.last.flatMap { Int($0) })
        let text = lines.dropLast().map { $0.hasPrefix("data: ") ? String($0.dropFirst(6)) : $0 }
            .first { $0.hasPrefix("{") }
        return (status, try JSON(validating: text ?? "{}"))
    }

    private func tools(_ node: TestNode, key: String, at path: String = "/mcp") async throws -> [String] {
        let answer = try await mcp(node, key: key, "tools/list", at: path).answer
        return (answer["result"]?["tools"]?.elements ?? []).compactMap { $0["name"]?.string }
    }

    private func reason(_ node: TestNode, key: String, _ tool: String, _ arguments: JSON) async throws
        -> String
    {
        let answer = try await mcp(
            node, key: key, "tools/call", ["name": .string(tool), "arguments": arguments]
        ).answer
        if answer["result"]?["isError"]?.bool == false || answer["result"]?["structuredContent"] != nil {
            return "ok"
        }
        return answer["error"]?["data"]?["reason"]?.string ?? answer.text
    }

    @Test(.timeLimit(.minutes(3)))
    func `each key sees and calls what both nodes' rules let it`() async throws {
        let scratch = try Scratch()
        let owner = try await TestNode(
            "a", in: scratch,
            yaml: quiet("a", mesh: "127.0.0.1:0") + """

                access:
                  rules:
                    - {allow: [call], who: ["key:alice"], from: ["node:b"], entries: [add]}
                    - {allow: [call], who: ["key:bob"], entries: [echo]}
                """)
        _ = try await owner.json("servers", "add", "sample")
        let token = try await owner.joinToken()
        let entry = try await TestNode(
            "b", in: scratch,
            yaml: quiet("b", mesh: "127.0.0.1:0") + """

                access:
                  teams: {adders: {members: ["key:alice"]}}
                  rules:
                    - {name: adders, allow: [call], who: ["team:adders"], entries: [add, echo]}
                    - {name: echoes, allow: [call], who: ["key:bob"], entries: [echo]}
                  limits:
                    - {name: few, who: ["key:bob"], rate: 3 in 1h}
                virtualServers:
                  sums: {use: [{from: a--sample, only: [add]}], access: ["team:adders"]}
                """,
            arguments: ["--join", token])
        try await eventually("b lists a's tools") {
            try await entry.json("catalog", "search")["entries"]?.elements.isEmpty == false
        }
        let alice = try #require(try await entry.json("token", "create", "alice")["token"]?.string)
        let bob = try #require(try await entry.json("token", "create", "bob")["token"]?.string)
        try await eventually("alice's list") { try await tools(entry, key: alice).count == 2 }

        #expect(try await tools(entry, key: alice).sorted() == ["a--sample__add", "a--sample__echo"])
        #expect(try await tools(entry, key: bob) == ["a--sample__echo"])
        #expect(try await reason(entry, key: alice, "a--sample__add", ["a": 1, "b": 2]) == "ok")
        #expect(try await reason(entry, key: bob, "a--sample__add", ["a": 1, "b": 2]) == "unknown_entry")
        #expect(try await reason(entry, key: bob, "a--sample__echo", ["text": "x"]) == "ok")
        // b lets alice echo; a, whose tool it is, does not, and has the last word.
        #expect(try await reason(entry, key: alice, "a--sample__echo", ["text": "x"]) == "unknown_entry")

        // A virtual server for a team is not there for others.
        try await eventually("the virtual server") {
            try await mcp(entry, key: alice, "tools/list", at: "/servers/sums/mcp").status == 200
        }
        #expect(try await tools(entry, key: alice, at: "/servers/sums/mcp") == ["add"])
        let hidden = try await mcp(entry, key: bob, "tools/list", at: "/servers/sums/mcp")
        let missing = try await mcp(entry, key: bob, "tools/list", at: "/servers/nothing/mcp")
        #expect(hidden.status == 404 && missing.status == 404 && hidden.answer == missing.answer)

        // Three calls an hour, one of which is made.
        for _ in 0..<2 { _ = try await reason(entry, key: bob, "a--sample__echo", ["text": "x"]) }
        #expect(try await reason(entry, key: bob, "a--sample__echo", ["text": "x"]) == "limited")

        let asked = try await entry.martlet("auth", "can-call", "key:bob", "a--sample__add")
        #expect(asked.status != 0 && asked.output.contains("key:bob may not call a--sample__add"))
        #expect(asked.output.contains("allow echoes: not this: it is about entries echo"), "\(asked.output)")
        let may = try await entry.json("auth", "can-call", "key:alice", "a--sample__add")
        #expect(may["allowed"]?.bool == true)
        #expect(may["parts"]?[0]?["decision"]?.string == "rule adders allows it")
        #expect(may["notes"]?.elements.contains { $0.string?.hasPrefix("a owns it") == true } == true)

        // An administrator tries what another may; whoever only looks may not.
        let asBob = try await entry.martlet(
            "call", "a--sample__add", "a=1", "b=2", "--as", "key:bob", "--json")
        #expect(asBob.status != 0)
        #expect(try JSON(validating: asBob.output).pointer("/error/data/reason")?.string == "unknown_entry")
        #expect(entry.log.contains("A tool is called as somebody else."))
        let viewer = try #require(
            try await entry.json("token", "create", "dashboard", "--admin", "viewer")["token"]?.string)
        let admin = try #require(try await entry.json("status")["listen"]?["admin"]?.string)
        let binary = try #require(Binary.path)
        let environment = entry.environment.merging(["MARTLET_TOKEN": viewer, "MARTLET_NODE": admin]) { $1 }
        let looks = try await Program.run([binary, "status"], environment: environment)
        let calls = try await Program.run(
            [binary, "call", "a--sample__add", "a=1", "b=2"], environment: environment)
        #expect(looks.status == 0 && calls.status != 0)
        #expect(calls.errors.contains("needs the role editor"), "\(calls.errors)")
        try await entry.stop()
        try await owner.stop()
    }
}
