import HTTPWire
import JSONSlice
package import Logging
import MCPModel
import Synchronization

/// The MCP surface of a node over HTTP: both eras, all revisions, on the same endpoints.
///
/// | path | what |
/// | --- | --- |
/// | `/mcp`, `/servers/NAME/mcp` | 2026-07-28, and Streamable HTTP of 2025-03-26 to 2025-11-25 |
/// | `/servers/NAME/sse`, `/servers/NAME/messages` | HTTP+SSE of 2024-11-05 |
/// | `?mode=full`, `search` or `auto` on each of these | how this client wants the tools shown |
/// | `/.well-known/oauth-protected-resource`, and below it the path of an endpoint | where tokens for it come from (RFC 9728) |
/// | `/healthz`, `/readyz` | for load balancers; open to everyone |
///
/// The era is decided for each request: by its `MCP-Protocol-Version` header, else by the `_meta` of its body.
/// Modern requests are stateless; legacy ones live in sessions that belong to one caller and
/// one endpoint. A legacy client whose stream broke comes back with `Last-Event-ID` and gets what it missed; the call goes
/// on meanwhile, and its answer waits within ``FrontLimits/replay``.
package final class MCPFront: Sendable {
    let service: MCPService
    let limits: FrontLimits
    /// The same two, for sessions.
    let ground: SessionGround
    let log: Logger
    let streams = StreamSet()
    let replayTotal: ReplayTotal
    let sessions: Mutex<SessionTable<StreamableSession>>
    let eventSessions: Mutex<SessionTable<EventSession>>
    private let isReady: @Sendable () -> Bool

    package init(
        service: MCPService, limits: FrontLimits = .standard, log: Logger,
        isReady: @escaping @Sendable () -> Bool = { true }
    ) {
        self.service = service
        self.limits = limits
        ground = SessionGround(service, limits)
        self.log = log
        self.isReady = isReady
        self.replayTotal = ReplayTotal(limits)
        self.sessions = Mutex(SessionTable(countMax: limits.sessionsMax, idleMax: limits.sessionIdle))
        self.eventSessions = Mutex(SessionTable(countMax: limits.sessionsMax, idleMax: limits.sessionIdle))
    }

    /// Keeps streams alive and lets idle sessions go, until cancelled; then ends what is left.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { [self] in
                while !Task.isCancelled {
                    try? await Task.sleep(for: limits.streamCheck)
                    if !Task.isCancelled { await reviewStreams() }
                }
            }
            while !Task.isCancelled {
                try? await Task.sleep(for: limits.keepAlive)
                if !Task.isCancelled { tick(at: .now) }
            }
        }
        close()
    }

    package func tick(at now: ContinuousClock.Instant) {
        streams.keepAlive()
        let (gone, alive) = sessions.withLock { ($0.expire(at: now) { $0.dialogue.isBusy }, $0.all) }
        for session in gone { session.close() }
        for session in alive {
            session.dialogue.tick(at: now)
            session.streams.expire(at: now)
        }
        for session in eventSessions.withLock({ $0.all }) { session.dialogue.tick(at: now) }
    }

    /// Ends all sessions and streams.
    package func close() {
        for session in sessions.withLock({ $0.removeAll() }) { session.close() }
        for session in eventSessions.withLock({ $0.removeAll() }) { session.dialogue.close() }
        streams.endAll()
    }

    /// Takes one request; Host and Origin were checked by the listener.
    package func handle(_ exchange: HTTPExchange) {
        if answersKnownList(exchange) || takesShortWay(exchange) || takesSessionWay(exchange) { return }
        guard var route = Route(path: exchange.path) else {
            return exchange.refuse(404, "nothing is here; the endpoints are /mcp and /servers/NAME/mcp")
        }
        if let text = exchange.query.first(where: { $0.0 == "mode" })?.1 {
            guard let mode = ListingMode(rawValue: text) else {
                let words = ListingMode.allCases.map(\.rawValue).joined(separator: ", ")
                return exchange.refuse(400, "mode is one of \(words)")
            }
            route.show(as: mode)
        }
        switch route {
        case .health: exchange.say(200, "ok")
        case .ready: isReady() ? exchange.say(200, "ready") : exchange.say(503, "not ready")
        case .resourceMetadata(let place):
            guard exchange.method == "GET" else {
                return exchange.refuse(405, "use GET", headers: [("Allow", "GET")])
            }
            guard let metadata = service.door.resourceMetadata(exchange, place) else {
                return exchange.refuse(404, "no authorization server gives tokens for this")
            }
            exchange.respond(
                status: 200, headers: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                body: Array(metadata.bytes))
        case .streamable(let endpoint):
            admit(exchange, endpoint, route) { [self] visit, description in
                switch exchange.method {
                case "POST": post(exchange, visit, description)
                case "GET": openSessionStream(exchange, visit)
                case "DELETE": endSession(exchange, visit)
                default: exchange.refuse(405, "use POST", headers: [("Allow", "POST, GET, DELETE")])
                }
            }
        case .events(let endpoint):
            admit(exchange, endpoint, route) { [self] visit, _ in
                guard exchange.method == "GET" else {
                    return exchange.refuse(405, "use GET", headers: [("Allow", "GET")])
                }
                openEvents(exchange, visit)
            }
        case .messages(let endpoint):
            admit(exchange, endpoint, route) { [self] visit, description in
                guard exchange.method == "POST" else {
                    return exchange.refuse(405, "use POST", headers: [("Allow", "POST")])
                }
                postMessage(exchange, visit, description)
            }
        }
    }

    /// Goes on with `enter`, on the exchange's loop, for who may speak here; the others are refused.
    private func admit(
        _ exchange: HTTPExchange, _ endpoint: EndpointName, _ route: Route,
        _ enter: @escaping @Sendable (Visit, EndpointDescription) -> Void
    ) {
        let place = route.place
        service.door.admit(exchange, place) { [self] authorization in
            if exchange.eventLoop.inEventLoop {
                decide(exchange, endpoint, place, authorization, enter)
            } else {
                exchange.eventLoop.execute { [self] in decide(exchange, endpoint, place, authorization, enter)
                }
            }
        }
    }

    private func decide(
        _ exchange: HTTPExchange, _ endpoint: EndpointName, _ place: String?, _ authorization: Authorization,
        _ enter: (Visit, EndpointDescription) -> Void
    ) {
        guard case .allowed(let principal) = authorization else { return refuse(exchange, authorization) }
        guard let description = service.describe(endpoint, principal) else {
            return exchange.refuse(
                404, "no server of this name is known here; `martlet servers list` shows them")
        }
        enter(Visit(endpoint: endpoint, principal: principal, place: place), description)
    }

    private func refuse(_ exchange: HTTPExchange, _ authorization: Authorization) {
        guard case .refused(let status, let challenge, let message, let wait) = authorization else { return }
        var headers = challenge.map { [("WWW-Authenticate", $0)] } ?? []
        if let wait { headers.append(("Retry-After", "\(Int((wait / .seconds(1)).rounded(.up)))")) }
        exchange.refuse(status, message, headers: headers)
    }

    /// Whether the sender's credential is enough for these messages; where it is not, that was answered.
    func mayAsk(_ exchange: HTTPExchange, _ visit: Visit, _ messages: [RPCMessage]) -> Bool {
        for case .request(_, let method, let params) in messages {
            // Who listens for changes of resources subscribes to them, whatever the revision calls it.
            let isSubscribing =
                method == Method.subscriptionsListen
                && !ResourceSubscription.uris(in: params ?? .emptyObject).isEmpty
            let asked = isSubscribing ? Method.resourcesSubscribe : method
            if let refusal = service.door.objection(exchange, visit.place, visit.principal, asked) {
                refuse(exchange, refusal)
                return false
            }
        }
        return true
    }

    // MARK: POST

    private func post(_ exchange: HTTPExchange, _ visit: Visit, _ description: EndpointDescription) {
        guard let document = parse(exchange) else { return }
        let version = exchange.headers.first(MirroredHeaders.protocolVersion)
        // To a revision that never had batches an array is no message.
        let knowsBatches = version.map { ProtocolRevision(rawValue: $0)?.era == .legacy } ?? true
        if document.kind == .array, knowsBatches { return batch(exchange, document, visit) }
        do throws(RPCError) {
            let message = try RPCMessage(document)
            guard mayAsk(exchange, visit, [message]) else { return }
            switch ModernRequest.era(of: message, versionHeader: version) {
            case .modern: modern(exchange, message, visit, description)
            case .legacy: legacy(exchange, message, visit, description)
            }
        } catch {
            HTTPAnswer(exchange, streams: streams)
                .finish(RPCMessage.refusal(RPCMessage.readableID(in: document), error), status: 400)
        }
    }

    /// - Returns: `nil` when the request was answered already.
    func parse(_ exchange: HTTPExchange) -> JSON? {
        let type = exchange.headers.first("content-type")?.prefix { $0 != ";" }.lowercased()
            .filter { $0 != " " }
        // A page of another origin can send any other type without asking first (CORS); this one it cannot.
        guard type == "application/json" else {
            exchange.refuse(415, "the body of a request must be application/json")
            return nil
        }
        do throws(JSONError) {
            return try JSON(validating: exchange.body[...], limits: limits.message.json)
        } catch {
            HTTPAnswer(exchange, streams: streams)
                .finish(RPCMessage.refusal(unreadable: exchange.body, error), status: 400)
            return nil
        }
    }

    private func modern(
        _ exchange: HTTPExchange, _ message: RPCMessage, _ visit: Visit,
        _ description: EndpointDescription
    ) {
        let answer = HTTPAnswer(exchange, streams: streams)
        // Over HTTP a client of this revision has nothing to notify of; what it sends is accepted and means
        // nothing.
        if case .notification = message { return answer.finishEmpty() }
        let request: ModernRequest
        do throws(ModernRefusal) {
            request = try ModernRequest(message) { exchange.headers.all($0) }
            try checkParameters(of: request, exchange.headers, visit)
        } catch {
            return answer.finish(RPCMessage.refusal(message.id, error.error), status: error.status)
        }
        if request.method == Method.subscriptionsListen {
            guard answer.mayStream else {
                return exchange.refuse(406, "a listen needs a client that accepts text/event-stream")
            }
            guard streams.count < limits.streamsMax else {
                return exchange.refuse(503, "too many streams are open; try again later")
            }
        }
        learnShortWay(of: request, exchange, visit)
        serve(request, exchange, answer, visit, description, by: service)
    }

    /// - Parameter service: of this front, or what goes on with a call of it.
    func serve(
        _ request: ModernRequest, _ exchange: HTTPExchange, _ answer: HTTPAnswer, _ visit: Visit,
        _ description: EndpointDescription, by service: MCPService
    ) {
        let dialogue = ModernDialogue(
            service: service, endpoint: visit.endpoint, principal: visit.principal,
            limits: limits)
        // Before anything is looked up: what changes from there on ends what is learnt.
        let isUnchanged = EntryListKind(method: request.method) == nil ? nil : service.unchanged()
        let running = dialogue.serve(request, description: description) { [self] output in
            switch output {
            case .notification(let message): answer.send(message)
            case .answer(let message, let status): answer.finish(message, status: status)
            case .list(let id, let result):
                learnList(result, exchange, visit, isUnchanged)
                answer.finish(id, result)
            }
        }
        // The one sign by which a client of this revision cancels.
        exchange.onClose {
            running.cancel()
            answer.abandon()
        }
        answer.onExpelled {
            answer.finish(RPCMessage.refusal(request.id, Self.expulsion), status: 401)
            running.cancel()
        }
        if request.method == Method.subscriptionsListen {
            streams.setFarewell(
                {
                    answer.finish(ModernDialogue.listenEnded(request.id))
                    running.cancel()
                }, of: exchange)
        }
    }

    /// Compares `Mcp-Param-*` with the arguments, where the tool's schema asks for such headers.
    private func checkParameters(
        of request: ModernRequest, _ headers: HTTPHeaders, _ visit: Visit
    ) throws(ModernRefusal) {
        guard request.method == Method.toolsCall, let name = request.params["name"]?.string,
            let definition = service.definition(visit.endpoint, visit.principal, .tools, name),
            let tool = ToolDefinition(definition), let parameters = try? tool.parameterHeaders()
        else { return }
        do throws(RPCError) {
            try MirroredHeaders.check(
                { headers.all($0) }, arguments: request.params["arguments"] ?? .emptyObject,
                against: parameters)
        } catch {
            throw ModernRefusal(error)
        }
    }
}

/// A path of the MCP surface.
enum Route: Hashable, Sendable {
    case health
    case ready
    case resourceMetadata(of: String?)
    case streamable(EndpointName)
    case events(EndpointName)
    case messages(EndpointName)

    init?(path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        if parts.starts(with: [".well-known", "oauth-protected-resource"]) {
            guard parts.count > 2 else {
                self = .resourceMetadata(of: nil)
                return
            }
            guard let place = Route(path: parts.dropFirst(2).joined(separator: "/"))?.place else {
                return nil
            }
            self = .resourceMetadata(of: place)
            return
        }
        switch (parts.count, parts.first, parts.last) {
        case (1, "healthz", _): self = .health
        case (1, "readyz", _): self = .ready
        case (1, "mcp", _): self = .streamable(.all)
        case (3, "servers", "mcp"): self = .streamable(.server(parts[1]))
        case (3, "servers", "sse"): self = .events(.server(parts[1]))
        case (3, "servers", "messages"): self = .messages(.server(parts[1]))
        default: return nil
        }
    }

    /// The path as it is published, whatever way it was spelled; `nil` for what belongs to no endpoint, and for names that
    /// nothing can have.
    var place: String? {
        switch self {
        case .health, .ready, .resourceMetadata: return nil
        case .streamable(let endpoint):
            guard case .server(let name) = endpoint.place else { return "/mcp" }
            return Self.isName(name) ? "/servers/\(name)/mcp" : nil
        case .events(let endpoint), .messages(let endpoint):
            guard case .server(let name) = endpoint.place, Self.isName(name) else { return nil }
            return "/servers/\(name)/sse"
        }
    }

    /// `NAME` or `NODE--NAME`, each of at most 32 characters.
    private static func isName(_ text: String) -> Bool {
        (1...66).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    mutating func show(as mode: ListingMode) {
        let shown = { (endpoint: EndpointName) in EndpointName(endpoint.place, mode: mode) }
        switch self {
        case .streamable(let endpoint): self = .streamable(shown(endpoint))
        case .events(let endpoint): self = .events(shown(endpoint))
        case .messages(let endpoint): self = .messages(shown(endpoint))
        case .health, .ready, .resourceMetadata: break
        }
    }
}

extension HTTPExchange {
    func say(_ status: Int, _ text: String, headers: [(String, String)] = []) {
        respond(
            status: status, headers: headers + [("Content-Type", "text/plain; charset=utf-8")],
            body: Array("\(text)\n".utf8))
    }

    /// Refuses outside of JSON-RPC, with a sentence for whoever reads it.
    func refuse(_ status: Int, _ message: String, headers: [(String, String)] = []) {
        respond(
            status: status, headers: headers + [("Content-Type", "application/json")],
            body: Array(JSON.object([("error", .string(message))]).bytes))
    }
}
