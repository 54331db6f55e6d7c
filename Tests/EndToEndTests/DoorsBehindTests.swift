import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Servers that want a credential, behind real nodes: the official server with OAuth, an authorization server of our own.
extension EndToEnd.DoorsBehind {
    private static let secret = "canary-" + UUID().uuidString + UUID().uuidString

    /// An authorization server and a server of MCP that takes its tokens.
    private final class Plant: Sendable {
        let issuer: Program
        let server: Program
        let issuerName: String
        let url: String

        init(environment: [String: String]) async throws {
            let issuer = try Program(
                PythonClient.script("oauth_issuer.py"), environment: environment, keepsInputOpen: true)
            try await eventually("the authorization server says its name") {
                issuer.outputText.contains("\n") || !issuer.isRunning
            }
            let name = issuer.outputText.trimmingCharacters(in: .whitespacesAndNewlines)
            let server = try Program(PythonClient.script("oauth_server.py", name), keepsInputOpen: true)
            try await eventually("the server listens") {
                server.outputText.contains("\n") || !server.isRunning
            }
            guard let port = try? JSON(validating: server.outputText)["port"]?.int else {
                throw TestFailure("no server: \(server.errorText)\(issuer.errorText)")
            }
            (self.issuer, self.server, issuerName) = (issuer, server, name)
            url = "http://127.0.0.1:\(port)/mcp"
        }

        /// The requests for tokens so far.
        func orders() async throws -> [JSON] {
            let outcome = try await Program.run(["curl", "-sf", "--max-time", "10", "\(issuerName)/asked"])
            return try JSON(validating: outcome.output).elements
        }

        /// All tokens from before are good no more.
        func forget() async throws {
            _ = try await Program.run([
                "curl", "-sf", "--max-time", "10", "-X", "POST", "\(issuerName)/forget",
            ])
        }
    }

    private static func clients(_ credential: JSON) -> String {
        JSON.object([("gw1", credential)]).text
    }

    @Test(.timeLimit(.minutes(3)), arguments: ["client_secret_basic", "client_secret_post"])
    func
        `a call from another node opens the server by a token of its owner's, and nothing of it reaches that node`(
            method: String
        ) async throws
    {
        let scratch = try Scratch()
        let secret = Self.secret
        let plant = try await Plant(
            environment: ["CLIENTS": Self.clients(["secret": .string(secret)]), "METHODS": method])
        let a = try await TestNode("a", in: scratch, yaml: quiet("a", mesh: "127.0.0.1:0"))
        _ = try await a.json("secret", "set", "vault-client", input: secret)
        let added = try await a.json(
            "servers", "add", "vault", "--url", plant.url, "--client-id", "gw1", "--client-secret",
            "vault-client",
            "--issuer", plant.issuerName)
        #expect(added["server"]?["state"]?.string == "up", "\(added)")
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await a.joinToken()])
        try await eventually("b lists it") { try await b.entryState("a--vault__echo") == "available" }

        // Ten at once, from the other node.
        try await withThrowingTaskGroup { group in
            for number in 0..<10 {
                group.addTask {
                    let said = try await b.json("call", "a--vault__echo", "text=hello \(number)")
                    #expect(said["result"]?["content"]?[0]?["text"]?.string == "hello \(number)")
                }
            }
            try await group.waitForAll()
        }
        var orders = try await plant.orders()
        #expect(orders.count == 1, "\(orders)")
        #expect(orders[0]["method"]?.string == method && orders[0]["client"]?.string == "gw1")
        #expect(orders[0]["resource"]?.string == plant.url && orders[0]["scope"]?.string == "mcp:call")
        let first = try #require(orders[0]["token"]?.string)

        // What opens the server is the owner's own token, not what the caller came in by.
        let key = try #require(try await b.json("token", "create", "agent")["token"]?.string)
        let head = try await Program.run(
            PythonClient.script(
                "client.py", "call", "http://\(try await b.mcpAddress())/mcp", "a--vault__headers", "{}"),
            environment: ["BEARER_TOKEN": key])
        #expect(head.output.contains(first) && !head.output.contains(key), "\(head)")

        // Refused in the middle of its life: one more, and the call goes through.
        try await plant.forget()
        let again = try await b.json("call", "a--vault__echo", "text=again")
        #expect(again["result"]?["content"]?[0]?["text"]?.string == "again")
        orders = try await plant.orders()
        #expect(orders.count == 2)
        let second = try #require(orders[1]["token"]?.string)

        // The signature is the part of a token that is its own. The one that `headers` told its caller is first's; second was shown
        // to nobody.
        let proof = String(second.split(separator: ".")[2])
        for search in [SecretSearch(secret), SecretSearch(proof)] {
            #expect(try await search.findings(inMemoryOf: b.pid) == [])
            for node in [a, b] {
                #expect(search.forms(in: node.log + node.program.outputText).isEmpty)
                #expect(try await search.findings(inFolder: node.dataFolder) == [])
            }
        }
        // The same search finds the token where it must be.
        #expect(try await !SecretSearch(proof).findings(inMemoryOf: a.pid).isEmpty)
        let shown = try await a.martlet("servers", "list", "--json").output + a.martlet("status").output
        #expect(SecretSearch(secret).forms(in: shown).isEmpty && SecretSearch(proof).forms(in: shown).isEmpty)
        try await b.stop()
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(3)))
    func
        `a private key opens it too, a token is renewed before it ends, and a wrong credential says what to do`()
        async throws
    {
        let scratch = try Scratch()
        for command in [
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out gw.key",
            "openssl pkey -in gw.key -pubout -out gw.pub",
        ] {
            let made = try await Program.run(
                command.split(separator: " ").map(String.init), folder: scratch.path)
            try #require(made.status == 0, "\(made.errors)")
        }
        let file = { (name: String) in try String(contentsOfFile: "\(scratch.path)/\(name)", encoding: .utf8)
        }
        let plant = try await Plant(
            environment: ["CLIENTS": Self.clients(["key": .string(try file("gw.pub"))]), "TOKEN_LIFE": "4"])
        let a = try await TestNode("a", in: scratch, yaml: quiet("a"))
        _ = try await a.json("secret", "set", "gw-key", input: try file("gw.key"))
        // Whoever has not chosen an issuer is told whom the server takes tokens of, and nobody is shown the key.
        let undecided = try await a.json(
            "servers", "add", "vault", "--url", plant.url, "--client-id", "gw1", "--client-key", "gw-key")
        #expect(undecided["server"]?["state"]?.string == "auth needed", "\(undecided)")
        #expect(undecided["server"]?["reason"]?.string?.contains(plant.issuerName) == true, "\(undecided)")
        #expect(try await plant.orders().isEmpty)
        _ = try await a.json("servers", "remove", "vault")
        let added = try await a.json(
            "servers", "add", "vault", "--url", plant.url, "--client-id", "gw1", "--client-key", "gw-key",
            "--issuer",
            plant.issuerName)
        #expect(added["server"]?["state"]?.string == "up", "\(added)")
        #expect(try await plant.orders().first?["method"]?.string == "private_key_jwt")

        // Three lives of a token: no call meets its end.
        let end = ContinuousClock.now + .seconds(12)
        var calls = 0
        while ContinuousClock.now < end {
            let said = try await a.json("call", "vault__echo", "text=call \(calls)")
            #expect(said["result"]?["content"]?[0]?["text"]?.string == "call \(calls)")
            calls += 1
        }
        let orders = try await plant.orders()
        #expect((3...6).contains(orders.count), "\(orders.count) tokens for \(calls) calls")

        // A wrong key: `auth needed`, with what to do, and the key nowhere.
        let wrong = try await Program.run(
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256".split(separator: " ").map(
                String.init))
        _ = try await a.json("secret", "set", "gw-key", input: wrong.output)
        try await eventually("it wants another credential") {
            let server = try await a.server("vault")
            return server?["state"]?.string == "auth needed"
                && server?["reason"]?.string?.contains("invalid_client") == true
        }
        let refused = try await a.martlet("call", "vault__echo", "text=x", "--json")
        #expect(refused.status != 0)
        let reason = try JSON(validating: refused.output).pointer("/error/data/reason")?.string
        #expect(reason == "backend_auth", "\(refused.output)")
        let after = try await plant.orders().count
        for _ in 0..<10 { _ = try await a.martlet("call", "vault__echo", "text=x") }
        #expect(try await plant.orders().count == after, "a wrong key is not shown again and again")

        // The right one again: at once.
        _ = try await a.json("secret", "set", "gw-key", input: try file("gw.key"))
        try await eventually("it is up again") { try await a.server("vault")?["state"]?.string == "up" }
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(3)))
    func
        `a server of a private authority takes a node by its certificate, and a key in its query is nowhere else`()
        async throws
    {
        let scratch = try Scratch()
        let path = scratch.path
        try await EndToEnd.Doors.certificate("ca", names: "", signer: nil, in: scratch)
        try await EndToEnd.Doors.certificate("gw", names: "IP:127.0.0.1", signer: "ca", in: scratch)
        try await EndToEnd.Doors.certificate(
            "node", names: "URI:spiffe://plant/node", signer: "ca", in: scratch)
        let back = try await TestNode(
            "back", in: scratch,
            yaml: """
                node: {name: back, segment: here}
                listen:
                  mcp: {address: "127.0.0.1:0", tls: {certificate: \(path)/gw.pem, key: \(path)/gw.key, clientCA: \(path)/ca.pem}}
                  admin: 127.0.0.1:0
                  mesh: none
                mesh: {mdns: off}
                """)
        _ = try await back.json("servers", "add", "sample")
        let url = "https://\(try await back.mcpAddress())/servers/sample/mcp"
        let canary = "canary-" + UUID().uuidString + "/" + UUID().uuidString
        let front = try await TestNode(
            "front", in: scratch,
            yaml: quiet("front") + """

                servers:
                  press:
                    url: \(url)
                    auth: {query: {name: api_key, secret: press-query}}
                    tls: {ca: ../ca.pem, certificate: ../node.pem, key: {secret: press-key}}
                  bare: {url: "\(url)", tls: {ca: \(path)/ca.pem}}
                  blind: {url: "\(url)"}
                """)
        let key = try String(contentsOfFile: "\(path)/node.key", encoding: .utf8)
        _ = try await front.json("secret", "set", "press-key", input: key)
        _ = try await front.json("secret", "set", "press-query", input: canary)
        try await eventually("the server is up") { try await front.server("press")?["state"]?.string == "up" }
        let sum = try await front.json("call", "press__add", "a=40", "b=2")
        #expect(sum["result"]?["structuredContent"]?["sum"]?.double == 42)
        // Whoever shows no certificate is told so, and whoever does not know the authority is told that.
        try await eventually("without a certificate it wants a credential") {
            try await front.server("bare")?["state"]?.string == "auth needed"
        }
        try await eventually("an unknown authority is not believed") {
            let server = try await front.server("blind")
            return server?["state"]?.string == "down" && server?["reason"]?.string?.contains("tls.ca") == true
        }
        try await back.kill()
        let failed = try await front.martlet("call", "press__add", "a=1", "b=1", "--json")
        #expect(failed.status != 0)
        try await eventually("it is down") { try await front.server("press")?["state"]?.string == "down" }

        var shown = failed.output + failed.errors + front.log + front.program.outputText
        for command in [["servers", "list"], ["status"], ["logs"], ["secret", "list"], ["doctor"]] {
            let outcome = try await front.martlet(command + ["--json"])
            shown += outcome.output + outcome.errors
        }
        for search in [SecretSearch(canary), SecretSearch(key)] {
            #expect(search.forms(in: shown).isEmpty)
            #expect(try await search.findings(inFolder: front.dataFolder) == [])
        }
        #expect(SecretSearch(canary).forms(in: shown + canary) == ["raw"], "it would have been found")
        try await front.stop()
    }
}
