import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// A call on the short way: out over a lane, and its answer back to its client, without a step between.
///
/// Only a complete result and a plain refusal end here. Whatever else comes, or does not come in time, is handed to the long way, which hears
/// all that has come so far (docs/decisions/0039-the-short-way.md).
final class ShortCall: LaneRun {
    var caller: Caller { pass.visit.principal.caller }

    var loop: any EventLoop { exchange.eventLoop }

    let exchange: HTTPExchange
    let pass: ShortPass
    let tool: ShortTool
    let call: PlainToolCall
    /// Of a call in a session.
    let turn: SessionTurn?
    private let front: MCPFront
    private let id: CallID
    private let number: Int
    private let start = ContinuousClock.now
    private let startDue = NIODeadline.now()
    private let state = Mutex(LaneAnswer())

    /// Begins a call, if it may go this way.
    ///
    /// - Returns: `false` where nothing was done.
    static func begin(
        _ call: PlainToolCall, _ exchange: HTTPExchange, _ pass: ShortPass,
        _ tool: ShortTool,
        at front: MCPFront, in turn: SessionTurn? = nil
    ) -> Bool {
        guard tool.places.enter() else { return false }
        guard let number = tool.lane.enter() else {
            tool.places.leave(after: nil)
            return false
        }
        ShortCall(exchange, pass, tool, call, number, at: front, in: turn).begin()
        return true
    }

    private init(
        _ exchange: HTTPExchange, _ pass: ShortPass, _ tool: ShortTool, _ call: PlainToolCall, _ number: Int,
        at front: MCPFront, in turn: SessionTurn?
    ) {
        self.turn = turn
        self.exchange = exchange
        self.pass = pass
        self.tool = tool
        self.call = call
        self.front = front
        self.number = number
        id = CallID.random()
    }

    private func begin() {
        let lane = tool.lane
        tool.begun()
        // A session's client that goes has not cancelled: it says so.
        if let turn {
            turn.hold(call) { self.takenBack() }
        } else {
            exchange.onClose { self.clientGone() }
        }
        let running = lane.carrier.send(
            call, number, begunBy: id, on: exchange.eventLoop,
            patience: min(tool.callMax, lane.patience, turn?.patience ?? lane.patience), for: self)
        if !state.withLock({ $0.hold(running) }) { running?.cancel() }
        if running == nil { carryOn(with: lane.carrier.unsent) }
    }

    // MARK: What comes

    var answerBytesMax: Int { tool.lane.carrier.limits.bytesMax }

    func withAnswer<Value: Sendable>(_ body: (inout LaneAnswer) -> Value) -> Value {
        state.withLock { body(&$0) }
    }

    func evaluate(_ whole: LaneAnswer.Whole) {
        guard whole.count > LargeAnswers.onLoopMax else { return finish(read(whole), whole) }
        LargeAnswers.run(on: exchange.eventLoop) {
            let reading = self.read(whole, isLarge: true)
            return { self.finish(reading, whole) }
        }
    }

    /// What an answer comes to.
    private enum Reading: Sendable {
        case result(Result)
        case refusal(LaneRefusal)
    }

    private struct Result: Sendable {
        var result: JSON
        var isError: Bool
        /// Whether it is the result that the server gave, in the body that it came in.
        var isAsGiven: Bool
        var written: WrittenAnswer

        consuming func joined() -> Result {
            written = written.joined
            return self
        }
    }

    /// - Returns: `nil` for what does not end here.
    private func read(_ whole: LaneAnswer.Whole, isLarge: Bool = false) -> Reading? {
        guard let answer = tool.lane.answer(whole, to: number, knowing: pass.answers) else {
            return tool.lane.refusal(whole, to: number, of: call).map { .refusal($0) }
        }
        let shown = answer.namesNoResource ? nil : tool.outward.map { $0(answer.result) }
        let pieces =
            if let turn {
                shown.map { PlainToolAnswer.pieces(id: call.id, $0, in: turn.dialogue.revision) }
                    ?? answer.pieces(id: call.id, in: turn.dialogue.revision)
            } else {
                shown.map {
                    PlainToolAnswer.pieces(
                        id: call.id, EraBridge.withServerInfo($0, pass.description.serverInfo))
                } ?? answer.pieces(id: call.id, serverInfo: pass.description.serverInfo)
            }
        let result = Result(
            result: shown ?? answer.result, isError: answer.isError, isAsGiven: shown == nil,
            written: .pieces(pieces))
        return .result(isLarge ? result.joined() : result)
    }

    private func finish(_ reading: Reading?, _ whole: LaneAnswer.Whole) {
        guard let reading else {
            return carryOn(with: state.withLock { $0.giveBack(whole) })
        }
        guard end() else { return }
        switch reading {
        case .result(let result): finish(result, whole)
        case .refusal(let refusal): finish(refusal, ofMessage: whole.capacity)
        }
    }

    private func finish(_ reading: Result, _ whole: LaneAnswer.Whole) {
        let now = ContinuousClock.now
        let elapsed = start.duration(to: now)
        tool.lane.leave(.answered, at: now)
        tool.places.leave(after: elapsed)
        tool.ended(
            ShortTool.End(
                id: id, answer: (reading.result.bytes, reading.isError),
                answerBytes: reading.isAsGiven ? whole.capacity : reading.result.bytes.count,
                arguments: call.arguments?.bytes, elapsed: elapsed))
        if let turn { turn.finish(call, reading.written) } else { exchange.respond(json: reading.written) }
    }

    private func finish(_ refusal: LaneRefusal, ofMessage bytes: Int) {
        let elapsed = start.duration(to: .now)
        let event: CallEvent
        switch refusal {
        case .error(let error):
            tool.lane.leave(.answered)
            tool.places.leave(after: elapsed)
            event = .error(error)
        case .status(let status):
            let fault = BackendFault.status(status)
            tool.lane.leave(.refused(fault))
            tool.places.leave(after: nil)
            var failure = tool.lane.failure(of: id, fault)
            failure.node = tool.node
            event = .failure(failure)
        }
        tool.ended(
            ShortTool.End(
                id: id, answer: nil, refusal: event, answerBytes: bytes, arguments: call.arguments?.bytes,
                elapsed: elapsed))
        tell(event)
    }

    private func tell(_ event: CallEvent) {
        if let turn { return turn.tell(event, of: call, since: start) }
        switch event {
        case .error(let error):
            let (message, status) = ModernDialogue.response(call.id, error)
            guard status != 200 else { return exchange.respond(json: .pieces([message.bytes])) }
            exchange.respond(
                status: status, headers: [("Content-Type", "application/json")], body: Array(message.bytes))
        case .failure(let failure):
            exchange.respond(json: .pieces([ModernDialogue.response(call.id, failure).bytes]))
        case .result, .notification: break
        }
    }

    // MARK: Other ends

    private func clientGone() {
        guard end() else { return }
        tool.lane.leave(.cancelled)
        tool.places.leave(after: nil)
        tool.ended(
            ShortTool.End(
                id: id, answer: nil, arguments: call.arguments?.bytes, elapsed: start.duration(to: .now)))
        state.withLock { $0.running }?.cancel()
    }

    /// Its client wants no answer any more. From any thread.
    private func takenBack() {
        exchange.eventLoop.execute { self.clientGone() }
    }

    /// - Returns: whether it waited until now.
    private func end() -> Bool {
        guard state.withLock({ $0.end() }) else { return false }
        tool.lane.carrier.leave(number)
        return true
    }

    // MARK: The long way

    func carryOn(with last: LaneEvent?) {
        guard state.withLock({ $0.carry(with: last) }) else { return }
        tool.lane.carrier.leave(number)
        tool.lane.leave(.carried)
        front.carryOn(
            self,
            CarriedCall(
                id: id, start: start, startDue: startDue, number: number,
                connection: tool.lane.connection, adopt: { self.adopt($0) }, giveUp: { self.giveUp() }))
    }
}
