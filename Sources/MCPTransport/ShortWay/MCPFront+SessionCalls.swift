import HTTPWire
import JSONSlice
import MCPModel

/// Where calls of legacy sessions enter the short way (docs/decisions/0039-the-short-way.md).
extension MCPFront {
    /// - Returns: whether the exchange is taken care of.
    func takesSessionWay(_ exchange: HTTPExchange) -> Bool {
        guard let known = exchange.checked.sessionPass.withLock({ $0 }),
            let session = sessions.withLock({ $0.use(known.name, scope: known.scope, at: .now) }),
            let facts = session.dialogue.plainFacts,
            let (call, pass) = known.call(in: exchange.body, limits: limits.message.json, of: facts)
        else { return false }
        session.dialogue.hear(from: pass.visit.principal)
        let answer = SessionAnswer(exchange, session.streams, accepts: pass.accepts)
        switch pass.tool.way {
        case .short(let tool) where known.canBeAsked && !tool.lane.carrier.takesAnyCaller:
            start(call, session, answer, by: tool.start)
        case .short(let tool):
            guard
                let issue = session.dialogue.begin(
                    call, facts, canAsk: answer.mayStream, Self.reply(by: answer))
            else { return false }
            let turn = SessionTurn(dialogue: session.dialogue, answer: answer, facts: facts, issue: issue)
            guard ShortCall.begin(call, exchange, pass, tool, at: self, in: turn) else {
                _ = session.dialogue.end(call.id, issue)
                return false
            }
        case .far(let tool): start(call, session, answer, by: tool.start)
        case .settled(let way): start(call, session, answer, by: way)
        }
        return true
    }

    private func start(
        _ call: PlainToolCall, _ session: StreamableSession, _ answer: SessionAnswer,
        by way: @escaping @Sendable (EndpointCall, @escaping CallSink) -> CallHandle
    ) {
        session.dialogue.start(
            call.id, Method.toolsCall, call.params, answer.mayStream, by: way, Self.reply(by: answer))
        answer.openStream(after: limits.streamAfter)
    }

    /// Takes note of what a call in a session that goes the long way has shown, for those with the same head that come after it.
    func learnSessionWay(
        of message: RPCMessage, _ exchange: HTTPExchange, _ visit: Visit, _ session: StreamableSession,
        _ description: EndpointDescription
    ) {
        guard case .request(_, Method.toolsCall, let params?) = message, let tool = params["name"]?.string,
            // What such a caller may do is asked of its token with each request.
            params["_meta"] == nil, visit.principal.scopes == nil,
            let id = exchange.headers.first(Self.sessionHeader), let facts = session.dialogue.plainFacts
        else { return }
        let name = JSON.string(tool)
        let known = exchange.checked.sessionPass.withLock { $0 }
        guard known?.lacks(name) != false else { return }
        let accepts = AcceptedTypes(exchange.headers)
        guard accepts.json, let admits = service.door.lasting(exchange),
            let way = service.toolPass(visit.endpoint, visit.principal, tool)
        else { return }
        let declared = DeclaredCapabilities(of: facts.capabilities, at: .newestLegacy)
        let keeper = known ?? SessionPass(id, visit.scope, canBeAsked: declared != .none)
        keeper.keep(ShortPass(visit, description, accepts, way, name: name, admits: admits), of: name)
        exchange.checked.sessionPass.withLock { $0 = keeper }
    }

    /// Has what a session says of a request go out as the answer to it.
    static func reply(by answer: SessionAnswer) -> LegacyDialogue.Reply {
        { output in
            switch output {
            case .message(let message): answer.send(message)
            case .answer(let message): answer.finish(message)
            case .list(let id, let result): answer.finish(id, result)
            case .none: answer.finishSilently()
            }
        }
    }
}
