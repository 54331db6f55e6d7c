import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// The doors of a real node, tried with the official clients.
extension EndToEnd.Doors {
    /// `Python/oauth_issuer.py`, an authorization server.
    private final class Issuer: Sendable {
        let program: Program
        let name: String

        init() async throws {
            let program = try Program(PythonClient.script("oauth_issuer.py"), keepsInputOpen: true)
            try await eventually("the authorization server says its name") {
                program.outputText.contains("\n") || !program.isRunning
            }
            self.program = program
            name = program.outputText.trimmingCharacters(in: .whitespacesAndNewlines)
            guard name.hasPrefix("http://") else { throw TestFailure("no issuer: \(program.errorText)") }
        }

        /// What it was asked for, in order: `at`, `resource`, `scope`.
        func asked() async throws -> [JSON] {
            let outcome = try await Program.run(
                ["curl", "--silent", "--fail", "--max-time", "10", "\(name)/asked"])
            return try JSON(validating: outcome.output).elements
        }
    }

    @Test(.timeLimit(.minutes(3)), arguments: PythonClient.Release.allCases)
    func `the official client finds the authorization server, gets a token for the endpoint, and steps up`(
        release: PythonClient.Release
    ) async throws {
        let scratch = try Scratch()
        let issuer = try await Issuer()
        let yaml =
            quiet("oauth") + """

                auth:
                  jwt:
                    - issuer: \(issuer.name)
                      jwks: \(issuer.name)/keys
                      scopes: {see: ["mcp:see"], call: ["mcp:call"]}
                """
        let node = try await TestNode("oauth", in: scratch, yaml: yaml)
        _ = try await node.json("servers", "add", "sample")
        let mcp = try await node.mcpAddress()
        for (path, tool) in [("/mcp", "sample__add"), ("/servers/sample/mcp", "add")] {
            let before = try await issuer.asked().count
            let outcome = try await Program.run(
                PythonClient.script(
                    "oauth_client.py", on: release, "http://\(mcp)\(path)", tool, #"{"a": 40, "b": 2}"#))
            #expect(outcome.status == 0, "\(outcome.errors)")
            let said = try JSON(validating: outcome.output)
            #expect(said["tools"]?.elements.contains { $0.string == tool } == true)
            #expect(said["results"]?[0]?["structuredContent"]?["sum"]?.double == 42)
            // Once to see, and once more to call.
            #expect(said["agreed"]?.int == 2)
            let asked = try await issuer.asked().dropFirst(before)
            #expect(asked.allSatisfy { $0["resource"]?.string == "http://\(mcp)\(path)" })
            let scopes = asked.compactMap { $0["scope"]?.string }
            #expect(scopes.first == "mcp:see")
            #expect(scopes.last.map { Set($0.split(separator: " ")) } == ["mcp:see", "mcp:call"])
        }
        try await node.stop()
    }

    /// A key, and a certificate that `signer` has signed; `nil`: it signs itself, and may sign others.
    static func certificate(
        _ name: String, names: String, signer: String?, in scratch: Scratch
    ) async throws {
        let subject = ["-subj", "/CN=\(name)", "-days", "2"]
        let key = [
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "\(name).key",
        ]
        let signing = signer.map { ["-CA", "\($0).pem", "-CAkey", "\($0).key"] } ?? []
        let extensions = [
            "-addext", signer == nil ? "basicConstraints=critical,CA:TRUE" : "subjectAltName=\(names)",
        ]
        let outcome = try await Program.run(
            ["openssl", "req", "-x509", "-out", "\(name).pem"] + subject + key + signing + extensions,
            folder: scratch.path)
        guard outcome.status == 0 else { throw TestFailure("openssl: \(outcome.errors)") }
    }

    @Test(.timeLimit(.minutes(3)))
    func
        `over TLS a client's certificate opens the door, and a renewed one of the node's is taken while it runs`()
        async throws
    {
        let scratch = try Scratch()
        try await Self.certificate("ca", names: "", signer: nil, in: scratch)
        try await Self.certificate("gw", names: "DNS:localhost,IP:127.0.0.1", signer: "ca", in: scratch)
        try await Self.certificate("agent", names: "URI:spiffe://plant/agent", signer: "ca", in: scratch)
        try await Self.certificate("others", names: "", signer: nil, in: scratch)
        try await Self.certificate(
            "stranger", names: "URI:spiffe://plant/agent", signer: "others", in: scratch)
        let path = scratch.path
        let yaml = """
            node: {name: tls, segment: here}
            listen:
              mcp: {address: "127.0.0.1:0", tls: {certificate: \(path)/gw.pem, key: \(path)/gw.key, clientCA: \(path)/ca.pem}}
              admin: {address: "127.0.0.1:0", tls: {certificate: \(path)/gw.pem, key: \(path)/gw.key}}
              mesh: none
            mesh: {mdns: off}
            """
        let node = try await TestNode("tls", in: scratch, yaml: yaml)
        let mcp = try await node.mcpAddress()
        func ask(_ options: String..., root: String = "ca") async throws -> String {
            let outcome = try await Program.run(
                [
                    "curl", "--silent", "--max-time", "10", "--cacert", "\(path)/\(root).pem", "--output",
                    "/dev/null", "--write-out",
                    "%{http_code}", "--header", "Content-Type: application/json", "--header",
                    "Accept: application/json, text/event-stream", "--data",
                    #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
                    "https://\(mcp)/mcp",
                ] + options, folder: path)
            return outcome.output
        }
        let listen = try await node.json("status")["listen"]
        #expect(listen?["mcpURL"]?.string == "https://\(mcp)")
        #expect(listen?["adminURL"]?.string?.hasPrefix("https://") == true)
        // A client that starts its server as a child comes in by way of the same certificate.
        let child = try node.start(
            ["stdio"],
            input:
                #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"#
                + #""clientInfo":{"name":"c","version":"1"}}}"# + "\n")
        try await eventually("the bridge answers over TLS") { child.outputText.contains(#""serverInfo""#) }
        child.endInput()
        #expect(try await ask("--cert", "agent.pem", "--key", "agent.key") == "200")
        #expect(try await ask() == "401", "TLS alone lets nobody in")
        #expect(try await ask("--cert", "stranger.pem", "--key", "stranger.key") != "200")

        try await Self.certificate("gw", names: "DNS:localhost,IP:127.0.0.1", signer: "others", in: scratch)
        try await eventually("the new certificate is served") {
            try await ask("--cert", "agent.pem", "--key", "agent.key", root: "others") == "200"
        }
        try await eventually("commands go by the new certificate") {
            try await node.martlet("status").status == 0
        }
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a key is made for some servers and entries for a time, and the list says so`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("keys", in: scratch, yaml: quiet("keys"))
        _ = try await node.json(
            "token", "create", "agent", "--server", "ops", "--entry", "github/*", "--entry", "*/get_*",
            "--ttl", "30d")
        let listed = try #require(try await node.json("token", "list")["tokens"]?[0])
        #expect(listed["scopes"]?["servers"]?.elements.compactMap(\.string) == ["ops"])
        #expect(listed["scopes"]?["entries"]?.elements.compactMap(\.string) == ["github/*", "*/get_*"])
        let shown = try await node.martlet("token", "list")
        #expect(shown.output.contains("github/* */get_* at ops"), "\(shown.output)")
        #expect(try await node.martlet("token", "create", "bad", "--server", "No Name").status != 0)

        let hash = try await node.martlet(["token", "hash"], input: "a password\n")
        #expect(hash.status == 0 && hash.output.hasPrefix("$scrypt$"))
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a key that was made for less sees and calls no more than that`() async throws {
        let scratch = try Scratch()
        let binary = try #require(Binary.path)
        let yaml =
            quiet("less") + """

                servers: {sample: {command: \(binary), args: [sample-server]}}
                virtualServers:
                  ops: {use: [{from: sample}]}
                  lab: {use: [{from: sample}]}
                """
        let node = try await TestNode("less", in: scratch, yaml: yaml)
        let mcp = try await node.mcpAddress()
        let whole = try #require(try await node.json("token", "create", "whole")["token"]?.string)
        let less = try #require(
            try await node.json("token", "create", "less", "--server", "ops", "--entry", "sample/add")[
                "token"]?.string)
        func list(_ path: String, _ key: String) async throws -> [String]? {
            let outcome = try await Program.run(
                PythonClient.script("client.py", "list", "http://\(mcp)\(path)"),
                environment: ["BEARER_TOKEN": key])
            guard outcome.status == 0 else { return nil }
            return try JSON(validating: outcome.output)["tools"]?.elements.compactMap { $0["name"]?.string }
        }
        try await eventually("the sample server is up") {
            try await list("/servers/ops/mcp", whole)?.count ?? 0 > 1
        }
        #expect(try await list("/servers/ops/mcp", less) == ["add"])
        for path in ["/mcp", "/servers/lab/mcp", "/servers/sample/mcp"] {
            #expect(try await list(path, less) ?? [] == [], "\(path)")
        }
        // Whoever asks what the key may do hears of it, too.
        for (tool, may) in [("add", true), ("echo", false)] {
            let told = try await node.martlet("auth", "can-call", "key:less", tool, "--server", "ops")
            #expect((told.status == 0) == may && told.output.contains("made for less"), "\(told)")
        }
        let call = { (tool: String, arguments: String) in
            try await Program.run(
                PythonClient.script("client.py", "call", "http://\(mcp)/servers/ops/mcp", tool, arguments),
                environment: ["BEARER_TOKEN": less])
        }
        #expect(try await call("add", #"{"a": 40, "b": 2}"#).status == 0)
        #expect(try await call("echo", #"{"text": "hi"}"#).status != 0)
        try await node.stop()
    }
}
