import JSONSlice
import MCPModel
import Synchronization

/// HTTP+SSE of 2024-11-05: one stream carries all that the server says; the client POSTs what
/// it says to the URL that the stream's first event names. The session ends with the stream.
extension MCPFront {
    func openEvents(_ exchange: HTTPExchange, _ visit: Visit) {
        guard AcceptedTypes(exchange.headers).events else {
            return exchange.refuse(406, "this stream needs a client that accepts text/event-stream")
        }
        guard streams.count < limits.streamsMax, case .server(let server) = visit.endpoint.place else {
            return exchange.refuse(503, "too many streams are open; try again later")
        }
        let name = SessionName.fresh()
        let session = EventSession(exchange, visit, ground)
        let evicted = eventSessions.withLock { table in
            table.insert(
                session, id: name, scope: visit.scope, at: .now
            ) { _ in true }
        }
        guard evicted != nil else {
            return exchange.refuse(503, "all \(limits.sessionsMax) sessions are busy; try again later")
        }
        exchange.startStream(status: 200, headers: HTTPAnswer.eventHeaders)
        let mode = visit.endpoint.mode.map { "&mode=\($0.rawValue)" } ?? ""
        let url = "/servers/\(server)/messages?session=\(name)\(mode)"
        exchange.write(SSEEvent(type: "endpoint", data: Array(url.utf8)).bytes)
        streams.insert(exchange)
        exchange.onClose { [weak self] in
            _ = self?.eventSessions.withLock {
                $0.remove(name, scope: visit.scope)
            }
            session.dialogue.close()
        }
    }

    func postMessage(_ exchange: HTTPExchange, _ visit: Visit, _ description: EndpointDescription) {
        let name = exchange.query.first { $0.0 == "session" }?.1 ?? ""
        let session = eventSessions.withLock {
            $0.use(name, scope: visit.scope, at: .now)
        }
        guard let session else {
            return exchange.refuse(404, "no such session; it ends when its stream does")
        }
        guard let document = parse(exchange) else { return }
        do throws(RPCError) {
            let message = try RPCMessage(document)
            guard mayAsk(exchange, visit, [message]) else { return }
            exchange.respond(status: 202, headers: [], body: [])
            session.receive(message, description, from: visit.principal)
        } catch {
            HTTPAnswer(exchange, streams: streams)
                .finish(RPCMessage.refusal(RPCMessage.readableID(in: document), error), status: 400)
        }
    }
}

/// One session of HTTP+SSE: its stream, and the dialogue on it.
final class EventSession: Sendable {
    private let exchange: HTTPExchange
    private let visit: Visit
    private let ground: SessionGround
    /// Begins as one that nobody has initialized, which answers as the oldest revision.
    private let current: Mutex<LegacyDialogue>

    init(_ exchange: HTTPExchange, _ visit: Visit, _ ground: SessionGround) {
        self.exchange = exchange
        self.visit = visit
        self.ground = ground
        let oldest: JSON = ["protocolVersion": .string(ProtocolRevision.v2024_11_05.rawValue)]
        self.current = Mutex(
            LegacyDialogue(
                session: LegacySession(initialize: oldest), on: ground, endpoint: visit.endpoint,
                principal: visit.principal))
    }

    var dialogue: LegacyDialogue { current.withLock { $0 } }

    func receive(_ message: RPCMessage, _ description: EndpointDescription, from principal: Principal) {
        if case .request(let id, Method.initialize, let params) = message {
            let session = LegacySession(initialize: params)
            let fresh = LegacyDialogue(
                session: session, on: ground, endpoint: visit.endpoint, principal: principal)
            let old = current.withLock { current in
                defer { current = fresh }
                return current
            }
            old.close()
            push(RPCMessage.response(id: id, result: session.welcome(description)).json)
            _ = fresh.attach { [weak self] in self?.push($0) }
            return
        }
        let dialogue = dialogue
        dialogue.hear(from: principal)
        dialogue.receive(message) { [weak self] output in
            switch output {
            case .message(let message), .answer(let message): self?.push(message)
            case .list(let id, let result): self?.push(result.message(id))
            case .none: break
            }
        }
    }

    private func push(_ message: JSON) { exchange.write(SSEEvent(message: message).bytes) }
}
