import HTTPWire
import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// Query keys, tokens and redirects, towards real servers on loopback.
@Suite(.timeLimit(.minutes(2)))
struct BackendCredentialTests {
    /// What came in at a server: targets, and all header fields as text.
    private final class Seen: Sendable {
        private let heads = Mutex<[(target: String, fields: String)]>([])

        func note(_ exchange: HTTPExchange) {
            let fields = exchange.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
            let target = exchange.target.rawPath + (exchange.target.rawQuery.map { "?\($0)" } ?? "")
            heads.withLock { $0.append((target, fields)) }
        }

        var targets: [String] { heads.withLock { $0.map(\.target) } }
        var all: String { heads.withLock { $0.map { "\($0.target)\n\($0.fields)" }.joined(separator: "\n") } }
        var count: Int { heads.withLock { $0.count } }
    }

    private static let key = "qk-5f0c7a2e/+&=1 f9"
    private static let encoded = "qk-5f0c7a2e%2F%2B%26%3D1%20f9"

    private static func listener(
        _ handler: @escaping @Sendable (HTTPExchange) -> Void
    ) async throws -> HTTPListener {
        try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: FrontRig.loops, handler: handler)
    }

    @Test func `a key in the query goes with every request, and stands in no URL that is shown`() async throws
    {
        let seen = Seen()
        try await FrontRig.with(admits: {
            seen.note($0)
            return true
        }) { front in
            let target = BackendTarget.http(
                url: front.url("/mcp?tenant=acme"), headers: [],
                query: [("api_key", SecretText("${secret:k}"))])
            try await BackendRig.with(target, secrets: ["k": Self.key]) { rig in
                _ = try await rig.listing()
                #expect(await rig.tool("echo", ["text": "hi"]).text == "hi")
            }
            #expect(
                seen.targets.allSatisfy { $0 == "/mcp?tenant=acme&api_key=\(Self.encoded)" },
                "\(seen.targets)")
        }
    }

    @Test func `a server of 2024-11-05 gets the key at the place it names too, once`() async throws {
        let seen = Seen()
        try await FrontRig.with(admits: {
            seen.note($0)
            return $0.method == "GET" || $0.path.hasSuffix("/messages")
        }) { front in
            let target = BackendTarget.http(
                url: front.url("/servers/any/sse"), headers: [], query: [("key", SecretText("${secret:k}"))])
            try await BackendRig.with(target, secrets: ["k": Self.key]) { rig in
                _ = try await rig.listing()
                #expect(await rig.tool("echo", ["text": "old"]).text == "old")
            }
            let posts = seen.targets.filter { $0.contains("/messages") }
            #expect(
                !posts.isEmpty
                    && posts.allSatisfy {
                        $0.split(separator: Self.encoded).count == 1 + ($0.hasSuffix(Self.encoded) ? 0 : 1)
                    })
            #expect(posts.allSatisfy { $0.contains("key=\(Self.encoded)") }, "\(posts)")
        }
    }

    @Test(arguments: [301, 302, 303, 307, 308])
    func `a redirect to another origin carries nothing there: no key, no header, no token`(status: Int)
        async throws
    {
        let seen = Seen()
        let elsewhere = try await Self.listener { exchange in
            seen.note(exchange)
            exchange.respond(status: 200)
        }
        let other = "http://127.0.0.1:\(elsewhere.address.port)/mcp"
        let asked = Counter()
        let backend = try await Self.listener { exchange in
            _ = asked.next()
            exchange.respond(status: status, headers: [("Location", other)])
        }
        let target = BackendTarget.http(
            url: "http://127.0.0.1:\(backend.address.port)/mcp",
            headers: [("Authorization", SecretText("Bearer ${secret:k}"))],
            query: [("api_key", SecretText("${secret:k}"))])
        try await BackendRig.with(target, secrets: ["k": Self.key]) { rig in
            let reason = try await rig.reason(.down)
            #expect(reason.contains("redirects") && reason.contains("\(status)"), "\(reason)")
            #expect(!reason.contains("qk-") && !reason.contains(other))
        }
        #expect(asked.value > 0 && seen.count == 0)
        await backend.close()
        await elsewhere.close()
    }

    @Test func `a stream that names a place of another origin is not followed there`() async throws {
        let seen = Seen()
        let elsewhere = try await Self.listener { exchange in
            seen.note(exchange)
            exchange.respond(status: 202)
        }
        let place = "http://127.0.0.1:\(elsewhere.address.port)/messages"
        let backend = try await Self.listener { exchange in
            guard exchange.method == "GET" else { return exchange.respond(status: 405) }
            exchange.respond(
                status: 200, headers: [("Content-Type", "text/event-stream")],
                body: Array("event: endpoint\ndata: \(place)\n\n".utf8))
        }
        let target = BackendTarget.http(
            url: "http://127.0.0.1:\(backend.address.port)/sse", headers: [],
            query: [("api_key", SecretText("${secret:k}"))], startsWithEvents: true)
        try await BackendRig.with(target, secrets: ["k": Self.key]) { rig in
            let reason = try await rig.reason(.down)
            #expect(!reason.contains("qk-"))
        }
        #expect(seen.count == 0)
        await backend.close()
        await elsewhere.close()
    }

    @Test func `whoever is asked why a key cannot be used is not told the key`() async throws {
        let dead = "http://127.0.0.1:\(RawPeer.deadPort)/mcp"
        let target = BackendTarget.http(
            url: dead, headers: [], query: [("api_key", SecretText("${secret:k}"))])
        try await BackendRig.with(target, secrets: ["k": Self.key]) { rig in
            let reason = try await rig.reason(.down)
            #expect(!reason.contains("qk-"))
            let failure = await rig.tool("echo").failure
            #expect(failure?.reason == .backendUnavailable && failure?.detail.contains("qk-") == false)
        }
    }

    // MARK: Tokens

    /// Gives out tokens `t1`, `t2`, …, a new one whenever one is refused.
    private final class Mint: Sendable {
        private let state = Mutex(
            (number: UInt64(1), asked: 0, refusals: [UInt64](), trouble: CredentialTrouble?.none))

        init(trouble: CredentialTrouble? = nil) { state.withLock { $0.trouble = trouble } }

        var refusals: [UInt64] { state.withLock { $0.refusals } }

        var source: TokenSource {
            TokenSource(
                token: { refusal, ready in
                    let result = self.state.withLock {
                        state -> Result<TokenSource.Token, CredentialTrouble> in
                        if let trouble = state.trouble { return .failure(trouble) }
                        if let refusal {
                            state.refusals.append(refusal.number)
                            if refusal.number == state.number { state.number += 1 }
                        }
                        return .success(.init(text: "t\(state.number)", number: state.number))
                    }
                    ready(result)
                }, meaning: { status, _ in "not even a fresh one (\(status))" })
        }
    }

    private static func withTokens(
        _ mint: Mint, accepts: @escaping @Sendable (String?) -> Int?, service: MCPService = FrontRig.sample,
        _ body: (FrontRig, BackendRig) async throws -> Void
    ) async throws {
        var service = service
        service.door = FrontDoor { exchange in
            guard let status = accepts(exchange.headers.first("authorization")) else {
                return .allowed(.anonymous)
            }
            return .refused(status: status, challenge: "Bearer", message: "no")
        }
        try await FrontRig.with(service) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: []), tokens: mint.source) {
                rig in
                try await body(front, rig)
            }
        }
    }

    @Test func `a token that is refused is replaced, and the call that met the refusal runs once`()
        async throws
    {
        let wanted = Mutex("Bearer t1")
        let calls = Counter()
        var service = FrontRig.sample
        let inner = service.call
        service.call = { call, sink in
            _ = calls.next()
            return inner(call, sink)
        }
        let mint = Mint()
        try await Self.withTokens(
            mint, accepts: { header in header == wanted.withLock { $0 } ? nil : 401 }, service: service
        ) {
            _, rig in
            _ = try await rig.listing()
            #expect(mint.refusals.isEmpty)
            wanted.withLock { $0 = "Bearer t2" }
            #expect(await rig.tool("echo", ["text": "again"]).text == "again")
            #expect(mint.refusals.allSatisfy { $0 == 1 } && !mint.refusals.isEmpty)
            #expect(calls.value == 1)
        }
    }

    @Test(arguments: [401, 403])
    func
        `a backend that refuses every token is told as wanting another credential, after one more try at most`(
            status: Int
        ) async throws
    {
        let mint = Mint()
        try await Self.withTokens(mint, accepts: { _ in status }) { _, rig in
            let reason = try await rig.reason(.authNeeded)
            #expect(reason.contains("not even a fresh one (\(status))"))
            // The supervisor may have begun its next attempt by now.
            #expect(mint.refusals.first == (status == 401 ? 1 : nil))
            let failure = await rig.tool("echo").failure
            #expect(failure?.reason == .backendAuth)
        }
    }

    @Test(arguments: [
        (CredentialTrouble.Kind.refused, BackendState.authNeeded, Reason.backendAuth),
        (.unavailable, .down, .backendUnavailable), (.sealed, .authNeeded, .sealed),
    ])
    func `where there is no token nothing is sent, and why is told`(
        kind: CredentialTrouble.Kind, state: BackendState, reason: Reason
    ) async throws {
        let mint = Mint(trouble: CredentialTrouble(kind, "the issuer says no"))
        let hits = Counter()
        try await Self.withTokens(
            mint,
            accepts: { _ in
                _ = hits.next()
                return nil
            }
        ) { _, rig in
            let why = try await rig.reason(state)
            #expect(why.contains("the issuer says no"))
            let failure = await rig.tool("echo").failure
            #expect(failure?.reason == reason && failure?.isUnsent == true)
        }
        #expect(hits.value == 0)
    }

    @Test func `a backend that wants a token and a header gets both, while the header's value changes`()
        async throws
    {
        let wanted = Mutex((key: "old", token: "Bearer t1"))
        var service = FrontRig.sample
        service.door = FrontDoor { exchange in
            let isOpen = wanted.withLock {
                exchange.headers.first("x-key") == $0.key
                    && exchange.headers.first("authorization") == $0.token
            }
            return isOpen
                ? .allowed(.anonymous) : .refused(status: 401, challenge: "Bearer", message: "no")
        }
        let mint = Mint()
        try await FrontRig.with(service) { front in
            try await BackendRig.with(
                .http(url: front.url("/mcp"), headers: [("X-Key", SecretText("${secret:k}"))]),
                secrets: ["k": "new"], tokens: mint.source,
                formers: FormerSecrets { $0 == "k" ? Array("old".utf8) : nil }
            ) { rig in
                _ = try await rig.listing()
                #expect(await rig.tool("echo", ["text": "former"]).text == "former")
                #expect(mint.refusals.isEmpty, "the token was not what was refused")
                wanted.withLock { $0.key = "new" }
                #expect(await rig.tool("echo", ["text": "current"]).text == "current")
                wanted.withLock { $0 = ("old", "Bearer t2") }
                #expect(await rig.tool("echo", ["text": "both"]).text == "both")
                #expect(mint.refusals.allSatisfy { $0 == 1 } && !mint.refusals.isEmpty)
            }
        }
    }

    @Test(arguments: [false, true])
    func `a refusal whose body never ends holds no connection`(isOfToken: Bool) async throws {
        let open = Mutex<[HTTPExchange]>([])
        let bench = try await Self.listener { exchange in
            if exchange.headers.first("authorization") == "Bearer t2" {
                return exchange.respond(status: 200, body: Array("in".utf8))
            }
            open.withLock { $0.append(exchange) }
            exchange.startStream(status: 401)
            exchange.write(Array("no".utf8))
        }
        let http = HTTPClient(group: FrontRig.loops)
        let url = try HTTPURL("http://127.0.0.1:\(bench.address.port)/")
        let mint = Mint()
        let client = BackendClient(http, tokens: isOfToken ? mint.source : nil)
        var request = HTTPClientRequest(url, timeout: .seconds(40))
        if !isOfToken {
            request.headers = [("Authorization", "Bearer t1")]
            request.again = {
                HTTPClientRequest(url, headers: [("Authorization", "Bearer t2")], timeout: .seconds(40))
            }
        }
        for _ in 0..<5 {
            let (events, told) = AsyncStream.makeStream(of: HTTPClientEvent.self)
            _ = client.send(request) { event in
                told.yield(event)
                switch event {
                case .end, .failed: told.finish()
                default: break
                }
            }
            var statuses: [Int] = []
            for await event in events {
                switch event {
                case .head(let head): statuses.append(head.status)
                case .failed(let error): Issue.record("\(error)")
                case .body, .end: break
                }
            }
            #expect(statuses == [200])
        }
        let deadline = ContinuousClock.now + .seconds(10)
        while await http.connectionCount() > 1, ContinuousClock.now < deadline { await Task.yield() }
        #expect(await http.connectionCount() <= 1)
        await http.shutdown()
        await bench.close()
    }
}
