import Foundation
import JSONSlice
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

    @Test(.timeLimit(.minutes(2)))
    func `a taken port is told with what to do`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("first", in: scratch, yaml: quiet("first"))
        let port = try #require(try await node.mcpAddress().split(separator: ":").last)
        let file = try scratch.write(
            """
            listen: {mcp: "127.0.0.1:\(port)", admin: "127.0.0.1:0", mesh: none}
            mesh: {mdns: off}
            """, to: "martlet.yaml")
        let outcome = try await refused(["--config", file], in: scratch)
        #expect(outcome.errors.contains("\(port)"))
        #expect(outcome.errors.contains("--port"))
        try await node.stop()
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
            (command: ["sh", "-c", "while read line; do echo nonsense; done"], says: ""),
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
