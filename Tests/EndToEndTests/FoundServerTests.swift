import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// MCP servers that mDNS shows, with real avahi-daemons and a FastMCP server: found, not touched, accepted, gone, moved.
extension EndToEnd.FoundServers {
    private static let wait = Duration.seconds(30)
    private static let port = 8_765

    /// A FastMCP server on a host, listening.
    private func serve(_ name: String, port: Int = port, on host: String, of rig: Rig) async throws -> Program
    {
        let program = try Program(rig.on(host) + PythonClient.fastMCP("fastmcp_server.py", "\(port)", name))
        try await eventually("\(name) listens", within: Self.wait, every: .milliseconds(100)) {
            guard program.isRunning else { throw TestFailure("\(name) ended: \(program.errorText)") }
            let asked = try await Program.run(
                rig.on(host) + ["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:\(port)/mcp"])
            return asked.status == 0
        }
        return program
    }

    private func publish(_ name: String, port: Int = port, on host: String, of rig: Rig) throws -> Program {
        try Program(
            rig.on(host) + ["avahi-publish", "-s", name, "_mcp._tcp", "\(port)", "txtvers=1", "path=/mcp"])
    }

    /// What a node's `servers found` shows, by name.
    private func found(at node: TestNode) async throws -> [String: JSON] {
        let list = try await node.ask("/v1/found")["found"]?.elements ?? []
        return Dictionary(
            list.map { ($0["name"]?.string ?? "", $0) }, uniquingKeysWith: { first, _ in first })
    }

    private func node(
        _ name: String, in scratch: Scratch, of rig: Rig, more: String = "", arguments: [String] = []
    ) async throws -> TestNode {
        let yaml = "node: {name: \(name), segment: \(name == "a" ? "one" : "both")}\n\(more)"
        return try await TestNode(name, in: scratch, yaml: yaml, arguments: arguments, prefix: rig.on(name))
    }

    /// Has b dial a server that is found after all others, because a rule of b's fits it: whoever dials what is merely found
    /// would have done so before that.
    private func dialsAnother(
        _ rule: String, port: Int, on host: String, of rig: Rig, by b: TestNode, seenBy tap: Program
    ) async throws -> [Program] {
        let server = try await serve(rule, port: port, on: host, of: rig)
        let published = try publish("Control \(rule)", port: port, on: host, of: rig)
        try await eventually("b dials \(rule)", within: Self.wait) {
            try await b.server(rule)?["state"]?.string == "up"
        }
        try await eventually("the tap sees it", within: Self.wait) {
            tap.outputText.contains("packet to port \(port)")
        }
        return [server, published]
    }

    /// The ports to which a tap saw packets.
    private func ports(seenBy tap: Program) -> Set<String> {
        Set(tap.outputText.split(separator: "\n").filter { $0.hasPrefix("packet") }.map(String.init))
    }

    @Test(.timeLimit(.minutes(4)))
    func `a server on segment 2 gets no packet before it is accepted; then it is called from segment 1`()
        async throws
    {
        try await Rig.with("a=1", "b=1,2", "c=2") { rig in
            let scratch = try Scratch()
            let address = try await rig.address(of: "c", on: 2)
            let tap = try Program(rig.on("c") + PythonClient.fastMCP("packets.py", address))
            try await eventually("the tap listens", within: Self.wait) { tap.outputText.contains("ready") }
            var server = try await serve("lab", on: "c", of: rig)
            var published = try publish("Lab Tools", on: "c", of: rig)
            let a = try await node("a", in: scratch, of: rig)
            let b = try await node(
                "b", in: scratch, of: rig,
                more: """
                    servers:
                      first: {accept: {service: "Control first"}}
                      second: {accept: {service: "Control second"}}
                    """, arguments: ["--join", try await a.joinToken("--segment", "both")])

            try await eventually("b finds it", within: Self.wait) {
                try await found(at: b)["lab-tools"] != nil
            }
            let shown = try #require(try await found(at: b)["lab-tools"])
            #expect(shown["service"]?.string == "Lab Tools", "\(shown.text)")
            #expect(shown["address"]?.string == "\(address):\(Self.port)", "\(shown.text)")
            #expect(shown["segment"]?.string == "both", "\(shown.text)")
            #expect(shown["interfaces"]?[0]?.string == "seg2", "\(shown.text)")
            #expect(shown["firstSeenSeconds"]?.int ?? 99 < 60, "\(shown.text)")
            #expect(shown["state"]?.string == "waiting", "\(shown.text)")
            let text = try await b.martlet("servers", "found")
            #expect(text.output.contains("lab-tools") && text.output.contains(address), "\(text.output)")
            #expect(try await found(at: a).isEmpty, "a is not on that segment")
            _ = try await b.json("servers", "recheck")
            // Complains of the rules that wait.
            _ = try await b.martlet("doctor")
            var others = try await dialsAnother(
                "first", port: Self.port + 2, on: "c", of: rig, by: b, seenBy: tap)
            #expect(ports(seenBy: tap) == ["packet to port \(Self.port + 2)"])

            let accepted = try await b.json("servers", "accept", "lab-tools")
            #expect(accepted["server"]?["state"]?.string == "up", "\(accepted.text)")
            #expect(tap.outputText.contains("packet to port \(Self.port)"), "so the tap would have seen one")
            try await eventually("a lists it", within: Self.wait) {
                try await a.entryState("b--lab-tools__whoami") == "available"
            }
            let called = try await a.json("call", "b--lab-tools__whoami")
            #expect(called["result"]?["content"]?[0]?["text"]?.string == "lab", "\(called.text)")
            #expect(try await found(at: b)["lab-tools"]?["state"]?.string == "accepted")

            // Gone: that nobody announces it says nothing of the server.
            published.signal(SIGTERM)
            try await eventually("it is gone", within: Self.wait) {
                try await found(at: b)["lab-tools"] == nil
            }
            #expect(try await a.json("call", "b--lab-tools__whoami")["result"] != nil)

            // Moved: a new address is as good as a new server, until a person says so.
            server.signal(SIGTERM)
            server = try await serve("moved", port: Self.port + 1, on: "c", of: rig)
            published = try publish("Lab Tools", port: Self.port + 1, on: "c", of: rig)
            try await eventually("b says that it moved", within: Self.wait) {
                try await found(at: b)["lab-tools"]?["state"]?.string == "moved"
            }
            others += try await dialsAnother(
                "second", port: Self.port + 3, on: "c", of: rig, by: b, seenBy: tap)
            #expect(!tap.outputText.contains("packet to port \(Self.port + 1)"), "not dialled there yet")
            _ = try await b.json("servers", "accept", "lab-tools")
            try await eventually("a calls it where it is now", within: Self.wait) {
                let called = try? await a.json("call", "b--lab-tools__whoami")
                return called?["result"]?["content"]?[0]?["text"]?.string == "moved"
            }
            try await b.stop()
            try await a.stop()
            #expect(ports(seenBy: tap) == Set((0...3).map { "packet to port \(Self.port + $0)" }))
            for program in others + [published, server] { program.signal(SIGTERM) }
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `a rule accepts what fits it, a duplicate is another server, and advertise shows in avahi-browse`()
        async throws
    {
        try await Rig.with("b=1,2", "c=2", "d=2") { rig in
            let scratch = try Scratch()
            let address = try await rig.address(of: "c", on: 2)
            let key = try await TestNode("b", in: scratch, yaml: "node: {name: b}", prefix: rig.on("b"))
            #expect(try await key.martlet("token", "create", "browser").status == 0)
            try await key.stop()
            let b = try await node(
                "b", in: scratch, of: rig,
                more: """
                    listen: {mcp: "0.0.0.0:7330"}
                    servers:
                      lab: {accept: {service: "Lab *", address: "\(address)"}}
                    virtualServers:
                      ops: {title: Operations, use: [{from: lab}], advertise: true}
                      inner: {use: [{from: lab}]}
                    """)
            let waiting = try await b.server("lab")
            #expect(waiting?["state"]?.string == "down", "\(waiting?.text ?? "")")
            #expect(waiting?["reason"]?.string?.contains("accept") == true, "\(waiting?.text ?? "")")

            // The same name on another host is another server, which the rule does not fit.
            let other = try publish("Lab Tools", on: "d", of: rig)
            try await eventually("b finds d's", within: Self.wait) { try await found(at: b).count == 1 }
            let server = try await serve("lab", on: "c", of: rig)
            // On c's own link the name is free only after avahi has looked; so c takes another.
            let published = try publish("Lab Bench", on: "c", of: rig)
            try await eventually("the rule has taken c's", within: Self.wait) {
                try await b.server("lab")?["state"]?.string == "up"
            }
            // Accepting the other one moves nothing.
            let second = try await serve("other", on: "d", of: rig)
            _ = try await b.json("servers", "accept", "lab-tools")
            #expect(try await b.server("lab")?["state"]?.string == "up")
            #expect(try await b.server("lab-tools")?["state"]?.string == "up")
            let both = try await found(at: b)
            #expect(both["lab-tools"]?["state"]?.string == "accepted", "\(both)")
            let all = try await found(at: b)
            #expect(all["lab-bench"]?["state"]?.string == "accepted", "\(all)")
            #expect(all["lab-tools"]?["state"]?.string == "accepted", "\(all)")
            #expect(try await b.json("call", "lab__whoami")["result"] != nil)

            try await eventually("c's avahi-browse shows ops", within: Self.wait) {
                let heard = try await rig.run(on: "c", "avahi-browse", "-rptk", "_mcp._tcp")
                return heard.contains("path=/servers/ops/mcp")
            }
            let heard = try await rig.run(on: "c", "avahi-browse", "-rptk", "_mcp._tcp")
            for text in ["http=7330/servers/ops/mcp", "protocol=2026-07-28", "name=Operations", "proto=http"]
            {
                #expect(heard.contains(text), "\(heard)")
            }
            #expect(!heard.contains("inner"), "only what has advertise: true")
            #expect(try await found(at: b).count == 2, "it does not find itself")
            try await b.stop()
            for program in [other, server, second, published] { program.signal(SIGTERM) }
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `ten thousand invented services cost bounded memory, and nothing is fetched of them`() async throws {
        try await Rig.with("b=2", "c=2") { rig in
            let scratch = try Scratch()
            let address = try await rig.address(of: "c", on: 2)
            let b = try await node("b", in: scratch, of: rig)
            let before = b.memoryPeak
            let tap = try Program(rig.on("c") + PythonClient.fastMCP("packets.py", address))
            try await eventually("the tap listens", within: Self.wait) { tap.outputText.contains("ready") }
            try await rig.avahi(on: "c", "down")
            // Twice all of them; a daemon that is flooded tells nothing before it has read it all.
            let flood = try await Program.run(
                rig.on("c") + PythonClient.fastMCP("mdns_flood.py", address, "10000", "2"),
                limit: .seconds(90))
            #expect(flood.status == 0, "\(flood.errors)")
            try await eventually("b shows many", within: .seconds(60)) { try await found(at: b).count >= 100 }
            let shown = try await found(at: b)
            print(
                "of 10,000 services \(shown.count) are followed; \(before) bytes before, \(b.memoryPeak) after"
            )
            #expect(shown.count <= 256)
            #expect(b.memoryPeak - before < 64 * 1024 * 1024)
            for server in shown.values {
                #expect(["waiting", "unusable"].contains(server["state"]?.string), "\(server.text)")
                if let url = server["url"]?.string {
                    #expect(url.hasPrefix("http://\(address):"), "no other host: \(url)")
                    #expect(!url.contains("..") && !url.contains("\n"), "\(url)")
                }
            }
            let text = try await b.martlet("servers", "found")
            #expect(text.status == 0 && !text.output.contains("\u{1b}[31m"), "no escape reaches the terminal")
            // Its last dial, if it ever made one, was before its end.
            try await b.stop()
            #expect(!tap.outputText.contains("packet"), "\(tap.outputText.prefix(200))")
            let probe = try await Program.run(
                rig.on("b") + ["curl", "-s", "-m", "5", "-o", "/dev/null", "http://\(address):9/"])
            #expect(probe.status != 0)
            try await eventually("the tap would have seen one", within: Self.wait) {
                tap.outputText.contains("packet to port 9")
            }
        }
    }
}
