import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// What goes through two nodes comes out as it went in: arguments, results, definitions and notifications, to the byte.
extension EndToEnd.Faithful {
    /// `a` has the servers, `b` the client.
    private func with(
        _ servers: String, _ body: (_ a: TestNode, _ b: TestNode) async throws -> Void
    ) async throws {
        let scratch = try Scratch()
        let yaml =
            quiet("a", mesh: "127.0.0.1:0")
            + "\nlimits: {response: 5s}\nservers:\n\(servers)\n"
        let a = try await TestNode("a", in: scratch, yaml: yaml)
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await a.joinToken([])])
        try await body(a, b)
        try await b.stop()
        try await a.stop()
    }

    private func eventuallyLists(_ node: TestNode, _ name: String) async throws {
        try await eventually("\(name) is listed", within: .seconds(30)) {
            try await node.json("catalog", "search", "--limit", "1000")["entries"]?.elements
                .contains { $0["name"]?.string == name } == true
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `each published document passes as argument and as result, or fails its own call`() async throws {
        try await HostilePython.withWeb { port in
            let servers = """
                  mirror: \(HostilePython.stdio("calls", HostilePython.documents))
                  web: {url: "http://127.0.0.1:\(port)/", concurrency: 64}
                """
            try await with(servers) { _, b in
                try await eventuallyLists(b, "a--mirror__mirror")
                try await eventuallyLists(b, "a--web__mirror")
                for (mirror, document) in [
                    ("a--mirror__mirror", "a--mirror__document"), ("a--web__mirror", "a--web__document"),
                    ("a--web__mirror", "a--web__event_document"),
                ] {
                    let report = try await HostilePython.ask(
                        b, ["documents", HostilePython.documents, mirror, document])
                    #expect(report["failures"]?.elements.isEmpty == true, "\(document): \(report.text)")
                    // 93 valid ones and some of 35 that may be either; two are refused for keys that come twice.
                    #expect(report["checked"]?["arguments"]?.int ?? 0 > 90, "\(report.text)")
                    #expect(report["checked"]?["results"]?.int ?? 0 > 85, "\(report.text)")
                    #expect(report["checked"]?["refused"]?.int ?? 0 > 350, "\(report.text)")
                }
                for mirror in ["a--mirror__mirror", "a--web__mirror"] {
                    let report = try await HostilePython.ask(b, ["values", mirror, HostilePython.strings])
                    #expect(report["failures"]?.elements.isEmpty == true, "\(mirror): \(report.text)")
                    #expect(report["checked"]?.int ?? 0 > 900)
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `tools named and described by hostile strings are listed, and called by their own names`()
        async throws
    {
        let servers = "  odd: \(HostilePython.stdio("naughty", HostilePython.strings))"
        try await with(servers) { a, b in
            try await eventually("the tools are listed on b", within: .seconds(30)) {
                try await HostilePython.ask(b, ["listing"])["count"]?.int ?? 0 > 400
            }
            for (node, prefix) in [(a, "odd__"), (b, "a--odd__")] {
                let report = try await HostilePython.ask(node, ["naughty", prefix])
                #expect(report["failures"]?.elements.isEmpty == true, "\(report.text)")
                #expect(report["checked"]?.int ?? 0 > 400)
            }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `a notification that no revision knows passes, one that means something to MCP does not`()
        async throws
    {
        try await with("  mirror: \(HostilePython.stdio("calls", HostilePython.documents))") { a, b in
            try await eventuallyLists(b, "a--mirror__foreign")
            for (node, tool) in [(a, "mirror__foreign"), (b, "a--mirror__foreign")] {
                let messages =
                    try await HostilePython.ask(node, ["notifications", tool])["messages"]?.elements
                    .compactMap(\.string) ?? []
                #expect(messages.count == 2, "\(messages)")
                #expect(
                    messages.first
                        == #"{"jsonrpc":"2.0","method":"notifications/acme/heat","params":{"degrees": 1e400, "z":1,"a":{ "k" : 1.0}}}"#
                )
                #expect(messages.last?.contains("told") == true)
            }
        }
    }
}
