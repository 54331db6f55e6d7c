import JSONSlice
import MCPModel
import MCPTransport
import Synchronization
import Testing

/// The golden exchanges at the gateway's client half: it must ask what the exchange asks, byte for byte, and hand on what
/// the server answers in the words of 2026-07-28.
@Suite(.timeLimit(.minutes(1))) struct BackReplayTests {
    /// Exchanges that a gateway does not begin by itself, or not as a client does: it keeps the level of logs for each
    /// session, asks nothing that it does not know, and pages through lists from their beginning.
    private static let notAsked: Set = ["error-unknown-method", "logging", "server-discover", "tools-list"]

    static let cases: [(Wire, String)] = Wire.allCases.flatMap { wire in
        ((try? GoldenExchange.names(in: wire.revision)) ?? []).filter { !notAsked.contains($0) }.map {
            (wire, $0)
        }
    }

    @Test(arguments: cases)
    func `a back asks what the exchange asks, and hands on what it answers`(wire: Wire, name: String)
        async throws
    {
        let exchange = try GoldenExchange(name, wire.revision)
        let server = GoldenServer(exchange, wire)
        try await GoldenBack.with(server, wire) { backend, told in
            var listings = told.makeAsyncIterator()
            let listing = try #require(await listings.next())
            #expect(listing.revision == wire.revision)
            switch name {
            case let list where list.hasSuffix("-list"): expect(listing, shows: exchange)
            case "list-changed":
                try await until { server.listeners > 0 }
                let before = server.toolLists
                server.change()
                try await until { server.toolLists > before }
            case "cancel": try await cancel(backend, server, exchange)
            default: try await call(backend, exchange)
            }
        }
        #expect(server.breaches.isEmpty)
        #expect(server.isDone || ["cancel", "list-changed"].contains(name))
    }

    private func expect(_ listing: BackendListing, shows exchange: GoldenExchange) {
        let result = exchange.lines.last?.message["result"] ?? .null
        let kind = EntryListKind.allCases.first { result[$0.member] != nil }
        let items = listing.entries.filter { $0.list == kind }.map(\.definition.text)
        #expect(items == kind.flatMap { result[$0.member] }?.elements.map(\.text))
    }

    private func cancel(_ backend: Backend, _ server: GoldenServer, _ exchange: GoldenExchange) async throws {
        let handle = backend.call(try request(exchange, 0)) { _ in }
        try await until { server.runningID != nil }
        let id = server.runningID
        handle.cancel()
        // Over HTTP, in 2026-07-28, closing the stream says it.
        guard server.wire != .http2026 else {
            try await until { server.isLeft }
            return
        }
        try await until { !server.cancelled.isEmpty }
        #expect(server.cancelled == [id])
    }

    // MARK: Calls

    private func call(_ backend: Backend, _ exchange: GoldenExchange) async throws {
        let modern = try GoldenExchange(exchange.name, .v2026_07_28)
        var events = await outcome(of: try request(exchange, 0), at: backend)
        if modern.requests.count > 1 {
            // What a legacy server asks for itself comes as 2026-07-28 asks.
            let result = try #require(events.last?["result"])
            let golden = try #require(modern.said(to: 0).last?["result"])
            #expect(result["resultType"]?.string == "input_required")
            let (asked, wanted) = (
                result["inputRequests"]?.members ?? [], golden["inputRequests"]?.members ?? []
            )
            #expect(asked.map(\.value.inOrder.text) == wanted.map(\.value.inOrder.text))
            if exchange.revision.era == .modern { #expect(result["requestState"] == golden["requestState"]) }
            var retry = try request(exchange, 1)
            let answers = retry.params["inputResponses"]?.members.map(\.value) ?? []
            retry.params = retry.params
                .setting("inputResponses", to: .object(zip(asked.map(\.key), answers).map { ($0, $1) }))
                .setting("requestState", to: result["requestState"] ?? .null)
            events = await outcome(of: retry, at: backend)
        }
        // That the user has been where a URL led is between a legacy server and its client; over HTTP it comes on the call's
        // own stream, and the front hands it on to nobody.
        let isOwn = { (message: JSON) in message["method"]?.string != Method.elicitationComplete }
        let notes = exchange.lines.filter {
            !$0.isClients && $0.message["method"] != nil && $0.message["id"] == nil && isOwn($0.message)
        }
        #expect(
            events.dropLast().filter(isOwn).map(\.text)
                == notes.map { note in
                    let params = (note.message["params"] ?? .null).removing("progressToken")
                    return note.message.removing("jsonrpc").setting("params", to: params).text
                })
        try compare(try #require(events.last), with: exchange, modern)
    }

    private func compare(_ event: JSON, with exchange: GoldenExchange, _ modern: GoldenExchange) throws {
        let golden = try #require(exchange.lines.last?.message)
        guard let result = golden["result"] else {
            return #expect(event["error"]?.text == modern.lines.last?.message["error"]?.text)
        }
        guard exchange.revision.era == .legacy else { return #expect(event["result"]?.text == result.text) }
        // A legacy result goes up as it is, with what 2026-07-28 must have.
        let isCached = exchange.requests.last?["method"]?.string == "resources/read"
        let caching = isCached ? #","ttlMs":0,"cacheScope":"private""# : ""
        #expect(event["result"]?.text == "\(result.text.dropLast()),\"resultType\":\"complete\"\(caching)}")
    }

    /// The call that leads to the exchange: as a client of the exchange's own revision would have it made, with what
    /// 2026-07-28 says beside the params.
    private func request(_ exchange: GoldenExchange, _ round: Int) throws -> CallRequest {
        let modern = try GoldenExchange(exchange.name, .v2026_07_28).requests
        let facts = RequestMeta(params: try #require(modern.first)["params"]).client
        let own = exchange.requests
        let wanted = try #require(
            round == 0 ? own.last { $0["method"] == modern[0]["method"] } : modern[round])
        let first = exchange.revision.era == .modern ? modern[round] : wanted
        var random = SystemRandomNumberGenerator()
        return CallRequest(
            id: CallID(using: &random), method: first["method"]?.string ?? "",
            params: RequestMeta.stripped(first["params"] ?? .emptyObject), client: facts, caller: .anonymous,
            timeLeft: .seconds(20))
    }

    private func outcome(of request: CallRequest, at backend: Backend) async -> [JSON] {
        let gathered = Mutex<[JSON]>([])
        return await withCheckedContinuation { continuation in
            _ = backend.call(request) { event in
                let events = gathered.withLock { events in
                    switch event {
                    case .notification(let method, let params):
                        events.append(["method": .string(method), "params": params])
                    case .result(let result): events.append(["result": result])
                    case .error(let error): events.append(["error": error])
                    case .failure(let failure): events.append(["failure": .string("\(failure)")])
                    }
                    return events
                }
                if event.isFinal { continuation.resume(returning: events) }
            }
        }
    }
}

/// The gateway's client half before a golden server.
enum GoldenBack {
    private static let http = HTTPClient(group: EventLoops.shared)

    /// Opens what it sealed itself; stands in for the node's AES-GCM.
    private static let seal = StateSeal(
        seal: { content, context in content + context },
        open: { sealed, context in
            sealed.suffix(context.count).elementsEqual(context) ? Array(sealed.dropLast(context.count)) : nil
        })

    /// - Parameter body: gets the backend, and its listings as they come.
    static func with(
        _ server: GoldenServer, _ wire: Wire,
        _ body: (Backend, AsyncStream<BackendListing>) async throws -> Void
    ) async throws {
        var http: RawHTTPServer?
        var children: ChildServer?
        let target: BackendTarget
        switch wire.transport {
        case .http:
            let behind = ServerOverHTTP(server)
            let listener = try await RawHTTPServer.start { behind.handle($0) }
            http = listener
            target = .http(url: "http://127.0.0.1:\(listener.port)/mcp", headers: [])
        case .events:
            let behind = ServerOverEvents(server)
            let listener = try await RawHTTPServer.start { behind.handle($0) }
            http = listener
            target = .http(url: "http://127.0.0.1:\(listener.port)/sse", headers: [], startsWithEvents: true)
        case .stdio:
            let listener = try await ChildServer.start { ServerOverLines.begin(server, $0) }
            children = listener
            target = .stdio(command: ChildServer.command, args: listener.arguments, env: [], directory: nil)
        }
        do {
            try await with(target, body)
        } catch {
            await http?.stop()
            await children?.stop()
            throw error
        }
        await http?.stop()
        await children?.stop()
    }

    static func with(
        _ target: BackendTarget, _ body: (Backend, AsyncStream<BackendListing>) async throws -> Void
    ) async throws {
        let (stream, feed) = AsyncStream.makeStream(of: BackendListing.self)
        var limits = BackendLimits()
        limits.relistMin = .milliseconds(5)
        limits.changeWindow = .milliseconds(5)
        limits.closeGrace = .milliseconds(200)
        let backend = Backend(
            name: "golden", target: target, limits: limits, group: EventLoops.shared, http: Self.http,
            secrets: { _ in [] }, seal: seal, log: MatrixRig.log,
            events: { if case .listed(let listing) = $0 { feed.yield(listing) } })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await backend.run() }
            defer { group.cancelAll() }
            try await body(backend, stream)
        }
    }
}
