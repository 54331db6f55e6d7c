import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// How a server fares, as two nodes tell it: `a` fronts a server on the PyPI SDK, `b` is another node of the mesh.
extension EndToEnd.Health {
    private static let wait = Duration.seconds(30)
    /// A small document over one link takes milliseconds; the rest is for machines that do much besides.
    private static let spreadMax = Duration.seconds(10)

    /// A port that nobody has; the server is started there later.
    private func freePort() async throws -> Int {
        let found = try await Program.run([
            "python3", "-c",
            "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])",
        ])
        return try #require(Int(found.output.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    private func start(_ port: Int) throws -> Program {
        try Program(PythonClient.script("counted_server.py", on: .one, "--port", "\(port)"))
    }

    /// What a node shows of the server, by the name that it has there.
    private func shown(_ name: String, at node: TestNode) async throws -> JSON {
        try await node.ask("/v1/servers/\(name)")["server"] ?? .null
    }

    /// How often a node has found the server up, by its log.
    private func upEvents(of node: TestNode) -> Int {
        node.log.split(separator: "\n").count {
            $0.contains("A server's state changed.") && $0.contains("state=up")
        }
    }

    private func moment(
        _ what: String, every pause: Duration, _ isSo: () async throws -> Bool
    ) async throws -> ContinuousClock.Instant {
        try await eventually(what, within: .seconds(90), every: pause, isSo)
        return .now
    }

    private func call(at node: TestNode) async throws -> JSON? {
        let answer = try? await node.json("call", "a--counted__sessions")
        return answer?["result"]?["structuredContent"]
    }

    @Test(.timeLimit(.minutes(4)))
    func
        `a server that comes back is up and callable from every node soon after its owner finds it`()
        async throws
    {
        let scratch = try Scratch()
        let port = try await freePort()
        let first = try start(port)
        try await eventually("the server listens", within: Self.wait) {
            try await Program.run(["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:\(port)/mcp"]).status
                == 0
        }
        let a = try await TestNode("a", in: scratch, yaml: quiet("a", mesh: "127.0.0.1:0"))
        _ = try await a.json("servers", "add", "counted", "--url", "http://127.0.0.1:\(port)/mcp")
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await a.joinToken()])
        try await eventually("b calls it", within: Self.wait) { try await call(at: b) != nil }

        first.signal(SIGKILL)
        try await eventually("both nodes say that it is down", within: .seconds(60)) {
            let here = try await shown("counted", at: a)
            let there = try await shown("a--counted", at: b)
            return here["state"]?.string == "down" && there["state"]?.string == "down"
        }
        for (node, name) in [(a, "counted"), (b, "a--counted")] {
            let report = try await shown(name, at: node)
            #expect(report["reason"]?.string?.isEmpty == false, "\(report.text)")
            #expect(report["sinceSeconds"]?.int ?? 99 <= 90, "\(report.text)")
            #expect(report["lastSuccessSeconds"]?.int != nil, "\(report.text)")
        }
        let entry = try await b.ask("/v1/catalog/show", ["entry": "a--counted__sessions"])
        #expect(
            entry["health"]?["state"]?.string == "down" && entry["state"]?.string == "down", "\(entry.text)")
        let refused = try await b.martlet("call", "a--counted__sessions", "--json")
        #expect(
            try JSON(validating: refused.output).pointer("/error/data/reason")?.string
                == "backend_unavailable")

        let before = upEvents(of: a)
        let second = try start(port)
        async let found = moment("a finds it up", every: .milliseconds(2)) { upEvents(of: a) > before }
        async let seen = moment("b says that it is up", every: .milliseconds(10)) {
            try await shown("a--counted", at: b)["state"]?.string == "up"
        }
        let took = try await found.duration(to: seen)
        #expect(try await call(at: b)?["open"]?.int == 1, "and up means callable")
        print("b showed the server up \(took) after its owner found it so")
        #expect(took < Self.spreadMax, "the figure is for reading; the bound holds on a busy machine too")
        try await b.stop()
        try await a.stop()
        second.signal(SIGTERM)
    }

    @Test(.timeLimit(.minutes(3)))
    func `probes leave no session behind at a server of the PyPI SDK`() async throws {
        let scratch = try Scratch()
        let port = try await freePort()
        let server = try start(port)
        try await eventually("the server listens", within: Self.wait) {
            try await Program.run(["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:\(port)/mcp"]).status
                == 0
        }
        let a = try await TestNode("a", in: scratch, yaml: quiet("a", mesh: "127.0.0.1:0"))
        _ = try await a.json("servers", "add", "counted", "--url", "http://127.0.0.1:\(port)/mcp")
        for _ in 1...5 { _ = try await a.json("servers", "test", "counted") }
        // Calls put probes off, so nobody asks until one can have come: 30 s at the latest.
        try await eventually("it was probed", within: .seconds(60)) {
            try await shown("counted", at: a)["lastSuccessSeconds"]?.int ?? 0 >= 14
        }
        try await eventually("the probe was answered", within: .seconds(60)) {
            try await shown("counted", at: a)["lastSuccessSeconds"]?.int ?? 99 <= 2
        }
        let counted = try await a.json("call", "counted__sessions")["result"]?["structuredContent"]
        #expect(counted?["pings"]?.int ?? 0 >= 1, "\(counted?.text ?? "nothing")")
        #expect(counted?["open"]?.int == 1, "\(counted?.text ?? "nothing")")
        try await a.stop()
        server.signal(SIGTERM)
    }
}
