import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// A plain call of a client that goes over a hop of the mesh, on the short way: given to the mesh as it is, and its result written as it
/// comes. Whatever else comes is handed to the general way, which hears all that has come (docs/decisions/0040-the-short-way-over-a-hop.md).
final class FarCall: Sendable {
    private enum Phase {
        case waiting
        /// Its events are another's, who may not have come for them yet: those that came meanwhile.
        case carried([CallEvent], CallSink?)
        case over
    }

    private struct State {
        var phase = Phase.waiting
        /// The hold on what runs, which holds this: none after the end.
        var running: CallHandle?

        /// - Returns: what it was until now.
        mutating func leave() -> State {
            defer { self = State(phase: .over) }
            return self
        }
    }

    private let exchange: HTTPExchange
    private let pass: ShortPass
    private let tool: FarTool
    private let call: PlainToolCall
    private let front: MCPFront
    private let id = CallID.random()
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    static func begin(
        _ call: PlainToolCall, _ exchange: HTTPExchange, _ pass: ShortPass, _ tool: FarTool,
        at front: MCPFront
    ) {
        FarCall(exchange, pass, tool, call, at: front).begin()
    }

    private init(
        _ exchange: HTTPExchange, _ pass: ShortPass, _ tool: FarTool, _ call: PlainToolCall,
        at front: MCPFront
    ) {
        self.exchange = exchange
        self.pass = pass
        self.tool = tool
        self.call = call
        self.front = front
    }

    private func begin() {
        tool.begun()
        exchange.onClose { self.clientGone() }
        let order = FarTool.Order(
            id: id, params: call.carriedParams(name: tool.name), capabilities: call.capabilities,
            clientInfo: call.clientInfo)
        let running = tool.send(order) { self.take($0) }
        let isWanted = state.withLock { state in
            if case .over = state.phase { return false }
            state.running = running
            return true
        }
        // Its client went before; of a call that has ended this is nothing.
        if !isWanted { running.cancel() }
    }

    // MARK: What comes

    private func take(_ event: CallEvent) {
        let (sink, over): (CallSink?, State?) = state.withLock { state in
            guard case .carried(let events, let sink) = state.phase else { return (nil, nil) }
            guard sink != nil else {
                state.phase = .carried(events + [event], nil)
                return (nil, nil)
            }
            return (sink, event.isFinal ? state.leave() : nil)
        }
        _ = over  // let go of outside of the lock
        if let sink { return sink(event) }
        guard case .result(let result) = event else { return carryOn(with: event) }
        let loop = exchange.eventLoop
        if loop.inEventLoop { evaluate(result) } else { loop.execute { self.evaluate(result) } }
    }

    /// The whole answer is here; on the loop of the exchange.
    private func evaluate(_ result: JSON) {
        guard let answer = PlainToolAnswer(result: result) else { return carryOn(with: .result(result)) }
        guard end() != nil else { return }
        let shown = answer.namesNoResource ? nil : tool.outward.map { $0(result) }
        tool.ended(
            ShortTool.End(
                id: id, answer: ((shown ?? result).bytes, answer.isError),
                answerBytes: (shown ?? result).bytes.count, arguments: call.arguments?.bytes,
                elapsed: start.duration(to: .now)))
        let serverInfo = pass.description.serverInfo
        exchange.respond(
            json: .pieces(
                shown.map { PlainToolAnswer.pieces(id: call.id, EraBridge.withServerInfo($0, serverInfo)) }
                    ?? answer.pieces(id: call.id, serverInfo: serverInfo)))
    }

    private func clientGone() {
        guard let last = end() else { return }
        tool.ended(
            ShortTool.End(
                id: id, answer: nil, arguments: call.arguments?.bytes, elapsed: start.duration(to: .now)))
        last.running?.cancel()
    }

    /// - Returns: its last state, if it waited until now.
    private func end() -> State? {
        state.withLock { state in
            guard case .waiting = state.phase else { return nil }
            return state.leave()
        }
    }

    // MARK: The general way

    private func carryOn(with event: CallEvent) {
        let isFirst = state.withLock { state in
            guard case .waiting = state.phase else { return false }
            state.phase = .carried([event], nil)
            return true
        }
        guard isFirst else { return }
        let carried = FarTool.Carried(id: id, start: start, adopt: { self.adopt($0) })
        var service = front.service
        service.call = { [tool] call, sink in tool.carryOn(call, carried, sink) }
        let answer = HTTPAnswer(exchange, streams: front.streams, accepts: pass.accepts)
        front.serve(ModernRequest(call), exchange, answer, pass.visit, pass.description, by: service)
    }

    private func adopt(_ sink: @escaping CallSink) -> CallHandle {
        let (past, over): ([CallEvent], State?) = state.withLock { state in
            guard case .carried(let events, nil) = state.phase else { return ([], nil) }
            if events.last?.isFinal == true { return (events, state.leave()) }
            state.phase = .carried([], sink)
            return (events, nil)
        }
        _ = over  // let go of outside of the lock
        for event in past { sink(event) }
        return CallHandle { self.state.withLock { $0.running }?.cancel() }
    }
}
