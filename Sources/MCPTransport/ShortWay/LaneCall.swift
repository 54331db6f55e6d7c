import HTTPWire
package import JSONSlice
package import MCPModel
package import NIOCore
import Synchronization

/// A call of another node's caller on the short way: ``ShortCall`` with the mesh in the client's place
/// (docs/decisions/0040-the-short-way-over-a-hop.md).
///
/// It lives on the loop that it came on, and goes out over a connection of that loop.
package final class LaneCall: LaneUser {
    /// Who is told of its end; one of the two is called, once and on the call's loop.
    package struct Outcomes: Sendable {
        /// The complete result.
        package var answered: @Sendable (JSON) -> Void
        /// It goes on by the long way, and keeps its place.
        package var carryOn: @Sendable (CarriedCall) -> CallHandle

        package init(
            answered: @escaping @Sendable (JSON) -> Void,
            carryOn: @escaping @Sendable (CarriedCall) -> CallHandle
        ) {
            self.answered = answered
            self.carryOn = carryOn
        }
    }

    private let tool: LaneTool
    private let id: CallID
    private let number: Int
    private let arguments: ArraySlice<UInt8>?
    private let loop: any EventLoop
    private let outcomes: Outcomes
    private let start = ContinuousClock.now
    private let startDue = NIODeadline.now()
    private let state = Mutex(LaneAnswer())
    /// Of the long way, once it is there.
    private let carried = Mutex<CallHandle?>(nil)

    /// Begins a call, if it may go this way; on `loop`.
    ///
    /// - Returns: `nil` where nothing was done.
    package static func begin(
        _ call: PlainToolCall, _ id: CallID, over tool: LaneTool, within time: Duration,
        on loop: any EventLoop, _ outcomes: Outcomes
    ) -> CallHandle? {
        guard tool.places.enter() else { return nil }
        guard let number = tool.lane.enter() else {
            tool.places.leave(after: nil)
            return nil
        }
        let lane = LaneCall(tool, id, number, call.arguments?.bytes, on: loop, outcomes)
        lane.begin(call, within: time)
        return CallHandle {
            if loop.inEventLoop { lane.cancel() } else { loop.execute { lane.cancel() } }
        }
    }

    private init(
        _ tool: LaneTool, _ id: CallID, _ number: Int, _ arguments: ArraySlice<UInt8>?,
        on loop: any EventLoop,
        _ outcomes: Outcomes
    ) {
        self.tool = tool
        self.id = id
        self.number = number
        self.arguments = arguments
        self.loop = loop
        self.outcomes = outcomes
    }

    private func begin(_ call: PlainToolCall, within time: Duration) {
        let lane = tool.lane
        tool.begun()
        let isOpen = lane.users.enter(self, number)
        let running = lane.http.send(
            ready: lane.bytes(call.message(number: number, name: lane.name, begunBy: id)),
            lane.request, on: loop, patience: min(time, lane.patience),
            impatient: { self.carryOn() }, { self.take($0) })
        if !state.withLock({ $0.hold(running) }) { running?.cancel() }
        if !isOpen { linkClosed() }
        if running == nil {
            take(.failed(HTTPClientError(.shutDown, origin: lane.request.request.url.origin, notSent: true)))
        }
    }

    // MARK: What comes

    private func take(_ event: HTTPClientEvent) {
        switch state.withLock({ $0.take(event, bytesMax: tool.lane.limits.bytesMax) }) {
        case .wait: break
        case .tell(let sink): sink(event)
        case .carryOn(let last): carryOn(with: last)
        case .evaluate: evaluate()
        }
    }

    /// The whole answer is here.
    private func evaluate() {
        let body = state.withLock { $0.takeBody() }
        guard body.count > LargeAnswers.onLoopMax else { return finish(read(body), body) }
        LargeAnswers.run(on: loop) {
            let answer = self.read(body)
            return { self.finish(answer, body) }
        }
    }

    private func read(_ body: [UInt8]) -> PlainToolAnswer? {
        tool.answers.answer(in: body, to: number, limits: tool.lane.limits.json)
    }

    private func finish(_ answer: PlainToolAnswer?, _ body: [UInt8]) {
        guard let answer else {
            state.withLock { $0.giveBack(body) }
            return carryOn(with: .end)
        }
        guard end() else { return }
        let now = ContinuousClock.now
        let elapsed = start.duration(to: now)
        tool.lane.leave(.answered, at: now)
        tool.places.leave(after: elapsed)
        tool.ended(
            ShortTool.End(
                id: id, answer: (answer.result.bytes, answer.isError), answerBytes: body.capacity,
                arguments: arguments, elapsed: elapsed))
        outcomes.answered(answer.result)
    }

    // MARK: Other ends

    private func cancel() {
        if let handle = carried.withLock({ $0 }) { return handle.cancel() }
        guard end() else { return }
        tool.lane.leave(.cancelled)
        tool.places.leave(after: nil)
        tool.ended(
            ShortTool.End(id: id, answer: nil, arguments: arguments, elapsed: start.duration(to: .now)))
        state.withLock { $0.running }?.cancel()
    }

    func linkClosed() {
        loop.execute { self.carryOn() }
    }

    /// - Returns: whether it waited until now.
    private func end() -> Bool {
        guard state.withLock({ $0.end() }) else { return false }
        tool.lane.users.leave(number)
        return true
    }

    // MARK: The long way

    /// Gives the call to the long way, from where it is.
    ///
    /// - Parameter last: what has come and is not kept yet.
    private func carryOn(with last: HTTPClientEvent? = nil) {
        guard state.withLock({ $0.carry(with: last) }) else { return }
        tool.lane.users.leave(number)
        tool.lane.leave(.carried)
        // The long way keeps these for as long as its call lasts, and this keeps a hold on that: they do not hold this, whose time ends
        // with the request that they are about.
        let handle = outcomes.carryOn(
            CarriedCall(
                id: id, start: start, startDue: startDue, number: number,
                connection: tool.lane.connection,
                adopt: { [weak self] in self?.adopt($0) ?? HTTPClientHandle {} },
                giveUp: { [weak self] in self?.giveUp() }))
        carried.withLock { $0 = handle }
    }

    private func adopt(_ sink: @escaping LaneAnswer.Sink) -> HTTPClientHandle {
        let (past, running) = state.withLock { $0.adopt(sink) }
        for event in past { sink(event) }
        return running ?? HTTPClientHandle {}
    }

    private func giveUp() { state.withLock { $0.giveUp() }?.cancel() }
}
