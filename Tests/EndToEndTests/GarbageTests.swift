import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Ten thousand inputs that no honest peer sends, over real sockets: no crash, no input that takes 100 ms of processor time, health
/// answers, and an honest call afterwards is served.
extension EndToEnd.Garbage {
    /// Bounds what a slow machine may take for some thousand connections.
    private static let limit = Duration.seconds(150)

    private func throwAt(
        _ node: TestNode, _ address: String, _ mode: String, seed: Int, count: Int, more: [String] = []
    ) async throws -> JSON {
        let script = "\(Project.root)/Tests/EndToEndTests/Python/hostile/garbage.py"
        let outcome = try await Program.run(
            ["/usr/bin/env", "python3", script, "\(node.pid)", address, mode, "\(seed)", "\(count)"] + more,
            limit: Self.limit)
        guard outcome.status == 0 else { throw TestFailure("garbage.py: \(outcome.errors)") }
        let report = try JSON(validating: outcome.output)
        #expect(report["wrongs"]?.int == 0, "\(mode), seed \(seed): \(report["wrong"]?.text ?? "")")
        #expect(report["slowest"]?.double ?? 9 <= 0.1, "\(report.text)")
        return report
    }

    /// The node runs, says so, and serves.
    private func isWell(_ node: TestNode) async throws {
        #expect(node.program.isRunning, "\(node.log.suffix(2_000))")
        #expect(try await node.ask("/v1/status")["listen"] != nil)
        let called = try await node.json("call", "sample__add", "a=20", "b=22")
        #expect(called["result"]?["structuredContent"]?["sum"]?.double == 42)
    }

    @Test(.timeLimit(.minutes(8)))
    func `thousands of mangled requests and messages leave a node as it was`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("target", in: scratch, yaml: quiet("target"))
        _ = try await node.json("servers", "add", "sample")
        let listen = try #require(try await node.ask("/v1/status")["listen"])
        let mcp = try #require(listen["mcp"]?.string)
        let admin = try #require(listen["admin"]?.string)

        let http = try await throwAt(node, mcp, "http", seed: 1, count: 3_500)
        #expect(http["statuses"]?["400"]?.int ?? 0 > 500, "most are refused: \(http.text)")
        _ = try await throwAt(node, admin, "http", seed: 2, count: 1_000)
        let messages = try await throwAt(node, mcp, "mcp", seed: 3, count: 4_500)
        #expect(messages["statuses"]?["400"]?.int ?? 0 > 1_000, "many are refused: \(messages.text)")
        #expect(messages["statuses"]?["200"]?.int ?? 0 > 100, "some are answered: \(messages.text)")
        try await isWell(node)
        #expect(node.memoryPeak < 400 * 1024 * 1024, "\(node.memoryPeak)")
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(8)))
    func `a member that says anything at all harms nobody`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("target", in: scratch, yaml: quiet("target", mesh: "127.0.0.1:0"))
        _ = try await node.json("servers", "add", "sample")
        let rogue = try await TestNode(
            "rogue", in: scratch, yaml: quiet("rogue", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await node.joinToken()])
        try await rogue.stop()
        let mesh = try #require(try await node.ask("/v1/status")["listen"]?["mesh"]?.string)
        let membership = "\(rogue.dataFolder)/membership"
        #expect(FileManager.default.fileExists(atPath: membership))

        let frames = "\(Project.root)/Fixtures/mesh/frames.txt"
        let report = try await throwAt(node, mesh, "mesh", seed: 4, count: 1_000, more: [membership, frames])
        #expect(report["statuses"]?["greeted"]?.int ?? 0 > 100, "it was heard as a member: \(report.text)")
        // What speaks no TLS at all.
        _ = try await throwAt(node, mesh, "bytes", seed: 5, count: 200)
        try await isWell(node)

        let back = try await TestNode("rogue", in: scratch, yaml: quiet("rogue", mesh: "127.0.0.1:0"))
        try await eventually("the honest member links again", within: .seconds(30)) {
            try await node.state(of: "rogue") == "reachable"
        }
        try await back.stop()
        try await node.stop()
    }
}
