import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Servers that do what no server should, in front of a real node: each harms the one call, or its own list, and nothing
/// else. `Python/hostile` has what they do, each under its name.
extension EndToEnd.HostileServers {
    /// What one more byte of a hostile server may cost is bounded; what a node needs anyhow is not the point here.
    static let memoryMax = 400 * 1024 * 1024
    /// Far more than a call of the sample server takes, on a busy machine; far less than the hostile ones are waited for.
    static let goodMax = 5.0

    private func yaml(_ servers: [(String, String)]) -> String {
        let lines = servers.map { "  \($0.0): \($0.1)\n" }.joined()
        return quiet("host") + """

            limits: {message: 512KiB, header: 16KiB, listPages: 50, response: 3s, call: 8s}
            servers:
              good: {command: martlet, args: [sample-server], concurrency: 64}
            \(lines)
            """
    }

    private func check(_ report: JSON, _ expected: [(String, String)], prefix: String) {
        for (tool, outcome) in expected {
            let told = report["tools"]?[prefix + tool]
            #expect(told?["outcome"]?.string == outcome, "\(tool): \(told?.text ?? "nothing")")
            #expect(told?["seconds"]?.double ?? 99 < 12, "\(tool) was waited for: \(told?.text ?? "")")
            // How many fields a head may have is no setting.
            if outcome == "too_large" || outcome == "deadline_exceeded", tool != "many_fields" {
                #expect(told?["words"]?.string?.contains("limits.") == true, "\(told?.text ?? "")")
            }
        }
        let good = report["good"]
        #expect(good?["failed"]?.elements.isEmpty == true, "\(good?.text ?? "")")
        #expect(good?["calls"]?.int ?? 0 > 0)
        #expect(good?["slowest"]?.double ?? 99 < Self.goodMax, "\(good?.text ?? "")")
    }

    private func eventuallyUp(_ node: TestNode, _ names: String...) async throws {
        for name in names {
            try await eventually("\(name) is up", within: .seconds(30)) {
                try await node.server(name)?["state"]?.string == "up"
            }
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a child harms the one call, however it answers`() async throws {
        let expected = [
            ("ok", "ok fine"), ("noise", "ok after the noise"), ("bad_json", "backend_protocol"),
            ("bad_utf8", "backend_protocol"), ("not_an_object", "backend_protocol"),
            ("both", "backend_protocol"), ("neither", "backend_protocol"), ("no_version", "backend_protocol"),
            ("giant", "too_large"), ("late_id", "too_large"), ("deep", "too_large"), ("twice", "ok first"),
            ("never_asked", "ok after answers to nobody"), ("flood", "ok after the flood"),
            ("progress", "ok slow but alive"), ("hang", "deadline_exceeded"), ("stuck", "deadline_exceeded"),
            ("batch", "deadline_exceeded"), ("drip", "deadline_exceeded"),
        ]
        let scratch = try Scratch()
        let node = try await TestNode(
            "host", in: scratch, yaml: yaml([("rogue", HostilePython.stdio("calls"))]))
        try await eventuallyUp(node, "good", "rogue")
        let tools = ["pid"] + expected.dropLast().map(\.0) + ["ok", "pid", "drip"]
        // The same name twice is one line of the report; both are asked all the same.
        let report = try await HostilePython.ask(
            node, ["calls", "good__echo"] + tools.map { "rogue__\($0)" })
        check(report, expected, prefix: "rogue__")
        let pid = try #require(report["tools"]?["rogue__pid"]?["outcome"]?.string?.dropFirst(3))
        #expect(kill(try #require(pid_t(pid)), 0) == 0, "none of it was a reason to start it anew")
        #expect(node.memoryPeak < Self.memoryMax, "\(node.memoryPeak)")

        let crash = try await HostilePython.ask(node, ["calls", "good__echo", "rogue__crash", "rogue__ok"])
        #expect(crash["tools"]?["rogue__crash"]?["outcome"]?.string == "outcome_unknown")
        #expect(crash["good"]?["failed"]?.elements.isEmpty == true, "\(crash.text)")
        try await eventually("it is started again", within: .seconds(20)) {
            try await HostilePython.ask(node, ["calls", "good__echo", "rogue__ok"])
                .pointer("/tools/rogue__ok/outcome")?.string == "ok fine"
        }
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(3)))
    func `a server over HTTP harms the one call, and no redirect is followed`() async throws {
        let expected = [
            ("ok", "ok fine"), ("no_type", "ok fine"), ("s401", "backend_auth"), ("s403", "backend_auth"),
            ("s404", "backend_protocol"), ("s500", "backend_protocol"), ("s503", "backend_unavailable"),
            ("redirect", "backend_protocol"), ("redirect_away", "backend_protocol"),
            ("html", "backend_protocol"), ("huge_head", "too_large"), ("many_fields", "too_large"),
            ("longer", "outcome_unknown"), ("shorter", "backend_protocol"),
            ("close_at_once", "outcome_unknown"), ("half", "outcome_unknown"),
            ("bad_chunk", "outcome_unknown"), ("no_http", "outcome_unknown"),
            ("event_garbage", "backend_protocol"), ("giant_event", "too_large"),
            ("other_id", "backend_protocol"), ("empty", "backend_protocol"),
            ("bad_utf8", "backend_protocol"), ("bad_json", "backend_protocol"),
            ("compressed", "backend_protocol"), ("deep", "too_large"), ("giant", "too_large"),
            ("drip_head", "deadline_exceeded"), ("drip_body", "deadline_exceeded"),
            ("endless_events", "deadline_exceeded"), ("endless_comments", "deadline_exceeded"),
        ]
        try await HostilePython.withWeb { port in
            let web =
                "{url: \"http://127.0.0.1:\(port)/\", headers: {Authorization: \"Bearer open-sesame\"}, concurrency: 64}"
            let scratch = try Scratch()
            let node = try await TestNode("host", in: scratch, yaml: yaml([("web", web)]))
            try await eventuallyUp(node, "good", "web")
            let tools = expected.map { "web__\($0.0)" } + ["web__ok"]
            check(
                try await HostilePython.ask(node, ["calls", "good__echo"] + tools), expected, prefix: "web__")
            #expect(node.memoryPeak < Self.memoryMax, "\(node.memoryPeak)")
            let seen = try await Program.run(
                ["curl", "-s", "--max-time", "10", "http://127.0.0.1:\(port)/seen"])
            #expect(seen.output == "[]", "a credential went to where a redirect led")
            try await node.stop()
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a server that cannot be listed empties nobody's list but its own`() async throws {
        let modes = [
            "many", "endless_pages", "looping_cursor", "names", "recursive", "changing", "no_list",
            "odd_items", "giant_list", "heavy", "hang_list", "crash_at_start", "hang_at_start", "noise_only",
        ]
        let servers = modes.map { ($0.replacing("_", with: "-"), HostilePython.stdio($0)) }
        let scratch = try Scratch()
        let node = try await TestNode("host", in: scratch, yaml: yaml(servers))
        try await eventuallyUp(node, "good", "many", "names", "recursive", "changing", "odd-items", "heavy")
        try await eventuallyUp(node, "endless-pages", "looping-cursor")
        let report = try await HostilePython.ask(
            node, ["calls", "good__echo", "recursive__walk", "many__tool_4999"])
        check(report, [("recursive__walk", "ok fine"), ("many__tool_4999", "ok fine")], prefix: "")

        let told: [(String, tools: Int?, word: String)] = [
            ("many", 5000, ""), ("endless-pages", 50, "limits.listPages"),
            ("looping-cursor", 4, "back to one before"), ("odd-items", 1, "left out"), ("recursive", 1, ""),
            ("heavy", 1, ""), ("no-list", nil, "has no \"tools\""), ("giant-list", nil, "limits.message"),
            ("crash-at-start", nil, "exited with status 3"),
        ]
        for (name, tools, word) in told {
            try await eventually("\(name) says how it fares") {
                guard let server = try await node.server(name) else { return false }
                return (word.isEmpty || server["reason"]?.string?.contains(word) == true)
                    && (tools == nil || server["tools"]?.int == tools)
            }
        }
        #expect(try await node.server("heavy")?["remarks"]?.text.contains("256 KiB") == true)
        let listing = try await HostilePython.ask(node, ["listing"])
        #expect(listing["odd"]?.elements.isEmpty == true, "\(listing["odd"]?.text ?? "")")
        #expect(listing["unique"] == listing["count"])
        #expect(listing["count"]?.int ?? 0 > 5_000 && listing["pages"]?.int ?? 0 > 5)
        #expect(listing["longest"]?.int ?? 99 <= 50)
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `after a restart a server that is down is listed as last known, and said to be down`() async throws {
        let scratch = try Scratch()
        let before = yaml([
            ("shared", HostilePython.stdio("many")),
            ("private", HostilePython.stdio("looping_cursor", more: ", export: false")),
        ])
        let first = try await TestNode("host", in: scratch, yaml: before)
        try await eventuallyUp(first, "good", "shared", "private")
        let listed = try await HostilePython.ask(first, ["listing"])["count"]?.int
        try await first.stop()

        let after = yaml([
            ("shared", HostilePython.stdio("crash_at_start")),
            ("private", HostilePython.stdio("crash_at_start", more: ", export: false")),
        ])
        let second = try await TestNode("host", in: scratch, yaml: after)
        try await eventuallyUp(second, "good")
        for name in ["shared", "private"] {
            try await eventually("\(name) is said to be down") {
                try await second.server(name)?["state"]?.string == "down"
            }
        }
        #expect(try await HostilePython.ask(second, ["listing"])["count"]?.int == listed)
        let report = try await HostilePython.ask(
            second, ["calls", "good__echo", "private__tool_0", "shared__tool_7"])
        for tool in ["private__tool_0", "shared__tool_7"] {
            #expect(report["tools"]?[tool]?["outcome"]?.string == "backend_unavailable", "\(report.text)")
        }
        try await second.stop()
    }
}
