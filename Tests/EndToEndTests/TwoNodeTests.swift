import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Two real nodes over loopback; what needs mDNS and segments is in `SegmentTests`.
extension EndToEnd.TwoNodes {
    /// `a` listens and has the sample server; `b` joined it with a token of the given roles.
    private func pair(in scratch: Scratch, roles: [String] = []) async throws -> (TestNode, TestNode) {
        let a = try await TestNode("a", in: scratch, yaml: quiet("a", mesh: "127.0.0.1:0"))
        _ = try await a.json("servers", "add", "sample")
        let token = try await a.joinToken(roles.flatMap { ["--role", $0] })
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"),
            arguments: ["--join", token])
        return (a, b)
    }

    private func again(_ name: String, in scratch: Scratch, mesh: String = "127.0.0.1:0") async throws
        -> TestNode
    {
        try await TestNode(name, in: scratch, yaml: quiet(name, mesh: mesh))
    }

    private func hasEntries(_ node: TestNode) async throws -> Bool {
        try await node.json("catalog", "search")["entries"]?.elements.isEmpty == false
    }

    @Test(.timeLimit(.minutes(2)))
    func `a node that joins lists and calls the other's tools`() async throws {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        try await eventually("b lists a's tools", within: .seconds(3)) {
            let found = try await b.json("catalog", "search", "add")
            return found["entries"]?[0]?["name"]?.string == "a--sample__add"
        }
        let sum = try await b.json("call", "a--sample__add", "a=20", "b=22")
        #expect(sum["result"]?["structuredContent"]?["sum"]?.double == 42)
        #expect(sum["path"]?.elements.compactMap(\.string) == ["b", "a"])
        try await b.stop()
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a killed owner is told at once, and what it had comes back with it`() async throws {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        try await eventually("b lists a's tools") { try await hasEntries(b) }
        let mesh = try #require(try await a.json("status")["listen"]?["mesh"]?.string)

        try await a.kill()
        try await eventually("b sees a unreachable", within: .seconds(2)) {
            try await b.state(of: "a") == "unreachable"
        }
        let start = ContinuousClock.now
        let failed = try await b.martlet("call", "a--sample__add", "a=1", "b=1", "--json")
        #expect(ContinuousClock.now - start < .seconds(2))
        #expect(failed.status != 0)
        let reason = try JSON(validating: failed.output).pointer("/error/data/reason")?.string
        #expect(reason == "owner_unreachable")
        let listed = try await b.json("catalog", "search", "add")
        #expect(
            listed["entries"]?[0]?["state"]?.string == "unreachable", "a silent owner's entries stay listed")

        let back = try await again("a", in: scratch, mesh: mesh)
        try await eventually("b reaches a again", within: .seconds(20)) {
            try await b.state(of: "a") == "reachable"
        }
        try await eventually("the tool answers again", within: .seconds(10)) {
            try await b.martlet("call", "a--sample__add", "a=1", "b=1").status == 0
        }
        try await back.stop()
        try await b.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a node that starts alone shows what it knew, says so, and confirms it once a peer answers`()
        async throws
    {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        try await eventually("b lists a's tools") { try await hasEntries(b) }
        let mesh = try #require(try await a.json("status")["listen"]?["mesh"]?.string)
        try await b.stop()
        try await a.stop()

        let back = try await again("b", in: scratch)
        let early = try await back.json("status")
        #expect(early["peers"]?[0]?["state"]?.string == "not confirmed")
        #expect(early["servers"]?[0]?["state"]?.string == "not confirmed")
        #expect(early["servers"]?[0]?["tools"]?.int ?? 0 > 0)
        #expect(early["peers"]?[0]?["ageSeconds"]?.int ?? .max < 100)
        try await eventually("b says that it is alone", within: .seconds(10)) {
            try await back.json("status")["node"]?["aloneSinceSeconds"]?.int ?? 0 >= 5
        }
        let page = try await back.martlet("status").output
        #expect(page.contains("alone since "), "said: \(page)")
        #expect(page.split(separator: "\n").allSatisfy { $0.count <= 100 }, "said: \(page)")
        #expect(try await back.state(of: "a") == "unreachable")

        let home = try await again("a", in: scratch, mesh: mesh)
        try await eventually("b reaches a again", within: .seconds(20)) {
            try await back.state(of: "a") == "reachable"
        }
        // A link alone is no company: the two must have told each other what is revoked.
        try await eventually("b is alone no more") {
            try await back.json("status")["node"]?["aloneSinceSeconds"] == nil
        }
        let late = try await back.json("status")
        #expect(late["node"]?["isConfirmed"]?.bool == true)
        try await home.stop()
        try await back.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a token is good once, and who comes second is told why`() async throws {
        let scratch = try Scratch()
        let a = try await again("a", in: scratch)
        let token = try await a.joinToken()
        let b = try await TestNode("b", in: scratch, yaml: quiet("b"), arguments: ["--join", token])
        let file = try scratch.write(quiet("c"), to: "c.yaml")
        let c = try await Program.run(
            [
                try #require(Binary.path), "up", "--config", file, "--data", "\(scratch.path)/c", "--join",
                token,
            ], environment: ["XDG_RUNTIME_DIR": scratch.path])
        #expect(c.status != 0)
        #expect(c.errors.contains("used"), "said: \(c.errors)")
        try await b.stop()
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a token past its life, or for another mesh than one's own, is refused`() async throws {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        let alone = try await again("c", in: scratch)
        let short = try await a.joinToken("--ttl", "1s")
        try await Task.sleep(for: .milliseconds(1_100))  // the life itself is what is tested
        let late = try await alone.martlet("mesh", "join", short)
        #expect(late.status != 0 && late.errors.contains("expired"), "said: \(late.errors)")

        // Meshes never merge: who is in one with others leaves it first.
        let token = try await alone.joinToken()
        for node in [a, b] {
            let refused = try await node.martlet("mesh", "join", token)
            #expect(refused.status != 0 && refused.errors.contains("mesh leave"), "said: \(refused.errors)")
        }
        #expect(try await a.state(of: "b") == "reachable")
        for node in [alone, b, a] { try await node.stop() }
    }

    @Test(.timeLimit(.minutes(2)))
    func `a node that joined needs no token to start again`() async throws {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        try await eventually("b lists a's tools") { try await hasEntries(b) }
        try await b.stop()
        let back = try await again("b", in: scratch)
        let found = try await back.json("catalog", "search", "echo")
        #expect(found["entries"]?[0]?["name"]?.string == "a--sample__echo", "kept over the restart")
        try await eventually("they are linked again") { try await back.state(of: "a") == "reachable" }
        try await back.stop()
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `only an issuer makes tokens, and only an operator defines for the mesh`() async throws {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        let refused = try await b.martlet("mesh", "token")
        #expect(refused.status != 0)
        #expect(refused.errors.contains("issuer"))
        try await eventually("b lists a's tools") { try await hasEntries(b) }
        let applied = try await b.json("virtual", "apply", "-f", "-", input: definition)
        #expect(applied["applied"]?[0]?["note"]?.string?.contains("operator") == true)
        #expect(try await b.json("virtual", "list")["virtualServers"]?.elements.count == 1)
        #expect(try await a.json("virtual", "list")["virtualServers"]?.elements.isEmpty == true)
        try await b.stop()
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `an operator's virtual server is served by both nodes, also after a restart`() async throws {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch, roles: ["member", "entry", "operator"])
        try await eventually("b lists a's tools") { try await hasEntries(b) }
        _ = try await b.json("virtual", "apply", "-f", "-", input: definition)
        try await eventually("a has the virtual server") {
            try await a.json("virtual", "list")["virtualServers"]?.elements.count == 1
        }
        for node in [a, b] { try await checkComposed(at: node) }
        try await b.stop()
        let back = try await again("b", in: scratch)
        try await eventually("the tool answers again", within: .seconds(10)) {
            try await back.martlet("call", "plus", "a=1", "--server", "sums").status == 0
        }
        try await checkComposed(at: back)
        try await back.stop()
        try await a.stop()
    }

    private func checkComposed(at node: TestNode) async throws {
        let shown = try await node.json("virtual", "show", "sums")
        let names = shown["entries"]?.elements.compactMap { $0["name"]?.string }
        #expect(names == ["plus", "echo"])
        let sum = try await node.json("call", "plus", "a=2", "--server", "sums")
        #expect(sum["result"]?["structuredContent"]?["sum"]?.double == 42)
    }

    private var definition: String {
        """
        virtualServers:
          sums:
            title: Sums
            use:
              - {tool: a--sample/add, as: plus, set: {b: 40}}
              - {tool: a--sample/echo, description: Says it again.}
        """
    }

    @Test(.timeLimit(.minutes(2)))
    func `leaving makes a mesh of one again, and what was its own stays`() async throws {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        _ = try await b.json("servers", "add", "sample")
        let before = try await b.json("status")["node"]?["mesh"]?.string
        _ = try await b.json("mesh", "leave")
        try await eventually("b is alone") { try await b.json("status")["peers"]?.elements.isEmpty == true }
        #expect(try await b.json("status")["node"]?["mesh"]?.string != before)
        try await eventually("its own tools answer", within: .seconds(2)) {
            try await b.martlet("call", "sample__add", "a=1", "b=2").status == 0
        }
        try await eventually("a no longer lists b's tools") {
            let entries = try await a.json("catalog", "search")["entries"]?.elements ?? []
            return entries.allSatisfy { $0["owner"]?.string != "b" }
        }
        try await b.stop()
        try await a.stop()
    }
}
