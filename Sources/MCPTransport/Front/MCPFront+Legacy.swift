import JSONSlice
import Logging
import MCPModel
import Synchronization

/// Streamable HTTP of 2025-03-26 to 2025-11-25.
extension MCPFront {
    static let sessionHeader = "Mcp-Session-Id"
    static let lastEventHeader = "Last-Event-ID"

    func legacy(
        _ exchange: HTTPExchange, _ message: RPCMessage, _ visit: Visit,
        _ description: EndpointDescription
    ) {
        if case .request(let id, Method.initialize, let params) = message {
            return initialize(exchange, id, params, visit, description)
        }
        guard let session = session(of: exchange, visit) else { return }
        let answer = SessionAnswer(exchange, session.streams)
        guard case .request(_, let method, _) = message else {
            session.dialogue.receive(message) { _ in }
            return answer.finishEmpty()
        }
        // Before anything is looked up: what changes from there on ends what is learnt.
        let isUnchanged = EntryListKind(method: method) == nil ? nil : service.unchanged()
        learnSessionWay(of: message, exchange, visit, session, description)
        let reply = Self.reply(by: answer)
        // A client that goes away has not cancelled: the call goes on.
        session.dialogue.receive(message, canAsk: answer.mayStream) { [self] output in
            if case .list(_, let result) = output {
                learnList(
                    result, exchange, visit, isUnchanged, in: exchange.headers.first(Self.sessionHeader))
            }
            reply(output)
        }
        answer.openStream(after: limits.streamAfter)
    }

    private func initialize(
        _ exchange: HTTPExchange, _ id: RPCID, _ params: JSON?, _ visit: Visit,
        _ description: EndpointDescription
    ) {
        let session = LegacySession(initialize: params)
        let dialogue = LegacyDialogue(
            session: session, on: ground, endpoint: visit.endpoint, principal: visit.principal)
        let name = SessionName.fresh()
        let evicted = sessions.withLock { table in
            table.insert(
                StreamableSession(
                    dialogue: dialogue,
                    streams: SessionStreams(session.revision, limits, streams, replayTotal)),
                id: name, scope: visit.scope, at: .now
            ) { $0.dialogue.isBusy }
        }
        guard let evicted else {
            return exchange.refuse(503, "all \(limits.sessionsMax) sessions are busy; try again later")
        }
        for session in evicted { session.close() }
        HTTPAnswer(exchange, streams: streams, headers: [(Self.sessionHeader, name)])
            .finish(RPCMessage.response(id: id, result: session.welcome(description)).json)
    }

    /// - Returns: `nil` when the request was answered already.
    private func session(of exchange: HTTPExchange, _ visit: Visit) -> StreamableSession? {
        guard let name = exchange.headers.first(Self.sessionHeader) else {
            exchange.refuse(
                400,
                "no \(Self.sessionHeader) header: a session begins with `initialize`; "
                    + "clients of \(ProtocolRevision.newestModern.rawValue) send \(MirroredHeaders.protocolVersion)"
            )
            return nil
        }
        guard let session = sessions.withLock({ $0.use(name, scope: visit.scope, at: .now) }) else {
            exchange.refuse(404, "no such session; begin a new one with `initialize`")
            return nil
        }
        if let said = exchange.headers.first(MirroredHeaders.protocolVersion),
            said != session.dialogue.revision.rawValue
        {
            exchange.refuse(
                400,
                "this session is of revision \(session.dialogue.revision.rawValue); \(MirroredHeaders.protocolVersion) says another"
            )
            return nil
        }
        session.dialogue.hear(from: visit.principal)
        return session
    }

    func openSessionStream(_ exchange: HTTPExchange, _ visit: Visit) {
        guard exchange.headers.first(Self.sessionHeader) != nil else {
            return exchange.refuse(
                405, "GET opens the stream of a session; begin one by POST", headers: [("Allow", "POST")])
        }
        guard let session = session(of: exchange, visit) else { return }
        guard AcceptedTypes(exchange.headers).events else {
            return exchange.refuse(406, "this stream needs a client that accepts text/event-stream")
        }
        guard streams.count < limits.streamsMax else {
            return exchange.refuse(503, "too many streams are open; try again later")
        }
        guard let last = exchange.headers.first(Self.lastEventHeader), !last.isEmpty else {
            session.streams.beginOwn(on: exchange)
            return attach(exchange, session)
        }
        guard let id = EventID(last), session.streams.resume(after: id, on: exchange) else {
            return exchange.refuse(
                400, "what followed this event is not kept any more; send the request again if that is safe")
        }
        if id.stream == ReplayBuffer.own { attach(exchange, session) }
    }

    /// Has what belongs to no request go out there.
    private func attach(_ exchange: HTTPExchange, _ session: StreamableSession) {
        let number = session.dialogue.attach(
            { [streams = session.streams] in streams.push($0, to: ReplayBuffer.own) },
            end: { [streams = session.streams] in streams.endOwn(on: exchange) })
        exchange.onClose { [dialogue = session.dialogue] in dialogue.detach(number) }
    }

    func endSession(_ exchange: HTTPExchange, _ visit: Visit) {
        guard let name = exchange.headers.first(Self.sessionHeader) else {
            return exchange.refuse(405, "DELETE ends a session", headers: [("Allow", "POST")])
        }
        guard let session = sessions.withLock({ $0.remove(name, scope: visit.scope) }) else {
            return exchange.refuse(404, "no such session")
        }
        session.close()
        exchange.respond(status: 204, headers: [], body: [])
    }

    /// A batch: of 2025-03-26 alone. Its requests run side by side; the answers come as one array, or, once
    /// anything else has to be said, one by one on a stream.
    func batch(_ exchange: HTTPExchange, _ document: JSON, _ visit: Visit) {
        guard let session = session(of: exchange, visit) else { return }
        let (dialogue, answer) = (session.dialogue, SessionAnswer(exchange, session.streams))
        let items = document.elements
        guard dialogue.revision == .v2025_03_26, (1...limits.batchMax).contains(items.count) else {
            let reason =
                dialogue.revision == .v2025_03_26
                ? "a batch holds 1 to \(limits.batchMax) messages"
                : "revision \(dialogue.revision.rawValue) has no batches"
            return answer.finish(RPCMessage.refusal(nil, .invalidRequest(reason)), status: 400)
        }
        var messages: [RPCMessage] = []
        var refusals: [JSON] = []
        for item in items {
            do throws(RPCError) {
                messages.append(try RPCMessage(item))
            } catch {
                refusals.append(RPCMessage.refusal(RPCMessage.readableID(in: item), error))
            }
        }
        guard mayAsk(exchange, visit, messages) else { return }
        let requests = messages.filter { if case .request = $0 { true } else { false } }.count
        let gathering = BatchAnswer(answer, awaiting: requests, refusals)
        for message in messages {
            dialogue.receive(message, canAsk: answer.mayStream) { gathering.take($0) }
        }
        if requests == 0 { gathering.finishWithoutRequests() }
    }
}

/// Gathers the answers to one batch.
private final class BatchAnswer: Sendable {
    private struct State: Sendable {
        var awaiting: Int
        var answers: [JSON]
        var isStreaming = false
    }

    private let answer: SessionAnswer
    private let state: Mutex<State>

    init(_ answer: SessionAnswer, awaiting: Int, _ answers: [JSON]) {
        self.answer = answer
        self.state = Mutex(State(awaiting: awaiting, answers: answers))
    }

    func take(_ output: LegacyDialogue.Output) {
        switch output {
        case .message(let message):
            guard answer.mayStream else { return }
            for earlier in stream() { answer.send(earlier) }
            answer.send(message)
        case .answer(let message): complete(message)
        case .list(let id, let result): complete(result.message(id))
        case .none: complete(nil)
        }
    }

    func finishWithoutRequests() {
        let answers = state.withLock { $0.answers }
        answers.isEmpty ? answer.finishEmpty() : answer.finish(.array(answers))
    }

    private func stream() -> [JSON] {
        state.withLock { state in
            state.isStreaming = true
            defer { state.answers = [] }
            return state.answers
        }
    }

    private func complete(_ message: JSON?) {
        let (isLast, isStreaming, answers) = state.withLock { state in
            state.awaiting -= 1
            if let message, !state.isStreaming { state.answers.append(message) }
            return (state.awaiting == 0, state.isStreaming, state.answers)
        }
        if isStreaming, let message { answer.send(message) }
        guard isLast else { return }
        isStreaming || answers.isEmpty ? answer.finishSilently() : answer.finish(.array(answers))
    }
}

/// Names of sessions: 128 random bits of the system's generator, so that none can be guessed.
enum SessionName {
    static func fresh() -> String {
        var random = SystemRandomNumberGenerator()
        return CallID(using: &random).description
    }
}
