import HTTPWire
import JSONSlice
import MCPModel

/// Where calls enter the short way and leave it (docs/decisions/0039-the-short-way.md).
extension MCPFront {
    /// - Returns: whether the exchange is taken care of.
    func takesShortWay(_ exchange: HTTPExchange) -> Bool {
        guard let pass = exchange.checked.pass.withLock({ $0 }),
            let call = pass.call(in: exchange.body, limits: limits.message.json)
        else { return false }
        guard pass.isGood else {
            exchange.checked.pass.withLock { $0 = nil }
            return false
        }
        switch pass.tool.way {
        case .short(let tool) where tool.lane.takes(call.capabilities):
            return ShortCall.begin(call, exchange, pass, tool, at: self)
        case .short(let tool): start(call, exchange, pass, by: tool.start)
        case .far(let tool): FarCall.begin(call, exchange, pass, tool, at: self)
        case .settled(let way): start(call, exchange, pass, by: way)
        }
        return true
    }

    /// Starts a call of which all that could be decided has been.
    private func start(
        _ call: PlainToolCall, _ exchange: HTTPExchange, _ pass: ShortPass,
        by way: @escaping @Sendable (EndpointCall, @escaping CallSink) -> CallHandle
    ) {
        var service = service
        service.call = way
        let answer = HTTPAnswer(exchange, streams: streams, accepts: pass.accepts)
        serve(ModernRequest(call), exchange, answer, pass.visit, pass.description, by: service)
    }

    /// Takes note of what a request that goes the long way has shown, for those with the same head that come after it.
    ///
    /// - Parameter request: checked, headers and all.
    func learnShortWay(
        of request: ModernRequest, _ exchange: HTTPExchange, _ visit: Visit
    ) {
        guard request.method == Method.toolsCall, request.revision == .newestModern,
            let name = request.params["name"]?.string,
            // What such a caller may do is asked of its token with each request.
            visit.principal.scopes == nil
        else { return }
        // A head whose pass is good and whose bodies fit none goes the long way for good.
        if let known = exchange.checked.pass.withLock({ $0 }), known.isGood { return }
        let accepts = AcceptedTypes(exchange.headers)
        guard accepts.json, let admits = service.door.lasting(exchange),
            let tool = service.toolPass(visit.endpoint, visit.principal, name),
            !mirrorsArguments(name, visit),
            // After what the pass rests on was noted: whatever changes from there on ends it.
            let description = service.describe(visit.endpoint, visit.principal)
        else { return exchange.checked.pass.withLock { $0 = nil } }
        let pass = ShortPass(visit, description, accepts, tool, name: .string(name), admits: admits)
        exchange.checked.pass.withLock { $0 = pass }
    }

    /// Whether some of a tool's arguments stand in headers, too: with each call one has to be held against the other.
    private func mirrorsArguments(_ tool: String, _ visit: Visit) -> Bool {
        guard let shown = service.definition(visit.endpoint, visit.principal, .tools, tool),
            let definition = ToolDefinition(shown)
        else { return true }
        return (try? definition.parameterHeaders())?.parameters.isEmpty != true
    }

    /// Goes on with a call by the long way.
    func carryOn(_ short: ShortCall, _ carried: CarriedCall) {
        if let turn = short.turn { return turn.carryOn(short.call, carried, by: short.tool) }
        let (exchange, pass) = (short.exchange, short.pass)
        var service = service
        service.call = { [tool = short.tool] call, sink in tool.carryOn(call, carried, sink) }
        let answer = HTTPAnswer(exchange, streams: streams, accepts: pass.accepts)
        serve(ModernRequest(short.call), exchange, answer, pass.visit, pass.description, by: service)
    }
}
