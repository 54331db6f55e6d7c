import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// The main job with all of the real world in it: network segments, avahi-daemons, MCP servers and clients from PyPI.
extension EndToEnd.Segments {
    // MARK: Finding, joining, listing, calling

    @Test(.timeLimit(.minutes(3)))
    func `a node finds another by mDNS alone, joins it and serves its tools`() async throws {
        try await FrontedPair.with(isTokenBlind: true) { pair in
            print("b listed a's tools \(pair.listedAfter) after it was ready")
            #expect(pair.listedAfter < .seconds(3))

            let address = try await pair.rig.address(of: "a", on: 1)
            #expect(try await sightings(of: pair.b).contains("\(address):7332 on seg1"))
            let entered = pair.b.log.split(separator: "\n").first { $0.contains("Joined.") }
            #expect(
                entered?.contains("mesh.address=\(address):7332") == true,
                "it was let in there: \(entered ?? "")")
            let heard = try await pair.rig.run(on: "b", "avahi-browse", "-rptk", "_martlet._tcp")
            let id = try #require(try await pair.a.json("status")["node"]?["id"]?.string)
            #expect(
                heard.contains(address) && heard.contains("id=\(id)"), "avahi-browse hears it too: \(heard)")

            for release in PythonClient.Release.allCases {
                try await checkClient(of: release, on: pair)
            }
        }
    }

    /// The official client, connected to b, lists and calls what a fronts.
    private func checkClient(of release: PythonClient.Release, on pair: FrontedPair) async throws {
        let client = pair.client(release, of: pair.b)
        let isModern = try await client.revision() == "2026-07-28"
        #expect(isModern == (release == .two), "each release speaks its own era to the same endpoint")
        let tools = try await client.tools()
        let names = tools.compactMap { $0["name"]?.string }
        #expect(Set(names) == Set(FrontedPair.tools), "\(release): \(names)")
        for tool in tools {
            #expect(tool["inputSchema"]?["type"]?.string == "object", "\(release): \(tool.text)")
            #expect(tool["description"]?.string?.isEmpty == false, "\(release): \(tool.text)")
        }
        let time = try await client.call("a--time__get_current_time", ["timezone": "Asia/Tokyo"])
        #expect(time.contains("Asia/Tokyo") && time.contains("+09:00"), "\(release): \(time)")
        let echo = try await client.call(FrontedPair.echo, ["text": "grüß dich"])
        #expect(echo == "grüß dich", "\(release): \(echo)")
    }

    // MARK: The credential

    @Test(.timeLimit(.minutes(3)))
    func `a backend's credential is nowhere on a node that calls it through its owner`() async throws {
        try await FrontedPair.with { pair in
            let search = SecretSearch(pair.credential)
            let slow = try pair.client(.two, of: pair.b).start(calling: FrontedPair.slow, ["seconds": 20])
            try await eventually("the call has reached the backend", within: .seconds(20)) {
                guard slow.isRunning else {
                    throw TestFailure("it ended: \(slow.outputText)\(slow.errorText)")
                }
                return pair.desk.hasSlowCall
            }

            #expect(try await search.findings(inMemoryOf: pair.b.pid).isEmpty)
            #expect(try await search.findings(inFolder: pair.b.folder).isEmpty)
            #expect(search.forms(in: pair.b.log + pair.b.program.outputText).isEmpty)

            // The same search finds it where it is in use: so nothing found at b means something.
            let atOwner = try await search.findings(inMemoryOf: pair.a.pid)
            #expect(atOwner.contains { $0.hasSuffix(": raw") }, "\(atOwner)")
            #expect(slow.isRunning, "the call ended before its owner was searched")
            // At rest it is sealed there as well.
            #expect(try await search.findings(inFolder: pair.a.folder).isEmpty)
            #expect(search.forms(in: pair.a.log + pair.a.program.outputText).isEmpty)

            // And b's memory can be searched: it holds what it must.
            let own = try String(contentsOfFile: "\(pair.b.dataFolder)/admin.token", encoding: .utf8)
            let token = SecretSearch(own.trimmingCharacters(in: .whitespacesAndNewlines))
            #expect(try await token.findings(inMemoryOf: pair.b.pid).contains { $0.hasSuffix(": raw") })
        }
    }

    // MARK: An owner that dies

    @Test(.timeLimit(.minutes(3)))
    func `a killed owner is told within a second, and comes back without help`() async throws {
        try await FrontedPair.with { pair in
            let client = pair.client(.two, of: pair.b)
            let underWay = try client.start(calling: FrontedPair.slow, ["seconds": 60])
            try await eventually("the call has reached the backend", within: .seconds(20)) {
                pair.desk.hasSlowCall
            }

            let killed = ContinuousClock.now
            try await pair.a.kill()
            try await eventually("b sees a unreachable", within: .seconds(5), every: .milliseconds(50)) {
                try await pair.b.state(of: "a") == "unreachable"
            }
            let told = ContinuousClock.now - killed
            print("b saw a unreachable \(told) after the kill")
            #expect(told < .seconds(1))

            let entry = FrontedPair.tools[0]
            let asked = ContinuousClock.now
            let failed = try await pair.b.martlet("call", entry, "timezone=UTC", "--json")
            #expect(ContinuousClock.now - asked < .seconds(1))
            #expect(failed.status != 0)
            let reason = try JSON(validating: failed.output).pointer("/error/data/reason")?.string
            #expect(reason == "owner_unreachable", "\(failed.output)")
            for release in PythonClient.Release.allCases {
                let refused = try await pair.client(release, of: pair.b)
                    .answer(calling: entry, ["timezone": "UTC"])
                let reason = refused.pointer("/error/data/reason")?.string
                #expect(reason == "owner_unreachable", "\(release): \(refused.text)")
            }
            #expect(try await pair.b.entryState(entry) == "unreachable", "it stays listed")

            let a = try await pair.again(pair.a)
            try await eventually("b reaches a again", within: .seconds(20)) {
                try await pair.b.state(of: "a") == "reachable"
            }
            // What was under way may have run: once its owner is back in a new life, that is all that can be said of it.
            let answer = try await client.answer(of: underWay, within: .seconds(40))
            print("the call under way ended \(ContinuousClock.now - killed) after the kill")
            #expect(answer.pointer("/error/data/reason")?.string == "outcome_unknown", "\(answer.text)")
            #expect(answer.pointer("/error/data/callId")?.string != nil, "\(answer.text)")
            try await eventually("all of a's tools are back", within: .seconds(20)) {
                for tool in FrontedPair.tools {
                    guard try await pair.b.entryState(tool) == "available" else { return false }
                }
                return true
            }
            try await checkClient(of: .two, on: pair)
            try await a.stop()
        }
    }

    // MARK: Composition

    @Test(.timeLimit(.minutes(4)))
    func `a composed server is the same on both nodes, also after a restart`() async throws {
        try await FrontedPair.with(roles: ["member", "entry", "operator"]) { pair in
            let applied = try await pair.b.json("virtual", "apply", "-f", "-", input: Self.composition)
            #expect(applied["applied"]?[0]?["entries"]?.int == 3, "\(applied.text)")
            try await eventually("a has it") {
                try await pair.a.json("virtual", "list")["virtualServers"]?[0]?["entries"]?.int == 3
            }
            for release in PythonClient.Release.allCases {
                for node in [pair.a, pair.b] {
                    try await checkComposition(pair.client(release, of: node, server: "clock"))
                }
            }
            try await pair.b.stop()
            let b = try await pair.again(pair.b)
            try await eventually("b reaches a again") { try await b.state(of: "a") == "reachable" }
            for node in [pair.a, b] {
                try await checkComposition(pair.client(.two, of: node, server: "clock"))
            }
            try await b.stop()
        }
    }

    private static let composition = """
        virtualServers:
          clock:
            title: Clock
            use:
              - {tool: a--time/convert_time, as: shift_time}
              - {tool: a--desk/\(Desk.echo), description: Says it once more.}
              - {tool: a--time/get_current_time, set: {timezone: Asia/Tokyo}}
        """

    private func checkComposition(_ client: PythonClient) async throws {
        let answers = try await client.answers(to: [
            ["list"],
            [
                "call", "shift_time",
                ["source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"],
            ],
            ["call", .string(Desk.echo), ["text": "twice"]],
            ["call", "get_current_time", [:]],
            ["call", "get_current_time", ["timezone": "UTC"]],
        ])
        let tools = answers[0]["tools"]?.elements ?? []
        let names = tools.compactMap { $0["name"]?.string }
        try #require(names == ["shift_time", Desk.echo, "get_current_time"], "\(client)")
        #expect(tools[0]["inputSchema"]?["properties"]?["source_timezone"] != nil, "\(tools[0].text)")
        #expect(tools[1]["description"]?.string == "Says it once more.", "\(tools[1].text)")
        #expect(tools[2]["inputSchema"]?.text.contains("timezone") == false, "\(tools[2].text)")

        #expect(try client.text(of: answers[1]).contains("21:00"), "\(client)")
        #expect(try client.text(of: answers[2]) == "twice", "\(client)")
        #expect(try client.text(of: answers[3]).contains("Asia/Tokyo"), "\(client)")
        #expect(!answers[4].text.contains("+00:00"), "the fixed was overruled: \(answers[4].text)")
    }

    // MARK: Two segments

    @Test(.timeLimit(.minutes(3)))
    func `a call crosses to a segment that its caller cannot see`() async throws {
        try await Rig.with("a=1", "b=1,2", "c=2") { rig in
            let scratch = try Scratch()
            let b = try await TestNode(
                "b", in: scratch, yaml: "node: {name: b, segment: hall}", prefix: rig.on("b"))
            var joined: [String: TestNode] = [:]
            for (name, segment) in [("a", "one"), ("c", "two")] {
                let token = try await b.joinToken("--segment", segment)
                joined[name] = try await TestNode(
                    name, in: scratch, yaml: "node: {name: \(name), segment: \(segment)}",
                    arguments: ["--join", token], prefix: rig.on(name))
            }
            let (a, c) = (try #require(joined["a"]), try #require(joined["c"]))
            _ = try await c.json("servers", "add", "sample")
            try await eventually("a lists c's tools", within: .seconds(5)) {
                try await a.entryState("c--sample__add") == "available"
            }

            for release in PythonClient.Release.allCases {
                let client = PythonClient(release, at: "http://127.0.0.1:7330/mcp", on: rig.on("a"))
                let names = try await client.tools().compactMap { $0["name"]?.string }
                #expect(names.contains("c--sample__add"), "\(release): \(names)")
                let sum = try await client.call("c--sample__add", ["a": 20, "b": 22])
                #expect(sum.contains("42"), "\(release): \(sum)")
            }
            let call = try await a.json("call", "c--sample__add", "a=1", "b=2")
            #expect(call["path"]?.elements.compactMap(\.string) == ["a", "b", "c"])
            let far = try await a.json("status")["peers"]?.elements.first { $0["label"]?.string == "c" }
            #expect(far?["path"]?.string == "via b")
            #expect(far?["segment"]?.string == "two")

            // Each hears the node on its own segment and no other; b hears both.
            let (near, beyond) = (
                try await rig.address(of: "b", on: 1), try await rig.address(of: "c", on: 2)
            )
            try await eventually("a hears b") { try await sightings(of: a).contains("\(near):7332 on seg1") }
            try await eventually("b hears c") {
                try await sightings(of: b).contains("\(beyond):7332 on seg2")
            }
            #expect(try await !sightings(of: a).contains("10.77.2."))
            #expect(try await !sightings(of: c).contains("10.77.1."))
            let id = try #require(try await c.json("status")["node"]?["id"]?.string)
            #expect(!a.log.split(separator: "\n").contains { $0.contains("sighted") && $0.contains(id) })
            // It ends with what the daemon knows already, which on a busy machine may not be all.
            try await eventually("avahi-browse on a hears b, and never c") {
                let heard = try await rig.run(on: "a", "avahi-browse", "-rptk", "_martlet._tcp")
                #expect(!heard.contains(id), "avahi-browse on a: \(heard)")
                return heard.contains(near)
            }
            for node in [a, c, b] { try await node.stop() }
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `without avahi-daemon a node runs, and hears others when it comes`() async throws {
        try await Rig.with("a=1", "b=1") { rig in
            let scratch = try Scratch()
            try await rig.avahi(on: "b", "down")
            var nodes: [TestNode] = []
            for name in ["a", "b"] {
                nodes.append(
                    try await TestNode(
                        name, in: scratch, yaml: "node: {name: \(name), segment: one}", prefix: rig.on(name)))
            }
            let checks = try await nodes[1].ask("/v1/doctor")["checks"]?.elements ?? []
            let deaf = checks.first { $0["what"]?.string == "mDNS" }
            #expect(deaf?["verdict"]?.string == "warning" && deaf?["mend"] != nil, "\(checks)")

            try await rig.avahi(on: "b", "up")
            let address = try await rig.address(of: "a", on: 1)
            try await eventually("b hears a", within: .seconds(30)) {
                try await sightings(of: nodes[1]).contains("\(address):7332 on seg1")
            }
            // Two meshes of one: listed as found, never joined by themselves.
            #expect(try await nodes[1].ask("/v1/peers")["found"]?.elements.count == 1)
            #expect(try await nodes[1].ask("/v1/peers")["peers"]?.elements.isEmpty == true)
            for node in nodes { try await node.stop() }
        }
    }

    /// What `martlet doctor` says of mDNS.
    private func sightings(of node: TestNode) async throws -> String {
        let checks = try await node.ask("/v1/doctor")["checks"]?.elements ?? []
        return checks.first { $0["what"]?.string == "mDNS" }?["found"]?.string ?? ""
    }
}
