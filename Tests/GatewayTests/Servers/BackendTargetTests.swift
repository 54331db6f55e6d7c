import Catalog
import MCPTransport
import MartletTestKit
import Testing
import Vault

@testable import Gateway

struct BackendTargetTests {
    private typealias Transport = ServerDefinition.Transport

    private func target(_ transport: ServerDefinition.Transport, auth: ServerDefinition.Auth? = nil)
        -> BackendTarget
    {
        BackendTarget(
            ServerDefinition(name: "press", transport: transport, auth: auth), executable: "/opt/bin/martlet")
    }

    @Test(arguments: [
        ("martlet", "/opt/bin/martlet"), ("/usr/bin/martlet", "/usr/bin/martlet"), ("martlets", "martlets"),
    ])
    func `the command martlet is this very program`(command: String, expected: String) {
        let target = target(
            .stdio(command: command, arguments: ["sample-server"], environment: [], directory: "/tmp"))
        #expect(target == .stdio(command: expected, args: ["sample-server"], env: [], directory: "/tmp"))
    }

    @Test func `a variable may hold a secret, by name`() {
        let target = target(
            .stdio(
                command: "press", arguments: [], environment: [.init("TOKEN", "x-${secret:press-token}")],
                directory: nil))
        let text = SecretText(parts: [.text("x-"), .secret("press-token")])
        #expect(target == .stdio(command: "press", args: [], env: [("TOKEN", text)], directory: nil))
    }

    @Test(
        arguments: [
            (ServerDefinition.Auth.bearer(secret: "s"), "Authorization", [.text("Bearer "), .secret("s")]),
            (.basic(user: "ann", secret: "s"), "Authorization", [.basic(user: "ann", secret: "s")]),
            (.header(name: "X-Api-Key", secret: "s"), "X-Api-Key", [.secret("s")]),
        ] as [(ServerDefinition.Auth, String, [SecretText.Part])])
    func `a credential becomes its header, after the configured ones`(
        auth: ServerDefinition.Auth, name: String, parts: [SecretText.Part]
    ) {
        let url = "https://press.example.com/mcp"
        let target = target(
            .http(url: url, headers: [.init("X-Tenant", "acme")], kind: .streamable), auth: auth)
        #expect(
            target
                == .http(
                    url: url, headers: [("X-Tenant", SecretText("acme")), (name, SecretText(parts: parts))]))
    }

    @Test(arguments: [(ServerDefinition.HTTPKind.sse, true), (.streamable, false)])
    func `the oldest transport is tried first where it was said`(
        kind: ServerDefinition.HTTPKind, isFirst: Bool
    ) {
        let url = "https://press.example.com/sse"
        #expect(
            target(.http(url: url, headers: [], kind: kind))
                == .http(url: url, headers: [], startsWithEvents: isFirst))
    }

    @Test func `a secret is for one server at one address`() throws {
        func audience(_ name: Label, _ url: String) -> SecretAudience? {
            ServerDefinition(name: name, transport: .http(url: url, headers: [], kind: .streamable)).audience
        }
        let press = try #require(audience("press", "https://a.example.com/mcp"))
        #expect(press == audience("press", "https://a.example.com/mcp"))
        #expect(press != audience("press", "https://b.example.com/mcp"))
        #expect(press != audience("other", "https://a.example.com/mcp"))
        #expect(audience("press", "not a url") == nil)
    }

    @Test func `a key in the query is sent with requests and is no header`() {
        let url = "https://press.example.com/mcp"
        #expect(
            target(.http(url: url, headers: [], kind: .streamable), auth: .query(name: "key", secret: "s"))
                == .http(url: url, headers: [], query: [("key", SecretText(parts: [.secret("s")]))]))
    }

    @Test func `a client's credential is for one server, one address and one issuer`() throws {
        func audience(_ url: String, _ issuer: String?) -> SecretAudience? {
            let client = ServerDefinition.ClientCredentials(
                clientID: "c", proof: .secret("s"), issuer: issuer)
            return ServerDefinition(
                name: "press", transport: .http(url: url, headers: [], kind: .streamable),
                auth: .clientCredentials(client)
            ).audience
        }
        let press = try #require(audience("https://a.example.com/mcp", "https://as.example.com"))
        #expect(press == audience("https://a.example.com/mcp", "https://as.example.com"))
        #expect(press != audience("https://a.example.com/mcp", "https://as.example.com/"))
        #expect(press != audience("https://a.example.com/mcp2", "https://as.example.com"))
        #expect(press.description.contains("https://as.example.com"))
        // Nobody has said who may see it, so nobody does.
        #expect(audience("https://a.example.com/mcp", nil) == nil)
    }

    @Test func `the limits of a definition are its backend's`() {
        let definition = ServerDefinition(
            name: "press", transport: .http(url: "https://a/", headers: [], kind: .streamable),
            timeout: .seconds(7), concurrency: 3, instances: 9)
        let limits = LimitSettings.standard.back(of: definition)
        #expect(limits.silenceMax == .seconds(7) && limits.callsMax == 3)
        #expect(limits.silenceName == "servers.press.timeout")
        #expect(limits.instances == 9 && limits.instancesMax == 9)
        let usual = LimitSettings.standard.back(
            of: ServerDefinition(
                name: "press", transport: .http(url: "https://a/", headers: [], kind: .streamable)))
        #expect(usual.instances == 1 && usual.instancesMax == 4)
    }
}
