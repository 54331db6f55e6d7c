import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Seeds by DNS SRV, with the system's resolver on a host of a rig and a DNS server on that host's loopback.
extension EndToEnd.ServiceSeeds {
    private static let name = "_martlet._tcp.example.test"

    /// `b` only dials out, hears no mDNS, and knows an address of `a` that is not right any more: DNS alone tells the right one.
    @Test(.timeLimit(.minutes(3)))
    func `a node finds its mesh through dns+srv where nothing else leads there`() async throws {
        try await Rig.with("a=1", "b=1") { rig in
            let scratch = try Scratch()
            let address = try await rig.address(of: "a", on: 1)
            let resolver = try scratch.write(
                "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n", to: "resolv.conf")
            // `on` runs in a mount namespace of its own, so nobody else sees this.
            let onB =
                rig.on("b") + ["sh", "-c", "mount --bind \(resolver) /etc/resolv.conf && exec \"$@\"", "sh"]
            func start(_ name: String, mesh: String, seeds: String = "", arguments: [String] = [])
                async throws -> TestNode
            {
                try await TestNode(
                    name, in: scratch,
                    yaml: """
                        node: {name: \(name), segment: one}
                        listen: {mesh: "\(mesh)"}
                        mesh: {mdns: off\(seeds)}
                        """, arguments: arguments, prefix: name == "b" ? onB : rig.on("a"))
            }
            let old = try await start("a", mesh: "\(address):7332")
            let joined = try await start("b", mesh: "none", arguments: ["--join", try await old.joinToken()])
            try await eventually("b reaches a", within: .seconds(30)) {
                try await joined.state(of: "a") == "reachable"
            }
            try await joined.stop()
            try await old.stop()

            let a = try await start("a", mesh: "\(address):7442")
            let seeds = ", seeds: [\"dns+srv://\(Self.name)\"]"
            let b = try await start("b", mesh: "none", seeds: seeds)
            let what = "seed dns+srv://\(Self.name)"
            try await eventually("doctor says that nobody answers", within: .seconds(30)) {
                let checks = try await b.ask("/v1/doctor")["checks"]?.elements ?? []
                return checks.contains { $0.text.contains(what) && $0.text.contains("DNS server") }
            }
            // Unreachable, and for the first seconds after a start not confirmed besides.
            let state = try #require(try await b.state(of: "a"))
            #expect(["not confirmed", "unreachable"].contains(state))

            let dns = try Program(
                rig.on("b")
                    + PythonClient.fastMCP("dns_server.py", Self.name, "hq.example.test", "7442", address))
            try await eventually("the DNS server listens", within: .seconds(30)) {
                dns.outputText.contains("ready")
            }
            try await eventually("b reaches a", within: .seconds(60)) {
                try await b.state(of: "a") == "reachable"
            }
            let checks = try await b.json("doctor")["checks"]?.elements ?? []
            #expect(
                checks.contains { $0.text.contains(what) && $0.text.contains("hq.example.test:7442") },
                "\(checks)")
            try await b.stop()
            try await a.stop()
            dns.signal(SIGTERM)
        }
    }
}
