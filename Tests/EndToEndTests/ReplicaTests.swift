import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// One FastMCP server on host c, fronted by two nodes, called through a third: `e` is the entry, on the segment label of `a`.
extension EndToEnd.Replicas {
    private static let wait = Duration.seconds(30)
    private static let port = 8_765

    private func node(
        _ name: String, segment: String, of rig: Rig, in scratch: Scratch, servers: String = "",
        arguments: [String] = []
    ) async throws -> TestNode {
        try await TestNode(
            name, in: scratch,
            yaml: "node: {name: \(name), segment: \(segment)}\nmesh: {mdns: off}\n\(servers)",
            arguments: arguments, prefix: rig.on(name))
    }

    /// Who was the owner of a call, from its path.
    private func owner(of entry: String, through node: TestNode) async throws -> String? {
        let called = try await node.json("call", entry)
        #expect(called["result"]?["content"]?[0]?["text"]?.string == "shared", "\(called.text)")
        return called["path"]?.elements.last?.string
    }

    /// Calls that change something, just after the near replica lost its server: one may be under way there and end as
    /// unknown, each other one succeeds at once, and none runs twice.
    private func markThroughFailover(at node: TestNode) async throws {
        var sent: [String: Bool] = [:]
        for number in 1...4 {
            for entry in ["a--git__mark", "b--git__mark"] {
                let what = "\(entry)-\(number)"
                let outcome = try await node.martlet("call", entry, "what=\(what)", "--json")
                sent[what] = outcome.status == 0
                guard outcome.status != 0 else { continue }
                let reason = try JSON(validating: outcome.output).pointer("/error/data/reason")?.string
                #expect(reason == "outcome_unknown", "\(what): \(outcome.output)\(outcome.errors)")
            }
        }
        #expect(sent.values.count { !$0 } <= 1, "\(sent)")
        let marks = try await node.json("call", "b--git__marks")["result"]?["structuredContent"]
        for (what, isAnswered) in sent {
            let count = marks?[what]?.int ?? 0
            #expect(count == 1 || (count == 0 && !isAnswered), "\(what) ran \(count) times")
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `two nodes front one server: the near one is called, and the other when it is gone`() async throws {
        try await Rig.with("a=1", "b=1", "c=1", "e=1") { rig in
            let scratch = try Scratch()
            let address = try await rig.address(of: "c", on: 1)
            let server = try Program(
                rig.on("c") + PythonClient.fastMCP("fastmcp_server.py", "\(Self.port)", "shared"))
            try await eventually("the server listens", within: Self.wait, every: .milliseconds(100)) {
                try await Program.run(
                    rig.on("c") + ["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:\(Self.port)/mcp"]
                ).status == 0
            }
            func fronting(_ other: String) -> String {
                "servers: {git: {url: \"http://\(address):\(Self.port)/mcp\", replicaOf: \(other)/git}}"
            }
            let a = try await node("a", segment: "near", of: rig, in: scratch, servers: fronting("b"))
            let b = try await node(
                "b", segment: "far", of: rig, in: scratch, servers: fronting("a"),
                arguments: ["--join", try await a.joinToken("--segment", "far")])
            let e = try await node(
                "e", segment: "near", of: rig, in: scratch, arguments: ["--join", try await a.joinToken()])

            for (name, other) in [("a--git", "b/git"), ("b--git", "a/git")] {
                try await eventually("e knows that \(name) is a replica", within: Self.wait) {
                    let replica = try await e.ask("/v1/servers/\(name)")["server"]?["replicas"]?[0]
                    return replica?["of"]?.string == other && replica?["holds"]?.bool == true
                }
            }
            // Whichever is named, the one on e's own segment is called.
            for entry in ["a--git__whoami", "b--git__whoami"] {
                #expect(try await owner(of: entry, through: e) == "a", "\(entry)")
            }

            // a reaches the server no more, though it lives itself: to it the address is its own now, where nobody listens.
            // Calls go on, by both names, through b.
            try await rig.run(on: "a", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore")
            try await rig.run(on: "a", "ip", "addr", "add", "\(address)/32", "dev", "lo")
            try await markThroughFailover(at: e)
            #expect(try await owner(of: "a--git__whoami", through: e) == "b")

            // Its node is gone altogether.
            try await a.kill()
            try await eventually("e sees a unreachable", within: Self.wait) {
                try await e.state(of: "a") == "unreachable"
            }
            #expect(try await owner(of: "a--git__whoami", through: e) == "b", "a name holds whoever answers")
            #expect(try await e.entryState("a--git__whoami") == "available")

            // And back: once it is up and its ejection is over, it is near again.
            try await rig.run(on: "a", "ip", "addr", "del", "\(address)/32", "dev", "lo")
            let again = try await node("a", segment: "near", of: rig, in: scratch, servers: fronting("b"))
            try await eventually("a is called again", within: .seconds(90)) {
                let called = try? await e.json("call", "b--git__whoami")
                return called?["path"]?.elements.last?.string == "a"
            }
            for node in [e, b, again] { try await node.stop() }
            server.signal(SIGTERM)
        }
    }
}
