import JSONSlice
import MartletTestKit
import Testing

@testable import Tokens

/// The way to a token, played against answers in memory.
struct GrantErrandTests {
    private static let mcp = "https://api.example.com/v1/mcp"
    private static let issuer = "https://as.example.com/t1"

    private static func settings(
        _ url: String = mcp, issuer: String? = issuer, proof: GrantSettings.Proof = .secret,
        scopes: [String] = []
    ) throws -> GrantSettings {
        GrantSettings(
            resource: try #require(WebAddress(url)), issuer: issuer, clientID: "mart:let", proof: proof,
            scopes: scopes)
    }

    /// A world of documents by URL; what is not there is 404. Keeps what was asked.
    private struct World {
        var pages: [String: GrantAnswer] = [:]
        var asked: [GrantFetch] = []

        init(_ pages: [String: JSON]) {
            self.pages = pages.mapValues { GrantAnswer(status: 200, body: Array($0.bytes)) }
        }

        mutating func run(
            _ settings: GrantSettings, challenge: ResourceChallenge? = nil, credential: String = "s3 cr/et",
            knowing known: GrantErrand.Discovery? = nil
        ) -> Result<AccessToken, GrantTrouble> {
            var errand = GrantErrand(settings, challenge: challenge, knowing: known)
            for _ in 0..<16 {
                var fetch: GrantFetch
                switch errand.next() {
                case .over(let result): return result
                case .fetch(let next): fetch = next
                case .order(let order):
                    do throws(GrantTrouble) {
                        fetch = try order.request(with: Array(credential.utf8), id: "id", at: 1_000)
                    } catch {
                        errand.take(.failure(error))
                        continue
                    }
                }
                asked.append(fetch)
                errand.take(
                    .success(
                        pages["\(fetch.method) \(fetch.url)"] ?? pages[fetch.url] ?? GrantAnswer(status: 404))
                )
            }
            return .failure(.unreachable("it does not end"))
        }

        var urls: [String] { asked.map(\.url) }
    }

    private static let metadata: JSON = [
        "resource": .string(mcp), "authorization_servers": [.string(issuer)], "scopes_supported": ["a", "b"],
    ]
    private static let server: JSON = [
        "issuer": .string(issuer), "token_endpoint": "https://as.example.com/t1/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "grant_types_supported": ["client_credentials"],
    ]
    private static let token: JSON = ["access_token": "t0ken", "token_type": "bearer", "expires_in": 60]
    private static let resourcePlace = "https://api.example.com/.well-known/oauth-protected-resource/v1/mcp"
    private static let serverPlace = "https://as.example.com/.well-known/oauth-authorization-server/t1"
    private static let whole: [String: JSON] = [
        resourcePlace: metadata, serverPlace: server, "https://as.example.com/t1/token": token,
    ]

    @Test func `places are tried in the order of MCP, and the token is asked for this resource`() throws {
        var world = World(Self.whole)
        #expect(world.run(try Self.settings()) == .success(AccessToken(text: "t0ken", life: 60)))
        #expect(
            world.urls == [Self.mcp, Self.resourcePlace, Self.serverPlace, "https://as.example.com/t1/token"])
        #expect(world.asked.map(\.way) == [.backend, .backend, .open, .open])
        let order = try #require(world.asked.last)
        #expect(
            String(decoding: order.body, as: UTF8.self)
                == "grant_type=client_credentials&scope=a%20b&resource=https%3A%2F%2Fapi.example.com%2Fv1%2Fmcp"
        )
        // Both encoded, then joined: mart%3Alet:s3%20cr%2Fet
        #expect(
            order.headers.first { $0.0 == "Authorization" }?.1 == "Basic bWFydCUzQWxldDpzMyUyMGNyJTJGZXQ=")
        // Nobody else was shown anything.
        #expect(
            world.asked.dropLast().allSatisfy {
                $0.body.isEmpty && !$0.headers.contains { $0.0 == "Authorization" }
            })
    }

    @Test func `all places are tried before there is none`() throws {
        var world = World([:])
        #expect(world.run(try Self.settings()) == .failure(.noServerMetadata(issuer: Self.issuer)))
        #expect(
            world.urls == [
                Self.mcp, Self.resourcePlace, "https://api.example.com/.well-known/oauth-protected-resource",
                Self.serverPlace, "https://as.example.com/.well-known/openid-configuration/t1",
                "https://as.example.com/t1/.well-known/openid-configuration",
            ])
        world = World([:])
        _ = world.run(try Self.settings("https://api.example.com/", issuer: "https://as.example.com"))
        #expect(
            world.urls.dropFirst() == [
                "https://api.example.com/.well-known/oauth-protected-resource",
                "https://as.example.com/.well-known/oauth-authorization-server",
                "https://as.example.com/.well-known/openid-configuration",
            ])
    }

    @Test(arguments: [
        "Bearer resource_metadata=\"https://api.example.com/meta\", scope=\"x y\"",
        "Basic realm=\"a, Bearer b=c\", bearer error=invalid_token , scope=\"x y\",resource_metadata=https://api.example.com/meta",
    ])
    func `a challenge says where the metadata is, and which scopes are wanted`(header: String) throws {
        var world = World(Self.whole)
        world.pages[Self.mcp] = GrantAnswer(status: 401, challenges: ["Negotiate", header])
        world.pages["https://api.example.com/meta"] = GrantAnswer(
            status: 200, body: Array(Self.metadata.bytes))
        _ = try world.run(try Self.settings()).get()
        #expect(world.urls[1] == "https://api.example.com/meta")
        #expect(String(decoding: try #require(world.asked.last).body, as: UTF8.self).contains("scope=x%20y&"))
    }

    @Test(arguments: [
        "https://api.example.com/v1/MCP", "https://api.example.com/v1/mcp/", "https://api.example.com/v1",
        "https://api.example.com", "http://api.example.com/v1/mcp", "https://api.example.com:8443/v1/mcp",
        "https://api.example.com.evil.example/v1/mcp", "https://api.example.com/v1/mcp?x=1",
    ])
    func `metadata of another resource is none, however near its name is`(named: String) throws {
        var world = World(Self.whole)
        world.pages[Self.resourcePlace] = GrantAnswer(
            status: 200, body: Array(Self.metadata.setting("resource", to: .string(named)).bytes))
        #expect(
            world.run(try Self.settings()) == .failure(.otherResource(named: named, asked: Self.mcp)))
        #expect(world.asked.allSatisfy { $0.method == "GET" })
    }

    @Test func `a resource that is spelled otherwise and is the same is the same`() throws {
        var world = World(Self.whole)
        _ = try world.run(try Self.settings("HTTPS://API.example.com:443/v1/mcp")).get()
        #expect(world.asked.last?.method == "POST")
    }

    @Test func `a resource that sends elsewhere is not followed with the credential`() throws {
        var world = World(Self.whole)
        world.pages[Self.resourcePlace] = GrantAnswer(
            status: 200,
            body: Array(Self.metadata.setting("authorization_servers", to: ["https://evil.example/t1"]).bytes)
        )
        let trouble = GrantTrouble.otherIssuer(configured: Self.issuer, offered: ["https://evil.example/t1"])
        #expect(world.run(try Self.settings()) == .failure(trouble))
        #expect(world.asked.allSatisfy { $0.method == "GET" && !$0.url.contains("evil") })
        #expect(trouble.description.contains("https://evil.example/t1"))
    }

    @Test
    func `where nobody has chosen an issuer, what there is to choose from is told, and nobody is asked`()
        throws
    {
        var world = World(Self.whole)
        let result = world.run(try Self.settings(issuer: nil))
        #expect(result == .failure(.issuerNotChosen(offered: [Self.issuer])))
        #expect(!world.urls.contains { $0.contains("as.example.com") })
    }

    @Test(arguments: [
        "https://as.example.com/t1/", "https://as.example.com/T1", "https://as.example.com",
        "https://AS.example.com/t1",
        "https://evil.example/t1",
    ])
    func `an issuer that spells itself otherwise is another`(named: String) throws {
        var world = World(Self.whole)
        world.pages[Self.serverPlace] = GrantAnswer(
            status: 200, body: Array(Self.server.setting("issuer", to: .string(named)).bytes))
        #expect(
            world.run(try Self.settings()) == .failure(.issuerMismatch(configured: Self.issuer, found: named))
        )
        #expect(world.asked.allSatisfy { $0.method == "GET" })
    }

    @Test
    func `a bare issuer may have the slash that some libraries add to a list, but not in its own metadata`()
        throws
    {
        let bare = "https://as.example.com"
        var pages: [String: JSON] = [
            Self.resourcePlace: Self.metadata.setting(
                "authorization_servers", to: ["https://as.example.com/"]),
            "https://as.example.com/.well-known/oauth-authorization-server": Self.server.setting(
                "issuer", to: .string(bare)),
            "https://as.example.com/t1/token": Self.token,
        ]
        var world = World(pages)
        _ = try world.run(try Self.settings(issuer: bare)).get()
        pages["https://as.example.com/.well-known/oauth-authorization-server"] = Self.server.setting(
            "issuer", to: "https://as.example.com/")
        world = World(pages)
        #expect(
            world.run(try Self.settings(issuer: bare))
                == .failure(.issuerMismatch(configured: bare, found: "https://as.example.com/")))
    }

    @Test(arguments: ["http://as.example.com/token", "http://10.0.0.1/token"])
    func `no credential goes where there is no TLS`(endpoint: String) throws {
        var world = World(Self.whole)
        world.pages[Self.serverPlace] = GrantAnswer(
            status: 200, body: Array(Self.server.setting("token_endpoint", to: .string(endpoint)).bytes))
        #expect(world.run(try Self.settings()) == .failure(.insecure(endpoint)))
    }

    @Test
    func `the secret goes into the form where the server wants it there, and nowhere where it wants neither`()
        throws
    {
        let methods = "token_endpoint_auth_methods_supported"
        var world = World(Self.whole)
        world.pages[Self.serverPlace] = GrantAnswer(
            status: 200, body: Array(Self.server.setting(methods, to: ["client_secret_post"]).bytes))
        _ = try world.run(try Self.settings()).get()
        let order = try #require(world.asked.last)
        #expect(!order.headers.contains { $0.0 == "Authorization" })
        #expect(
            String(decoding: order.body, as: UTF8.self).hasSuffix(
                "&client_id=mart%3Alet&client_secret=s3%20cr%2Fet"))

        world.pages[Self.serverPlace] = GrantAnswer(
            status: 200, body: Array(Self.server.setting(methods, to: ["private_key_jwt", "none"]).bytes))
        world.asked = []
        guard case .failure(.methodNotOffered) = world.run(try Self.settings()) else {
            Issue.record("asked all the same")
            return
        }
        #expect(world.asked.allSatisfy { $0.method == "GET" })
    }

    @Test func `a key signs for this issuer, by an algorithm that the server takes`() throws {
        var world = World(Self.whole)
        let algorithms = "token_endpoint_auth_signing_alg_values_supported"
        let server = Self.server.setting("token_endpoint_auth_methods_supported", to: ["private_key_jwt"])
        world.pages[Self.serverPlace] = GrantAnswer(
            status: 200, body: Array(server.setting(algorithms, to: ["ES256", "RS384"]).bytes))
        let settings = try Self.settings(proof: .key(id: "k"))
        let rsa = try TokenMint("RS256")
        _ = try world.run(settings, credential: rsa.privatePEM).get()
        let form = String(decoding: try #require(world.asked.last).body, as: UTF8.self)
        #expect(
            form.contains(
                "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"))
        let assertion = try #require(form.split(separator: "&").first { $0.hasPrefix("client_assertion=") })
        let token = try SignedToken(assertion.dropFirst("client_assertion=".count))
        #expect(token.algorithm == .rs384 && token.claims["aud"]?.string == Self.issuer)

        guard
            case .failure(.algorithmNotOffered) = world.run(
                settings, credential: ClientAssertionTests.ed25519)
        else {
            Issue.record("signed all the same")
            return
        }
    }

    @Test(arguments: [
        (
            400, #"{"error":"invalid_scope","error_description":"s3cret"}"#, GrantTrouble.Kind.refused,
            "invalid_scope"
        ),
        (401, #"{"error":"invalid_client"}"#, .refused, "secret set"),
        (400, #"{"error":"s3cret"}"#, .refused, "HTTP 400"), (403, "s3cret", .refused, "HTTP 403"),
        (500, "", .unavailable, "HTTP 500"), (429, "", .unavailable, "HTTP 429"),
        (503, #"{"error":"temporarily_unavailable"}"#, .unavailable, "HTTP 503"),
        (302, "", .refused, "redirects"), (200, "<html>", .refused, "no token"),
        (200, #"{"access_token":"t","token_type":"mac"}"#, .refused, "not Bearer"),
        (200, #"{"access_token":"t\r\nX: y","token_type":"Bearer"}"#, .refused, "no header"),
        (200, #"{"access_token":"t","token_type":"Bearer","expires_in":-1}"#, .refused, "expired"),
    ])
    func `what a token endpoint says otherwise is told in our own words`(
        status: Int, body: String, kind: GrantTrouble.Kind, text: String
    ) throws {
        var world = World(Self.whole)
        world.pages["https://as.example.com/t1/token"] = GrantAnswer(status: status, body: Array(body.utf8))
        guard case .failure(let trouble) = world.run(try Self.settings()) else {
            Issue.record("a token of \(body)")
            return
        }
        #expect(trouble.kind == kind && trouble.description.contains(text), "\(trouble)")
        #expect(!trouble.description.contains("s3cret"))
    }

    @Test func `metadata that cannot be had at the moment is not metadata that is not there`() throws {
        var world = World(Self.whole)
        world.pages[Self.resourcePlace] = GrantAnswer(status: 503)
        guard case .failure(let trouble) = world.run(try Self.settings()) else { return }
        #expect(trouble.kind == .unavailable)
    }

    @Test func `what is known needs no second look`() throws {
        var world = World(Self.whole)
        var errand = GrantErrand(try Self.settings(), challenge: nil)
        for _ in 0..<3 {
            guard case .fetch(let fetch) = errand.next() else { break }
            errand.take(.success(world.pages[fetch.url] ?? GrantAnswer(status: 404)))
        }
        let known = try #require(errand.discovery)
        _ = try world.run(try Self.settings(), knowing: known).get()
        #expect(world.urls == ["https://as.example.com/t1/token"])
    }

    @Test(arguments: [
        "https://user@as.example.com", "https://as.example.com\\@evil.example", "ftp://as.example.com",
        "https://", "https://as.example.com:0", "https://as.example.com:99999", "https://a b",
        "https://as.example.com/#x",
        "//as.example.com", "",
    ])
    func `what two readers might read in two ways is no address`(text: String) {
        #expect(WebAddress(text) == nil)
    }

    @Test
    func
        `an authorization server at the backend's origin is asked by its way, for tokens too`()
        throws
    {
        let issuer = "https://api.example.com"
        var world = World([
            Self.resourcePlace: [
                "resource": .string(Self.mcp), "authorization_servers": [.string(issuer)],
            ],
            "\(issuer)/.well-known/oauth-authorization-server": [
                "issuer": .string(issuer), "token_endpoint": .string("\(issuer)/token"),
            ],
            "\(issuer)/token": Self.token,
        ])
        #expect(
            world.run(try Self.settings(issuer: issuer)) == .success(AccessToken(text: "t0ken", life: 60)))
        #expect(world.asked.map(\.way) == [.backend, .backend, .backend, .backend], "\(world.urls)")
    }
}
