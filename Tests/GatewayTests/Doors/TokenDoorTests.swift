import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Storage
import Testing

@testable import Gateway

/// Tokens at the MCP listener, over HTTP, with keys that are fetched.
@Suite(.timeLimit(.minutes(3)))
struct TokenDoorTests {
    private static func issuer(_ jwks: String, _ more: [(String, JSON)] = []) -> JSON {
        .object([("jwt", [.object([("issuer", .string(FakeIssuer.name)), ("jwks", .string(jwks))] + more)])])
    }

    @Test func `a token of a configured issuer opens the door, and nobody comes in without a credential`()
        async throws
    {
        let mint = try TokenMint("ES256", keyID: "k1")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            let good = try await rig.ask(credential: try rig.bearer(mint))
            #expect(good.status == 200)
            let none = try await rig.ask(credential: nil)
            #expect(none.status == 401)
            let challenge = try #require(none.challenge)
            #expect(challenge.hasPrefix("Bearer "))
            #expect(
                challenge.contains(
                    #"resource_metadata="\#(rig.origin)/.well-known/oauth-protected-resource/mcp""#))
            #expect(
                !challenge.contains("error="), "RFC 6750 §3.1: without a credential there is no error code")
            #expect(rig.issuer.timesAsked == 1)
        }
    }

    @Test func `keys of this node go on opening the door beside tokens`() async throws {
        try await DoorRig.with(auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            let key = try #require(
                try await rig.keys.create(name: "agent", lifeSeconds: nil)["token"]?.string)
            #expect(try await rig.ask(credential: "Bearer \(key)").status == 200)
            #expect(try await rig.ask(credential: "Bearer \(DoorRig.adminToken)").status == 200)
            #expect(try await rig.ask(credential: "Bearer mk_wrong").status == 401)
            #expect(rig.issuer.timesAsked == 0)
        }
    }

    private static let wrong: [(String, [(String, JSON?)])] = [
        ("expired", [("exp", 1_000)]), ("for another audience", [("aud", "https://other.example/mcp")]),
        ("for another endpoint", [("aud", nil)]), ("of another issuer", [("iss", "https://evil.example")]),
        ("without a subject", [("sub", nil)]), ("bound to a key", [("cnf", ["jkt": "x"])]),
    ]

    @Test(arguments: wrong)
    func `a token that is wrong is refused, and its bearer told no more than it may know`(
        what: String, changes: [(String, JSON?)]
    ) async throws {
        let mint = try TokenMint("EdDSA", keyID: "k1")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            let answer = try await rig.ask(credential: try rig.bearer(mint, changes))
            #expect(answer.status == 401)
            #expect(answer.challenge?.contains(#"error="invalid_token""#) == true)
            let error = answer.json["error"]?.string ?? ""
            if what == "of another issuer" {
                #expect(!error.contains("evil") && !error.contains("issuer"))
            } else {
                #expect(error.contains("token"))
            }
        }
    }

    @Test func `a forger learns the same whatever is wrong with the forgery`() async throws {
        let mint = try TokenMint("ES256", keyID: "k1")
        let forger = try TokenMint("ES256", keyID: "k1")
        let other = try TokenMint("ES256", keyID: "k2")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            var told: Set<String> = []
            for credential in [
                try rig.bearer(forger), try rig.bearer(other), try rig.bearer(forger, [("exp", 1)]),
                try rig.bearer(forger, [("aud", "x")]),
                try rig.bearer(forger, [("iss", "https://evil.example")]),
                "Bearer a.b.c", "Bearer \(TokenMint.spell(#"{"alg":"none"}"#.utf8)).e30.",
            ] {
                let answer = try await rig.ask(credential: credential)
                #expect(answer.status == 401)
                told.insert("\(answer.json) \(answer.challenge ?? "")")
            }
            #expect(told.count == 1, "\(told)")
        }
    }

    @Test func `a token for one endpoint opens no other`() async throws {
        let mint = try TokenMint("ES384", keyID: "k1")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            let places = ["/mcp", "/servers/ops/mcp", "/servers/dev/mcp"]
            for (path, aud) in places.flatMap({ path in places.map { (path, $0) } }) {
                let answer = try await rig.ask(
                    path: path, credential: try rig.bearer(mint, [("aud", .string(rig.origin + aud))]))
                #expect((answer.status == 200) == (path == aud), "\(aud) at \(path): \(answer.status)")
            }
            // Spelled in another way it is the same endpoint, and no new name for it.
            let spelled = try await rig.ask(
                path: "/servers/ops/mcp?mode=full",
                credential: try rig.bearer(mint, [("aud", .string(rig.origin + places[1]))]))
            #expect(spelled.status == 200)
        }
    }

    @Test func `a token for another port of the same host is none for this one, whatever the Host says`()
        async throws
    {
        let mint = try TokenMint("ES256", keyID: "k1")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            for host in ["127.0.0.1:9", "localhost:9", "127.0.0.1", "localhost"] {
                let answer = try await rig.raw(
                    host: host, credential: try rig.bearer(mint, [("aud", .string("http://\(host)/mcp"))]))
                #expect(answer.hasPrefix("HTTP/1.1 401"), "\(host): \(answer.prefix(80))")
                #expect(!answer.contains("resource_metadata"))
            }
            let right = try await rig.raw(host: "127.0.0.1:\(rig.port)", credential: try rig.bearer(mint))
            #expect(right.hasPrefix("HTTP/1.1 200"), "\(right.prefix(80))")
        }
    }

    @Test func `where audiences are configured they alone count`() async throws {
        let mint = try TokenMint("RS256", keyID: "k1")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0, [("audience", "api://martlet")]) }) {
            (rig: DoorRig) async throws in
            #expect(try await rig.status(mint, [("aud", "api://martlet")]) == 200)
            #expect(try await rig.status(mint, [("aud", "api://martlet")], path: "/servers/ops/mcp") == 200)
            #expect(try await rig.status(mint) == 401)
        }
    }

    @Test(arguments: ["Basic", "DPoP", "Token", "mac"])
    func `a good token under another scheme opens nothing`(scheme: String) async throws {
        let mint = try TokenMint("ES256", keyID: "k1")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            let token = try rig.bearer(mint).dropFirst("Bearer ".count)
            #expect(try await rig.ask(credential: "\(scheme) \(token)").status == 401)
            #expect(try await rig.ask(path: "/mcp?access_token=\(token)", credential: nil).status == 401)
            let two = try await rig.ask(
                credential: "Bearer \(token)", headers: [("Authorization", "Bearer mk_other")])
            #expect(two.status == 401 || two.status == 400)
        }
    }

    // MARK: Scopes

    @Test func `a token that lacks a scope is sent for one that has all that is needed`() async throws {
        let mint = try TokenMint("ES256", keyID: "k1")
        let scopes: JSON = ["see": ["mcp:see"], "call": ["mcp:call", "mcp:run"], "read": ["mcp:read"]]
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0, [("scopes", scopes)]) }) {
            (rig: DoorRig) async throws in
            let none = try await rig.ask(credential: nil)
            #expect(none.status == 401 && none.challenge?.contains(#"scope="mcp:see""#) == true)

            let blind = try await rig.ask(credential: try rig.bearer(mint, [("scope", "other")]))
            #expect(blind.status == 403)
            #expect(blind.challenge?.contains(#"error="insufficient_scope""#) == true)
            #expect(blind.challenge?.contains(#"scope="mcp:see""#) == true)

            let seeing = try rig.bearer(mint, [("scope", "mcp:see mcp:call")])
            #expect(try await rig.ask(credential: seeing).status == 200)
            let echo: JSON = ["name": "echo", "arguments": ["text": "hi"]]
            let refused = try await rig.ask(Method.toolsCall, echo, credential: seeing)
            #expect(refused.status == 403)
            let challenge = try #require(refused.challenge)
            #expect(
                challenge.contains(#"scope="mcp:see mcp:call mcp:run""#), "all of the operation: \(challenge)"
            )
            #expect(challenge.contains("resource_metadata="))
            #expect(refused.json["error"]?.string?.contains("mcp:run") == true)

            let able = try rig.bearer(mint, [("scope", nil), ("scp", ["mcp:see", "mcp:call", "mcp:run"])])
            #expect(try await rig.ask(Method.toolsCall, echo, credential: able).status == 200)
            let read = try await rig.ask(Method.resourcesRead, ["uri": "sample://readme"], credential: able)
            #expect(read.status == 403)
        }
    }

    @Test func `a key is not held by the scopes of tokens`() async throws {
        let scopes: JSON = ["see": ["mcp:see"], "call": ["mcp:call"]]
        try await DoorRig.with(auth: { Self.issuer($0, [("scopes", scopes)]) }) {
            (rig: DoorRig) async throws in
            let key = try #require(
                try await rig.keys.create(name: "agent", lifeSeconds: nil)["token"]?.string)
            let echo: JSON = ["name": "echo", "arguments": ["text": "hi"]]
            #expect(try await rig.ask(Method.toolsCall, echo, credential: "Bearer \(key)").status == 200)
        }
    }

    // MARK: Claims

    private static func principal(
        _ rig: DoorRig, _ mint: TokenMint, _ changes: [(String, JSON?)]
    ) async throws -> TokenDoor.Outcome {
        let door = try #require(rig.tokens)
        let token = try mint.token(rig.claims(changes))
        return await withCheckedContinuation { continuation in
            door.examine(token[...], resource: rig.origin + "/mcp", at: .now()) {
                continuation.resume(returning: $0)
            }
        }
    }

    @Test func `of a token is kept whole what rules ask about, and nothing else`() async throws {
        let mint = try TokenMint("ES256", keyID: "k1")
        let groups = (0..<200).map { $0 == 149 ? "contractors" : "group-\($0)" }
        let rules = try ConfigurationFile.node(
            """
            access:
              teams:
                outside: {claims: {groups: [contractors]}}
                inside: {claims: {dept: [press], none: [x]}}
            """, file: "x"
        ).access
        try await DoorRig.with(.keys([mint]), asked: rules.claimsAsked, auth: { Self.issuer($0) }) { rig in
            var found: Set<Principal> = []
            for number in 0..<3 {
                let said: [(String, JSON?)] = [
                    ("groups", .array(groups.map(JSON.string))), ("dept", "press"),
                    ("sid", .string("session-\(number)")),
                    ("many", .array(Array(repeating: "x", count: 1_500))),
                ]
                guard case .believed(let principal, _) = try await Self.principal(rig, mint, said) else {
                    Issue.record("the token was not believed")
                    return
                }
                #expect(principal.claims == ["groups": groups, "dept": ["press"]])
                found.insert(principal)
            }
            #expect(found.count == 1, "a token that is renewed is no new principal")
        }
    }

    private static let large: [(claim: JSON, isTaken: Bool)] = [
        (.array((0..<1_024).map { .string("\($0)") }), true),
        (.array((0..<1_025).map { .string("\($0)") }), false),
        (.string((0..<1_025).map { "\($0)" }.joined(separator: " ")), false),
    ]

    @Test(arguments: large)
    func `a token that says more than is looked at is refused, not cut`(claim: JSON, isTaken: Bool)
        async throws
    {
        let mint = try TokenMint("ES256", keyID: "k1")
        let settings = { (jwks: String) in Self.issuer(jwks, [("teamsClaim", "groups")]) }
        try await DoorRig.with(.keys([mint]), asked: ["teams"], auth: settings) { rig in
            switch try await Self.principal(rig, mint, [("groups", claim)]) {
            case .believed(let principal, _):
                #expect(isTaken && principal.claims["teams"]?.count == 1_024)
            case .refused(let fault, let isProven):
                #expect(!isTaken && isProven && fault.rule == "token_claim")
                #expect("\(fault)".contains("'teams' says more than is looked at here: 1024 values"))
            case .noKeys: Issue.record("no keys")
            }
        }
    }

    // MARK: Metadata

    @Test func `each endpoint says where tokens for it come from`() async throws {
        try await DoorRig.with(auth: { Self.issuer($0, [("scopes", ["see": ["a"], "call": ["b"]])]) }) {
            (rig: DoorRig) async throws in
            for path in ["/mcp", "/servers/ops/mcp", "/servers/plant--erp/mcp", "/servers/ops/sse"] {
                let answer = try await rig.get("/.well-known/oauth-protected-resource" + path)
                #expect(answer.status == 200)
                #expect(answer.json["resource"]?.string == rig.origin + path)
                #expect(answer.json["authorization_servers"]?[0]?.string == FakeIssuer.name)
                #expect(answer.json["scopes_supported"]?.elements.compactMap(\.string) == ["a", "b"])
                #expect(answer.json["bearer_methods_supported"]?[0]?.string == "header")
            }
            let root = try await rig.get("/.well-known/oauth-protected-resource")
            #expect(root.json["resource"]?.string == rig.origin + "/mcp")
            for path in [
                "/nothing", "/servers/ops", "/servers/A%20B/mcp", "/servers/a%22%0d%0ab/mcp", "/healthz",
            ] {
                #expect(
                    try await rig.get("/.well-known/oauth-protected-resource" + path).status == 404, "\(path)"
                )
            }
        }
    }

    @Test func `where no issuer is configured there is no metadata, and no challenge names any`() async throws
    {
        try await DoorRig.with(auth: { _ in [:] }) { (rig: DoorRig) async throws in
            #expect(try await rig.get("/.well-known/oauth-protected-resource/mcp").status == 404)
            let answer = try await rig.ask(credential: "Bearer a.b.c")
            #expect(answer.status == 401 && answer.challenge == #"Bearer realm="martlet""#)
        }
    }

    @Test func `a configured address outranks what a request calls us`() async throws {
        let mint = try TokenMint("ES256", keyID: "k1")
        let auth = { (jwks: String) -> JSON in
            Self.issuer(jwks).setting("url", to: "https://GW.example.net:443")
        }
        try await DoorRig.with(.keys([mint]), auth: auth) { (rig: DoorRig) async throws in
            let none = try await rig.ask(credential: nil)
            #expect(none.challenge?.contains("https://gw.example.net/.well-known/") == true)
            #expect(try await rig.status(mint) == 401)
            let right = try rig.bearer(mint, [("aud", "https://gw.example.net/mcp")])
            #expect(try await rig.ask(credential: right).status == 200)
        }
    }

    // MARK: Keys

    @Test func `a new key is found by the first token that names it`() async throws {
        let old = try TokenMint("ES256", keyID: "old")
        let new = try TokenMint("ES256", keyID: "new")
        try await DoorRig.with(.keys([old]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            #expect(try await rig.status(old) == 200)
            rig.issuer.change(to: .keys([old, new]))
            rig.pass(.seconds(60))
            #expect(try await rig.status(new) == 200)
            #expect(rig.issuer.timesAsked == 2)
        }
    }

    @Test func `many who come at once have the keys fetched once`() async throws {
        let mint = try TokenMint("ES256", keyID: "k1")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            let credential = try rig.bearer(mint)
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<32 { group.addTask { try await rig.ask(credential: credential).status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.allSatisfy { $0 == 200 })
            #expect(rig.issuer.timesAsked == 1)
        }
    }

    @Test func `who invents keys has them asked for no more often than is bearable`() async throws {
        let mint = try TokenMint("EdDSA", keyID: "k1")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            #expect(try await rig.status(mint) == 200)
            rig.pass(.seconds(31))
            for number in 0..<20 {
                let invented = TokenMint(mint, keyID: "invented-\(number)")
                #expect(try await rig.status(invented) == 401)
            }
            #expect(rig.issuer.timesAsked == 2)
        }
    }

    private static let badReplies: [FakeIssuer.Reply] = [
        .status(500), .status(404), .status(302, headers: [("Location", "http://127.0.0.1:1/")]),
        .body(Array("<html>".utf8)),
        .body(Array(#"{"keys":[]}"#.utf8)), .body([UInt8](repeating: 0x20, count: 300_000)),
    ]

    @Test(arguments: 0..<badReplies.count)
    func `an issuer whose keys do not come keeps its bearers waiting, not out for ever`(number: Int)
        async throws
    {
        let mint = try TokenMint("ES256", keyID: "k1")
        try await DoorRig.with(Self.badReplies[number], auth: { Self.issuer($0) }) {
            (rig: DoorRig) async throws in
            let answer = try await rig.ask(credential: try rig.bearer(mint))
            #expect(answer.status == 503, "not 401: the token may be good")
            #expect(rig.tokens?.troubles.first?.trouble.isEmpty == false)
            rig.issuer.change(to: .keys([mint]))
            rig.pass(.seconds(10))
            #expect(try await rig.status(mint) == 200)
            #expect(rig.tokens?.troubles.isEmpty == true)
        }
    }

    @Test func `a shared key that comes by the network is none`() async throws {
        let mint = try TokenMint("HS256", keyID: "k1")
        try await DoorRig.with(.keys([mint]), auth: { Self.issuer($0) }) { (rig: DoorRig) async throws in
            #expect(try await rig.status(mint) == 503)
        }
    }

    // MARK: Files

    @Test func `keys may lie in a file, also a shared one, and are taken anew when it changes`() async throws
    {
        let scratch = Scratch()
        let first = try TokenMint("HS256", keyID: "k1")
        let second = try TokenMint("HS256", keyID: "k2")
        let path = try scratch.file("keys.json", String(decoding: TokenMint.keySet([first]), as: UTF8.self))
        let auth: JSON = [
            "jwt": [
                ["issuer": .string(FakeIssuer.name), "jwks": .string(path), "algorithms": ["HS256"]]
            ]
        ]
        try await DoorRig.with(auth: { _ in auth }) { (rig: DoorRig) async throws in
            #expect(try await rig.status(first) == 200)
            #expect(try await rig.status(second) == 401)
            _ = try scratch.file("keys.json", "half a fi")
            rig.tokens?.refreshFiles()
            #expect(try await rig.status(first) == 200, "the former keys stay")
            #expect(rig.tokens?.troubles.count == 1)
            _ = try scratch.file("keys.json", String(decoding: TokenMint.keySet([second]), as: UTF8.self))
            rig.tokens?.refreshFiles()
            #expect(try await rig.status(second) == 200)
            #expect(try await rig.status(first) == 401)
        }
    }

    @Test func `a shared key checks nothing unless HS256 is named`() async throws {
        let scratch = Scratch()
        let mint = try TokenMint("HS256", keyID: "k1")
        let path = try scratch.file("keys.json", String(decoding: TokenMint.keySet([mint]), as: UTF8.self))
        try await DoorRig.with(auth: { _ in Self.issuer(path) }) { (rig: DoorRig) async throws in
            #expect(try await rig.status(mint) == 401)
        }
    }
}
