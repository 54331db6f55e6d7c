import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// What legacy sessions cost a node, and that they outlive the server behind them.
extension EndToEnd.Sessions {
    /// What 10,000 idle sessions may cost, in bytes; docs/reference/sessions.md has what they do cost.
    private static let growthMax = 200_000_000

    @Test(.timeLimit(.minutes(5)))
    func
        `ten thousand idle sessions cost little, a thousand clients at once are served, and all ends cleanly`()
        async throws
    {
        let scratch = try Scratch()
        let binary = try #require(Binary.path)
        let server = "servers: {sample: {command: \"\(binary)\", args: [sample-server], concurrency: 1024}}"
        let node = try await TestNode("many", in: scratch, yaml: quiet("many") + "\n" + server)
        try await eventually("the sample server is up") { try await node.entryState("sample__add") != nil }
        let url = "http://\(try await node.mcpAddress())/servers/sample/mcp"
        let outcome = try await Program.run(
            PythonClient.script("sessions.py", url, "\(node.program.pid)", "--streams", "1000"),
            limit: .seconds(240))
        let facts = try #require(try? JSON(validating: outcome.output), "\(outcome.output)\(outcome.errors)")
        print("sessions: \(facts.text)")

        #expect(facts["sessions"]?.int == 10_000)
        for kind in ["resident", "anonymous"] {
            let growth = try #require(facts["idle"]?[kind]?.int) - #require(facts["before"]?[kind]?.int)
            #expect(growth < Self.growthMax, "\(growth / 10_000) bytes a session, \(kind)")
        }
        #expect(facts["streams"]?.int == 1_000)
        #expect(facts["burst"]?.int == 1_000 && facts["failures"] == [])
        // The server was killed, and a session from before went on.
        #expect(facts["recovery"]?.double != nil)
        #expect(facts["afterEnd"]?.int == 404)
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a node ends at once, however many sessions and streams are open`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("ending", in: scratch, yaml: quiet("ending"))
        _ = try await node.json("servers", "add", "sample")
        let url = "http://\(try await node.mcpAddress())/servers/sample/mcp"
        let client = try Program(
            PythonClient.script(
                "sessions.py", url, "\(node.program.pid)", "--idle", "500", "--streams", "200", "--hold"),
            keepsInputOpen: true)
        try await eventually("the sessions are open", within: .seconds(60)) {
            client.outputText.contains("\"holding\"")
        }
        let start = ContinuousClock.now
        try await node.stop()
        #expect(ContinuousClock.now - start < .seconds(10))
        let outcome = try await client.outcome(within: .seconds(10))
        #expect(outcome.output.contains("\"ended\": 200"), "\(outcome.output)\(outcome.errors)")
    }
}
