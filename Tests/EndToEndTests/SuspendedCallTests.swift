import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// A legacy server that asks in the middle of a call, and a modern client somewhere in the mesh.
extension EndToEnd.TwoNodes {
    @Test(.timeLimit(.minutes(2)))
    func `a suspended call is asked through one node and answered through another`() async throws {
        let scratch = try Scratch()
        let script = "\(Project.root)/Tests/EndToEndTests/Python/asking_server.py"
        let server = "servers: {asking: {command: python3, args: [\"\(script)\"]}}"
        let owner = try await TestNode(
            "owner", in: scratch, yaml: quiet("owner", mesh: "127.0.0.1:0") + "\n" + server)
        let entry = try await TestNode(
            "entry", in: scratch, yaml: quiet("entry", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await owner.joinToken()])
        try await eventually("the entry node lists the tool") {
            try await entry.entryState("owner--asking__confirm") != nil
        }

        let asked = try await call("owner--asking__confirm", at: entry)
        #expect(asked.pointer("/result/resultType")?.string == "input_required", "\(asked.text)")
        #expect(
            asked.pointer("/result/inputRequests/elicitation-1/params/message")?.string == "Sure?")
        let retry: [(String, JSON)] = [
            ("requestState", asked.pointer("/result/requestState") ?? .null),
            ("inputResponses", ["elicitation-1": ["action": "accept", "content": ["ok": true]]]),
        ]
        // The state names this call and no other.
        let other = try await call("owner--asking__confirm", ["x": 1], retry, at: entry)
        #expect(other.pointer("/error/data/reason")?.string == "invalid_arguments", "\(other.text)")
        let done = try await call("asking__confirm", [:], retry, at: owner)
        #expect(done.pointer("/result/content/0/text")?.string?.contains("accept") == true, "\(done.text)")
        let again = try await call("owner--asking__confirm", [:], retry, at: entry)
        #expect(again.pointer("/error/data/reason")?.string == "invalid_arguments", "\(again.text)")
        try await entry.stop()
        try await owner.stop()
    }

    /// A `tools/call` of 2026-07-28 by a client that has forms.
    private func call(
        _ tool: String, _ arguments: JSON = [:], _ more: [(String, JSON)] = [], at node: TestNode
    ) async throws -> JSON {
        let meta: JSON = .object([
            ("io.modelcontextprotocol/protocolVersion", "2026-07-28"),
            ("io.modelcontextprotocol/clientCapabilities", ["elicitation": ["form": [:]]]),
        ])
        let params: JSON = .object(
            [("name", .string(tool)), ("arguments", arguments), ("_meta", meta)] + more)
        let body: JSON = ["jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params]
        let headers = [
            "Content-Type: application/json", "Accept: application/json, text/event-stream",
            "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: \(tool)",
        ]
        let outcome = try await Program.run(
            [
                "curl", "-sS", "--max-time", "20", "--data", body.text,
                "http://\(try await node.mcpAddress())/mcp",
            ]
                + headers.flatMap { ["-H", $0] })
        // An answer with nothing before it is JSON, otherwise the last event of a stream.
        let last = outcome.output.split(separator: "\n").last { $0.contains("jsonrpc") } ?? ""
        return try JSON(validating: String(last.hasPrefix("data:") ? last.dropFirst(5) : last))
    }
}
