import Catalog
import Composition
import JSONSlice
import MCPTransport
import MartletTestKit
import NIOPosix
import Synchronization
import Testing
import Tokens

@testable import Gateway

/// Tokens from a real authorization server on loopback.
@Suite(.timeLimit(.minutes(2)))
struct GrantKeeperTests {
    /// A server of pages that remembers what it was asked.
    private final class Site: Sendable {
        private struct State {
            var pages: [String: (status: Int, headers: [(String, String)], body: JSON)] = [:]
            /// What `Authorization` has to be where something is posted; `nil`: nothing is looked at.
            var wanted: String?
            var asked: [(place: String, body: String, authorization: String?)] = []
        }

        private let state = Mutex(State())
        private let listener = Mutex<HTTPListener?>(nil)

        static func open() async throws -> Site {
            let site = Site()
            let listener = try await HTTPListener.bind(
                ListenAddress(host: "127.0.0.1", port: 0), group: EventLoops.shared
            ) { site.answer($0) }
            site.listener.withLock { $0 = listener }
            return site
        }

        var origin: String { "http://127.0.0.1:\(listener.withLock { $0?.address.port } ?? 0)" }
        var asked: [(place: String, body: String, authorization: String?)] { state.withLock { $0.asked } }
        func count(_ place: String) -> Int { asked.filter { $0.place == place }.count }

        func put(
            _ place: String, status: Int = 200, headers: [(String, String)] = [], _ body: JSON = .emptyObject
        ) {
            state.withLock { $0.pages[place] = (status, headers, body) }
        }

        func want(secret: String) {
            let pair = Base64URL.encode(Array("c:\(secret)".utf8))
                .replacing("-", with: "+").replacing("_", with: "/")
            let padded = pair + String(repeating: "=", count: (4 - pair.utf8.count % 4) % 4)
            state.withLock { $0.wanted = "Basic " + padded }
        }

        func close() async { await listener.withLock { $0 }?.close() }

        private func answer(_ exchange: HTTPExchange) {
            let place = "\(exchange.method) \(exchange.path)"
            let page = state.withLock {
                state -> (status: Int, headers: [(String, String)], body: JSON)? in
                state.asked.append(
                    (
                        place, String(decoding: exchange.body, as: UTF8.self),
                        exchange.headers.first("authorization")
                    ))
                if exchange.method == "POST", let wanted = state.wanted,
                    exchange.headers.first("authorization") != wanted
                {
                    return (401, [], ["error": "invalid_client"])
                }
                return state.pages[place]
            }
            let (status, headers, body) = page ?? (404, [], .emptyObject)
            // Not at once, so that many come while one is answered.
            exchange.eventLoop.scheduleTask(in: .milliseconds(exchange.method == "POST" ? 50 : 0)) {
                exchange.respond(
                    status: status, headers: headers + [("Content-Type", "application/json")],
                    body: Array(body.bytes))
            }
        }
    }

    private struct World {
        let backend: Site
        let server: Site
        let elsewhere: Site
    }

    /// A backend, its authorization server, and somebody else; all told of one another.
    private static func with(_ body: (World) async throws -> Void) async throws {
        let world = World(backend: try await .open(), server: try await .open(), elsewhere: try await .open())
        let (backend, server) = (world.backend, world.server)
        backend.put(
            "GET /mcp", status: 401,
            headers: [("WWW-Authenticate", "Bearer resource_metadata=\"\(backend.origin)/meta\"")])
        backend.put(
            "GET /meta",
            ["resource": .string("\(backend.origin)/mcp"), "authorization_servers": [.string(server.origin)]])
        server.put(
            "GET /.well-known/oauth-authorization-server",
            ["issuer": .string(server.origin), "token_endpoint": .string("\(server.origin)/token")])
        server.put("POST /token", ["access_token": "t1", "token_type": "Bearer", "expires_in": 300])
        for site in [world.elsewhere] {
            site.put("POST /token", ["access_token": "stolen", "token_type": "Bearer"])
        }
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(world))
        } catch {
            result = .failure(error)
        }
        for site in [world.backend, world.server, world.elsewhere] { await site.close() }
        try result.get()
    }

    private static func source(
        _ world: World, issuer: String? = nil,
        formers: FormerSecrets = .none,
        secret: @escaping @Sendable () throws -> String = { "hunter2-hunter2" }
    ) throws -> (TokenSource, HTTPClient) {
        // A busy machine takes its time, and no test is about this.
        var limits = HTTPClientLimits()
        limits.connectTimeout = .seconds(40)
        let clients = BackendClients(
            auth: .standard, limits: limits,
            patience: GrantPatience(fetch: .seconds(60), errand: .seconds(80)), log: .silent)
        let definition = ServerDefinition(
            name: "press",
            transport: .http(url: "\(world.backend.origin)/mcp", headers: [], kind: .streamable),
            auth: .clientCredentials(
                .init(clientID: "c", proof: .secret("s"), issuer: issuer ?? world.server.origin)))
        let opened = { @Sendable (_: String) throws in Array(try secret().utf8) }
        let source = try #require(
            clients.tokens(for: definition, by: clients.shared, secrets: opened, formers: formers))
        return (source, clients.shared)
    }

    private static func token(
        _ source: TokenSource, after refusal: TokenSource.Refusal? = nil
    ) async -> Result<TokenSource.Token, CredentialTrouble> {
        await withCheckedContinuation { continuation in
            source.token(refusal) { continuation.resume(returning: $0) }
        }
    }

    private static func ended(_ source: TokenSource, _ http: HTTPClient) async {
        await source.close()
        await http.shutdown()
    }

    @Test func `many who ask at once cause one request, and many who are refused one more`() async throws {
        try await Self.with { world in
            let (source, http) = try Self.source(world)
            for (round, refusal) in [nil, TokenSource.Refusal(number: 1, challenges: [])].enumerated() {
                let tokens = await withTaskGroup(of: TokenSource.Token?.self) { group in
                    for _ in 0..<200 { group.addTask { try? await Self.token(source, after: refusal).get() } }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(tokens.compactMap { $0?.number } == Array(repeating: UInt64(round + 1), count: 200))
                #expect(world.server.count("POST /token") == round + 1)
            }
            // What was found out is known: only the token was asked for again.
            #expect(world.server.count("GET /.well-known/oauth-authorization-server") == 1)
            let form = try #require(world.server.asked.last { $0.place == "POST /token" })
            #expect(
                form.body.contains("resource=http%3A%2F%2F127.0.0.1")
                    && form.authorization?.hasPrefix("Basic ") == true)
            await Self.ended(source, http)
        }
    }

    @Test func `metadata that leads into this host is not fetched, however it is spelled`() async throws {
        try await Self.with { world in
            for place in [
                "\(world.elsewhere.origin)/meta",
                "\(world.elsewhere.origin.replacing("127.0.0.1", with: "localhost"))/meta",
            ] {
                world.backend.put(
                    "GET /mcp", status: 401,
                    headers: [("WWW-Authenticate", "Bearer resource_metadata=\"\(place)\"")])
                let (source, http) = try Self.source(world)
                guard case .failure(let trouble) = await Self.token(source) else {
                    Issue.record("a token from there")
                    return
                }
                #expect(trouble.text.contains("auth.fetch.allow"), "\(trouble.text)")
                await Self.ended(source, http)
            }
            #expect(world.elsewhere.asked.isEmpty && world.server.asked.isEmpty)
        }
    }

    @Test func `a token endpoint elsewhere in this host is not shown the credential`() async throws {
        try await Self.with { world in
            world.server.put(
                "GET /.well-known/oauth-authorization-server",
                [
                    "issuer": .string(world.server.origin),
                    "token_endpoint": .string("\(world.elsewhere.origin)/token"),
                ])
            let (source, http) = try Self.source(world)
            guard case .failure(let trouble) = await Self.token(source) else {
                Issue.record("a token from there")
                return
            }
            #expect(trouble.text.contains("auth.fetch.allow"), "\(trouble.text)")
            #expect(world.elsewhere.asked.isEmpty)
            await Self.ended(source, http)
        }
    }

    @Test(arguments: [301, 302, 303, 307, 308])
    func `a token endpoint that redirects is not followed`(status: Int) async throws {
        try await Self.with { world in
            world.server.put(
                "POST /token", status: status, headers: [("Location", "\(world.elsewhere.origin)/token")])
            let (source, http) = try Self.source(world)
            guard case .failure(let trouble) = await Self.token(source) else {
                Issue.record("a token from there")
                return
            }
            #expect(trouble.kind == .refused && trouble.text.contains("redirects"))
            #expect(!trouble.text.contains("hunter2") && world.elsewhere.asked.isEmpty)
            await Self.ended(source, http)
        }
    }

    @Test func `a backend that names another issuer gets no credential sent there`() async throws {
        try await Self.with { world in
            world.backend.put(
                "GET /meta",
                [
                    "resource": .string("\(world.backend.origin)/mcp"),
                    "authorization_servers": [.string(world.elsewhere.origin)],
                ])
            let (source, http) = try Self.source(world)
            guard case .failure(let trouble) = await Self.token(source) else {
                Issue.record("a token from there")
                return
            }
            #expect(trouble.kind == .refused && trouble.text.contains(world.elsewhere.origin))
            #expect(world.elsewhere.asked.isEmpty && world.server.asked.isEmpty)
            await Self.ended(source, http)
        }
    }

    @Test func `a refusal is not asked for again and again, but a person's word has it asked anew`()
        async throws
    {
        try await Self.with { world in
            world.server.put("POST /token", status: 401, ["error": "invalid_client"])
            let (source, http) = try Self.source(world)
            for _ in 0..<20 {
                guard case .failure(let trouble) = await Self.token(source) else { continue }
                #expect(trouble.kind == .refused && trouble.text.contains("invalid_client"))
            }
            #expect(world.server.count("POST /token") == 1)
            world.server.put(
                "POST /token", ["access_token": "t1", "token_type": "Bearer", "expires_in": 300])
            source.forget()
            #expect(try await Self.token(source).get().text == "t1")
            #expect(world.server.count("POST /token") == 2)
            await Self.ended(source, http)
        }
    }

    @Test func `a credential that does not open here is asked for nowhere, and the next call tries again`()
        async throws
    {
        struct Sealed: Error, CustomStringConvertible { let description = "the vault is sealed" }
        try await Self.with { world in
            let isSealed = Mutex(true)
            let (source, http) = try Self.source(world) {
                if isSealed.withLock({ $0 }) { throw Sealed() }
                return "s"
            }
            guard case .failure(let trouble) = await Self.token(source) else {
                Issue.record("a token without a credential")
                return
            }
            #expect(trouble.kind == .sealed && trouble.text.contains("the vault is sealed"))
            #expect(world.server.count("POST /token") == 0)
            isSealed.withLock { $0 = false }
            #expect(try await Self.token(source).get().text == "t1")
            await Self.ended(source, http)
        }
    }

    @Test
    func
        `a rotated secret leaves the token, and its former value is shown where the new one is refused`()
        async throws
    {
        try await Self.with { world in
            let live = Mutex((current: "old-old-old", former: String?.none))
            let (source, http) = try Self.source(
                world, formers: FormerSecrets { _ in live.withLock { $0.former.map { Array($0.utf8) } } },
                secret: { live.withLock { $0.current } })
            world.server.want(secret: "old-old-old")
            #expect(try await Self.token(source).get().number == 1)
            live.withLock { $0 = ("new-new-new", "old-old-old") }
            source.secretRotated()
            #expect(try await Self.token(source).get().number == 1, "nothing was wrong with it")
            #expect(world.server.count("POST /token") == 1)

            // The authorization server has not changed over: it is shown the new one, then the former one.
            let refusal = TokenSource.Refusal(number: 1, challenges: [])
            #expect(try await Self.token(source, after: refusal).get().number == 2)
            #expect(world.server.count("POST /token") == 3)

            source.forget()
            world.server.want(secret: "new-new-new")
            #expect(try await Self.token(source).get().number == 3)
            #expect(world.server.count("POST /token") == 4)

            // Where neither is taken it is said once, and not asked again at once.
            source.forget()
            world.server.want(secret: "another")
            for _ in 0..<5 {
                guard case .failure(let trouble) = await Self.token(source) else {
                    Issue.record("a token for a wrong secret")
                    continue
                }
                #expect(trouble.kind == .refused && trouble.text.contains("invalid_client"))
            }
            #expect(world.server.count("POST /token") == 6)
            await Self.ended(source, http)
        }
    }

    @Test func `a secret that is not for this use is no sealed vault, and is tried again`()
        async throws
    {
        try await Self.with { world in
            let isBound = Mutex(false)
            let (source, http) = try Self.source(world) {
                guard isBound.withLock({ $0 }) else { throw SecretNotForUse("it is bound elsewhere") }
                return "s"
            }
            guard case .failure(let trouble) = await Self.token(source) else {
                Issue.record("a token without a credential")
                return
            }
            #expect(trouble.kind == .refused && trouble.text.contains("it is bound elsewhere"))
            #expect(world.server.count("POST /token") == 0)
            isBound.withLock { $0 = true }
            #expect(try await Self.token(source).get().text == "t1")
            await Self.ended(source, http)
        }
    }

    @Test func `what was found out is looked for again when its time is over, and then good for as long`() {
        let start = ContinuousClock.now
        var known = Perishable<Int>(life: .seconds(100))
        known.keep(1, at: start)
        known.keep(2, at: start + .seconds(99))
        #expect(known.value(at: start + .seconds(99)) == 1, "use makes it no younger")
        #expect(known.value(at: start + .seconds(100)) == nil)
        known.keep(3, at: start + .seconds(150))
        #expect(known.value(at: start + .seconds(249)) == 3)
        known.drop()
        #expect(known.value(at: start + .seconds(249)) == nil)
    }

    @Test
    func `an issuer whose name has led outside is not followed inside`()
        async throws
    {
        let clients = BackendClients(auth: .standard, limits: HTTPClientLimits(), log: .silent)
        let named = try #require(WebAddress("https://issuer.example:8443"))
        func objection(_ bytes: [UInt8], _ host: String = "issuer.example", _ port: Int = 8443) -> String? {
            clients.objection(to: .init(bytes: bytes, host: host, port: port), named: named)
        }
        let (inside, outside): ([UInt8], [UInt8]) = ([10, 0, 0, 5], [93, 184, 216, 34])
        #expect(objection(inside) == nil, "a person named it")
        #expect(objection(inside, "issuer.example", 443) != nil && objection(inside, "found.example") != nil)
        #expect(objection(outside) == nil)
        #expect(objection(inside)?.contains("led to a public address before") == true)
        await clients.shared.shutdown()
    }
}

extension AuthSettings {
    fileprivate static var standard: AuthSettings {
        ConfigSection.read(.emptyObject) { AuthSettings(reading: &$0) }.value
    }
}
