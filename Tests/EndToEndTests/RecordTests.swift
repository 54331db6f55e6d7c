import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Records of calls over two real nodes, and over a crash.
extension EndToEnd.TwoNodes {
    private func records(of node: TestNode, _ arguments: String...) async throws -> [JSON] {
        let outcome = try await node.martlet(["logs", "--json"] + arguments)
        guard outcome.status == 0 else { throw TestFailure("no records: \(outcome.errors)") }
        return try JSON(validating: outcome.output)["records"]?.elements ?? []
    }

    @Test(.timeLimit(.minutes(2)))
    func `an operator's node asks the other end through the mesh, and no other node is answered`()
        async throws
    {
        let scratch = try Scratch()
        let binary = try #require(Binary.path)
        let a = try await TestNode(
            "a", in: scratch,
            yaml: quiet("a", mesh: "127.0.0.1:0") + """

                servers:
                  sample:
                    command: "\(binary)"
                    args: [sample-server]
                    tools: {add: {audit: required}}
                audit: {values: ["*"]}
                """)
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await a.joinToken("--role", "member", "--role", "entry")])
        let ops = try await TestNode(
            "ops", in: scratch, yaml: quiet("ops", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await a.joinToken("--role", "member", "--role", "operator")])
        for node in [b, ops] {
            try await eventually("\(node.name) knows a's tools") {
                try await node.entryState("a--sample__add") == "available"
            }
        }
        // Whom it asks it has to reach.
        try await eventually("ops reaches b") {
            let peers = try await ops.ask("/v1/status")["peers"]?.elements ?? []
            return peers.contains { $0["label"]?.string == "b" && $0["state"]?.string == "reachable" }
        }
        let answer = try await b.json("call", "a--sample__add", "a=1", "b=2", "--as", "key:alice")
        #expect(answer["ok"]?.bool == true, "\(answer.text)")
        let id = try #require(answer["callId"]?.string)

        // The entry node has no role operator: its own record is all that it gets.
        let alone = try await b.json("audit", "trace", id)
        #expect(alone["records"]?.elements.map { $0["end"]?.string } == ["entry"])
        #expect(alone["missing"]?.elements.map(\.string) == ["a"])
        #expect(alone["unreached"]?[0]?["why"]?.string?.contains("role operator") == true, "\(alone.text)")

        // The owner has; it asks the entry node. A third node asks whom it reaches.
        for node in [a, ops] {
            let both = try await node.json("audit", "trace", id)
            let ends = both["records"]?.elements ?? []
            #expect(Set(ends.map { $0["end"]?.string }) == ["entry", "owner"], "\(node.name): \(both.text)")
            #expect(both["missing"]?.elements.isEmpty == true)
            // Both say that an administrator asked as her; the owner's says that its intent came first.
            #expect(ends.allSatisfy { $0["principal"]?.string == "key:alice" })
            #expect(ends.allSatisfy { $0["assumedBy"]?.string == "local:admin" }, "\(both.text)")
            let owner = ends.first { $0["end"]?.string == "owner" }
            #expect(owner?["intended"]?.bool == true)
            // What may be kept of values stays where it is.
            #expect((owner?["values"] == nil) == (node.name == "ops"))
        }
        // Only an administrator's key asks others.
        let viewer = try #require(
            try await a.json("token", "create", "looker", "--admin", "viewer")["token"]?.string)
        let admin = try #require(try await a.json("status")["listen"]?["admin"]?.string)
        let environment = a.environment.merging(["MARTLET_TOKEN": viewer, "MARTLET_NODE": admin]) { $1 }
        let looked = try await Program.run(
            [binary, "audit", "trace", id, "--json"], environment: environment)
        let seen = try JSON(validating: looked.output)
        #expect(seen["records"]?.elements.map { $0["end"]?.string } == ["owner"])
        #expect(seen["unreached"]?[0]?["why"]?.string?.contains("administrators") == true, "\(seen.text)")

        b.program.signal(SIGSTOP)
        let part = try await a.json("audit", "trace", id)
        #expect(part["records"]?.elements.count == 1)
        #expect(part["unreached"]?[0]?["node"]?.string == "b", "\(part.text)")
        b.program.signal(SIGCONT)
        for node in [b, ops, a] { try await node.stop() }
    }

    @Test(.timeLimit(.minutes(2)))
    func `a trace joins both ends of a call, a refused one names its rule, and no value is written`()
        async throws
    {
        let scratch = try Scratch()
        let binary = try #require(Binary.path)
        let a = try await TestNode(
            "a", in: scratch,
            yaml: quiet("a", mesh: "127.0.0.1:0") + """

                servers:
                  sample: {command: "\(binary)", args: [sample-server], callersFrom: ["node:nobody"]}
                  open: {command: "\(binary)", args: [sample-server]}
                """)
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await a.joinToken("--role", "member", "--role", "entry")])
        try await eventually("b knows a's tools") { try await b.entryState("a--open__echo") == "available" }

        let secret = "canary-" + UUID().uuidString + UUID().uuidString
        let answer = try await b.json("call", "a--open__echo", "text=\(secret)")
        #expect(answer["ok"]?.bool == true)
        let id = try #require(answer["callId"]?.string)
        let denied = try await b.martlet("call", "a--sample__echo", "text=\(secret)")
        #expect(denied.status != 0)

        let admin = try JSON(
            validating: try String(contentsOfFile: "\(a.dataFolder)/node.json", encoding: .utf8))
        let address = try #require(admin["admin"]?.string)
        // Each node has a folder of its own for what runs, so neither finds the other by itself.
        let alone = try await b.json("audit", "trace", id)
        #expect(alone["records"]?.elements.map { $0["end"]?.string } == ["entry"])
        #expect(alone["missing"]?.elements.map(\.string) == ["a"])
        try FileManager.default.copyItem(
            atPath: "\(a.dataFolder)/node.json",
            toPath: "\(b.folder)/run/martlet/\(address.split(separator: ":").last ?? "").json")
        let own = try JSON(
            validating: try String(contentsOfFile: "\(b.dataFolder)/node.json", encoding: .utf8))
        let both = try await b.json("audit", "trace", id, "--node", try #require(own["admin"]?.string))
        let ends = both["records"]?.elements ?? []
        #expect(Set(ends.map { $0["end"]?.string }) == ["entry", "owner"])
        #expect(Set(ends.map { $0["trace"]?.string }).count == 1)
        #expect(
            ends.allSatisfy {
                $0["owner"]?["label"]?.string == "a" && $0["entryNode"]?["label"]?.string == "b"
            })
        #expect(both["missing"]?.elements.isEmpty == true)

        let refused = try await records(of: a, "--denied")
        #expect(refused.compactMap { $0["rule"]?.string } == ["word_not_taken"])
        #expect(refused.compactMap { $0["server"]?.string } == ["sample"])
        try FileManager.default.removeItem(
            atPath: "\(b.folder)/run/martlet/\(address.split(separator: ":").last ?? "").json")
        let there = try await records(of: b, "--denied", "--tool", "sample/*")
        #expect(there.compactMap { $0["reason"]?.string } == ["denied"])
        #expect(there.first?["decision"]?.string == "allowed", "b let it through, a did not")

        let search = SecretSearch(secret)
        for node in [a, b] {
            #expect(try await search.findings(inFolder: "\(node.dataFolder)/records") == [])
        }
        _ = try scratch.write(secret, to: "a/data/records/00000000.txt")
        #expect(try await search.findings(inFolder: "\(a.dataFolder)/records") == ["00000000.txt: raw"])
        try await b.stop()
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a killed node's records are readable, and whoever follows hears of each call`() async throws {
        let scratch = try Scratch()
        let yaml = quiet("a")
        let a = try await TestNode("a", in: scratch, yaml: yaml)
        _ = try await a.json("servers", "add", "sample")
        let follower = try a.start(["logs", "--follow", "--json"], input: "")
        for number in 1...5 { _ = try await a.json("call", "sample__add", "a=\(number)", "b=1") }
        try await eventually("all are followed") {
            follower.outputText.split(separator: "\n").count >= 5
        }
        try await eventually("all are written") { try await records(of: a).count == 5 }
        try await a.kill()
        let file = "\(a.dataFolder)/records/00000001.jsonl"
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(#"{"v":1,"kind":"call","at":17"#.utf8))
        try handle.close()
        let again = try await TestNode("a", in: scratch, yaml: yaml)
        let outcome = try await again.martlet("logs")
        #expect(outcome.output.split(separator: "\n").count == 6)
        #expect(outcome.errors.contains("1 lines could not be read"))
        #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
        try await eventually("the server is up again") {
            try await again.martlet("call", "sample__add", "a=1", "b=1").status == 0
        }
        try await eventually("writing goes on") { try await records(of: again).count >= 6 }
        try await again.stop()
    }
}
