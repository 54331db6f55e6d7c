import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Each mistake gets one clear message with the mend, a status that says so, and harms nothing that is stored.
extension EndToEnd.BadInput {
    /// `martlet up` that must not come up.
    private func refused(_ arguments: [String], in scratch: Scratch) async throws -> Program.Outcome {
        let binary = try #require(Binary.path)
        let outcome = try await Program.run(
            [binary, "up", "--data", "\(scratch.path)/data"] + arguments,
            environment: ["XDG_RUNTIME_DIR": scratch.path], folder: scratch.path)
        #expect(outcome.status != 0)
        #expect(!outcome.errors.contains("Fatal error"))
        return outcome
    }

    @Test(arguments: [
        (yaml: "node: [", says: "martlet.yaml"),
        (yaml: "nodes: {name: x}", says: "did you mean node?"),
        (yaml: "listen: {mcp: everywhere}", says: "listen.mcp"),
        (yaml: "servers: {\"Bad Name\": {command: x}}", says: "Bad Name"),
        (yaml: "mesh: {mdns: perhaps}", says: "mesh.mdns"),
    ])
    func `a wrong configuration is told with its place`(yaml: String, says: String) async throws {
        let scratch = try Scratch()
        let file = try scratch.write(yaml, to: "martlet.yaml")
        let outcome = try await refused(["--config", file], in: scratch)
        #expect(outcome.errors.contains(says), "said instead: \(outcome.errors)")
        let check = try await Program.run([try #require(Binary.path), "config", "check", file])
        #expect(check.status != 0)
        #expect((check.output + check.errors).contains(says))
    }

    @Test func `a configuration that is not there is told`() async throws {
        let scratch = try Scratch()
        let outcome = try await refused(["--config", "\(scratch.path)/none.yaml"], in: scratch)
        #expect(outcome.errors.contains("none.yaml"))
    }

    @Test(.timeLimit(.minutes(2)), arguments: ["mcp", "admin", "mesh"])
    func `a taken port is told with what to do`(surface: String) async throws {
        let scratch = try Scratch()
        let node = try await TestNode("first", in: scratch, yaml: quiet("first", mesh: "127.0.0.1:0"))
        let taken = try #require(try await node.ask("/v1/status")["listen"]?[surface]?.string)
        let port = try #require(taken.split(separator: ":").last)
        let surfaces = ["mcp", "admin", "mesh"].map { "\($0): \"127.0.0.1:\($0 == surface ? port : "0")\"" }
        let file = try scratch.write(
            """
            listen: {\(surfaces.joined(separator: ", "))}
            mesh: {mdns: off}
            """, to: "martlet.yaml")
        let outcome = try await refused(["--config", file], in: scratch)
        #expect(outcome.errors.contains("\(port)"), "said: \(outcome.errors)")
        #expect(outcome.errors.contains("--port"), "said: \(outcome.errors)")
        try await node.stop()
    }

    @Test func `a listener beyond loopback wants a caller's key first`() async throws {
        let scratch = try Scratch()
        let yaml = quiet("open").replacing("mcp: \"127.0.0.1:0\"", with: "mcp: \"0.0.0.0:0\"")
        let file = try scratch.write(yaml, to: "martlet.yaml")
        let outcome = try await refused(["--config", file], in: scratch)
        #expect(outcome.errors.contains("martlet token create"), "said: \(outcome.errors)")
    }

    @Test(.timeLimit(.minutes(2)))
    func `without D-Bus a node runs and says what is missing, unless mDNS is required`() async throws {
        let scratch = try Scratch()
        let nowhere = ["DBUS_SYSTEM_BUS_ADDRESS": "unix:path=\(scratch.path)/none"]
        let auto = quiet("deaf", mesh: "127.0.0.1:0").replacing("mdns: off", with: "mdns: auto")
        let node = try await TestNode("deaf", in: scratch, yaml: auto, environment: nowhere)
        let checks = try await node.ask("/v1/doctor")["checks"]?.elements ?? []
        let heard = try #require(checks.first { $0["what"]?.string == "mDNS" })
        #expect(heard["verdict"]?.string == "warning" && heard["mend"] != nil, "\(heard.text)")
        try await node.stop()

        let file = try scratch.write(
            quiet("picky", mesh: "127.0.0.1:0").replacing("mdns: off", with: "mdns: required"),
            to: "martlet.yaml")
        let outcome = try await Program.run(
            [try #require(Binary.path), "up", "--config", file, "--data", "\(scratch.path)/picky"],
            environment: nowhere.merging(["XDG_RUNTIME_DIR": scratch.path]) { $1 })
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("mDNS") || outcome.errors.contains("D-Bus"), "\(outcome.errors)")
    }

    @Test(.timeLimit(.minutes(2)))
    func `a data folder that another node holds is told with its pid`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("holder", in: scratch, yaml: quiet("holder"))
        let binary = try #require(Binary.path)
        let file = try scratch.write(quiet("second"), to: "martlet.yaml")
        let outcome = try await Program.run(
            [binary, "up", "--config", file, "--data", node.dataFolder],
            environment: ["XDG_RUNTIME_DIR": scratch.path])
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("\(node.pid)"))
        #expect(try await node.martlet("status").status == 0)
        try await node.stop()
    }

    @Test func `a data folder where a file stands is told`() async throws {
        let scratch = try Scratch()
        let file = try scratch.write(quiet("x"), to: "martlet.yaml")
        _ = try scratch.write("not a folder", to: "data")
        let outcome = try await refused(["--config", file], in: scratch)
        #expect(outcome.errors.contains("data"))
    }

    @Test(arguments: ["nonsense", "martlet-join-aaaa", ""])
    func `a wrong join token is told before anything is dialled`(token: String) async throws {
        let scratch = try Scratch()
        let file = try scratch.write(quiet("x"), to: "martlet.yaml")
        let outcome = try await refused(["--config", file, "--join", token], in: scratch)
        #expect(outcome.errors.contains("token"))
        #expect(outcome.errors.contains("martlet mesh token"))
    }

    @Test(
        .timeLimit(.minutes(2)),
        arguments: [
            (command: ["/no/such/program"], says: "/no/such/program"),
            (command: ["sh", "-c", "echo gone wrong >&2; exit 3"], says: "3"),
            (command: ["sh", "-c", "while read line; do echo nonsense; done"], says: "nonsense"),
        ])
    func `a backend that cannot be had is told, and the node runs on`(
        command: [String], says: String
    ) async throws {
        let scratch = try Scratch()
        let node = try await TestNode("backend", in: scratch, yaml: quiet("backend"))
        _ = try await node.json("servers", "add", "sample")
        let added = try await node.martlet(["servers", "add", "broken", "--"] + command)
        let told = added.output + added.errors
        #expect(told.contains(says), "\(command): \(told)")
        let servers = try await node.json("servers", "list")["servers"]?.elements ?? []
        let broken = try #require(servers.first { $0["name"]?.string == "broken" })
        #expect(broken["state"]?.string != "up")
        #expect(try await node.json("call", "sample__add", "a=1", "b=1")["ok"]?.bool == true)
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `commands say honestly what does not exist`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("honest", in: scratch, yaml: quiet("honest"))
        _ = try await node.json("servers", "add", "sample")
        for (arguments, says) in [
            (["call", "sample__ecko"], "sample__echo"), (["servers", "remove", "nobody"], "nobody"),
            (["virtual", "show", "nothing"], "nothing"), (["secret", "remove", "none"], "none"),
            (["token", "revoke", "none"], "none"), (["servers", "test", "nobody"], "nobody"),
            (["mesh", "join", "rubbish"], "token"),
        ] {
            let outcome = try await node.martlet(arguments)
            #expect(outcome.status != 0, "\(arguments)")
            let told = outcome.output + outcome.errors
            #expect(told.contains(says), "\(arguments): \(told)")
        }
        try await node.stop()
    }

    @Test func `without a running node a command says how to start one`() async throws {
        let scratch = try Scratch()
        let outcome = try await Program.run(
            [try #require(Binary.path), "status"], environment: ["XDG_RUNTIME_DIR": scratch.path])
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("martlet up"))
    }
}
