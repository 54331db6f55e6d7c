import HTTPWire
import JSONSlice
import MCPModel

/// Where requests for lists enter the short way (docs/decisions/0039-the-short-way.md).
extension MCPFront {
    /// - Returns: whether the exchange was answered.
    func answersKnownList(_ exchange: HTTPExchange) -> Bool {
        guard let pass = exchange.checked.listPass.withLock({ $0 }), let id = pass.id(in: exchange.body)
        else { return false }
        guard let result = pass.answer else {
            exchange.checked.listPass.withLock { $0 = nil }
            return false
        }
        if let turn = pass.turn {
            guard let session = sessions.withLock({ $0.use(turn.name, scope: turn.scope, at: .now) }) else {
                return false
            }
            session.dialogue.hear(from: turn.principal)
        }
        exchange.respond(result: result.bytes, to: exchange.body[id])
        return true
    }

    /// Takes note of how a request for a list was answered, for those that come after it and differ in their ids alone.
    ///
    /// - Parameters:
    ///   - isUnchanged: ``MCPService/unchanged`` as it was before the list was looked up.
    ///   - session: in which it was asked for, if in one.
    func learnList(
        _ result: ListResult, _ exchange: HTTPExchange, _ visit: Visit,
        _ isUnchanged: (@Sendable () -> Bool)?, in session: String? = nil
    ) {
        // What such a caller may ask for is asked of its token with each request.
        guard let written = result.written, let isUnchanged, visit.principal.scopes == nil else { return }
        // A head whose pass is good and whose bodies fit none goes the long way for good.
        if let known = exchange.checked.listPass.withLock({ $0 }), known.isGood { return }
        guard AcceptedTypes(exchange.headers).json, let admits = service.door.lasting(exchange),
            let document = try? JSON(validating: exchange.body[...], limits: limits.message.json),
            let frame = RequestFrame(exchange.body, document)
        else { return exchange.checked.listPass.withLock { $0 = nil } }
        let turn = session.map {
            ListPass.Turn(name: $0, scope: visit.scope, principal: visit.principal)
        }
        let pass = ListPass(frame, written, in: turn, admits: admits, isUnchanged: isUnchanged)
        exchange.checked.listPass.withLock { $0 = pass }
    }
}
