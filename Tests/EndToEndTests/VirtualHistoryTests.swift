import JSONSlice
import MartletTestKit
import Testing

extension EndToEnd.TwoNodes {
    @Test(.timeLimit(.minutes(3)))
    func `a definition is changed, told apart, and taken back, while its author is down`() async throws {
        let scratch = try Scratch()
        let a = try await TestNode("a", in: scratch, yaml: quiet("a", mesh: "127.0.0.1:0"))
        _ = try await a.json("servers", "add", "sample")
        let invite = try await a.joinToken(["--role", "member", "--role", "entry", "--role", "operator"])
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"), arguments: ["--join", invite])
        let c = try await TestNode(
            "c", in: scratch, yaml: quiet("c", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await a.joinToken()])
        try await eventually("all list the tools") {
            for node in [b, c] {
                guard try await node.entryState("a--sample__add") == "available" else { return false }
            }
            return true
        }

        // The author says it twice.
        let first = try scratch.write(
            "virtualServers: {ops: {use: [{tool: a--sample/add, as: plus, set: {b: 2}}]}}", to: "1.yaml")
        let second = try scratch.write(
            "virtualServers: {ops: {title: Operations, use: [{from: a--sample, only: [add, echo]}]}}",
            to: "2.yaml")
        #expect(try await b.martlet("virtual", "apply", "-f", first).status == 0)
        try await eventually("c serves it") { try await c.names(of: "ops") == ["plus"] }
        let ahead = try await b.martlet("virtual", "diff", "-f", second)
        #expect(
            ahead.output.contains("clients see  + tool echo")
                && ahead.output.contains("clients see  - tool plus"))
        #expect(try await b.martlet("virtual", "apply", "-f", second).status == 0)
        try await eventually("c serves the second") {
            try await c.names(of: "ops").sorted() == ["add", "echo"]
        }

        // With its author gone, everybody still serves it, and an operator elsewhere takes it back.
        try await b.kill()
        let history = try await c.json("virtual", "history", "ops")
        #expect(history["versions"]?.elements.compactMap { $0["version"]?.int } == [2, 1])
        #expect(
            history["versions"]?.elements.compactMap { $0["standing"]?.string } == ["stands", "replaced"])
        #expect(history["versions"]?.elements.compactMap { $0["author"]?.string } == ["b", "b"])
        let difference = try await c.martlet("virtual", "diff", "ops")
        #expect(difference.output.contains("+ Operations"), "said: \(difference.output)")
        let why = try await c.martlet("catalog", "why", "a--sample__add")
        #expect(why.output.contains("/servers/ops/mcp shows it as add"), "said: \(why.output)")
        #expect(why.output.contains("use[0] takes it, by only: add"), "said: \(why.output)")
        for text in [difference.output, why.output, try await c.martlet("virtual", "history", "ops").output] {
            for line in text.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
        }
        #expect(try await a.martlet("virtual", "rollback", "ops").status == 0)
        try await eventually("c serves the first again") { try await c.names(of: "ops") == ["plus"] }
        let sum = try await c.json("call", "plus", "a=40", "--server", "ops")
        #expect(sum["result"]?["structuredContent"]?["sum"]?.double == 42)

        // The author comes back, and does not say its own again.
        let back = try await TestNode("b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"))
        try await eventually("b serves what counts", within: .seconds(30)) {
            try await back.names(of: "ops") == ["plus"]
        }
        let last = try await back.json("virtual", "history", "ops")
        #expect(last["versions"]?[0]?["author"]?.string == "a" && last["versions"]?[0]?["version"]?.int == 3)
        #expect(try await a.names(of: "ops") == ["plus"])
        for node in [a, back, c] { try await node.stop() }
    }
}

extension TestNode {
    /// What a client of one of its virtual servers is listed.
    fileprivate func names(of virtualServer: String) async throws -> [String] {
        let shown = try await martlet("virtual", "show", virtualServer, "--json")
        guard shown.status == 0 else { return [] }
        return try JSON(validating: shown.output)["entries"]?.elements.compactMap { $0["name"]?.string } ?? []
    }
}
