import HTTPWire
package import JSONSlice
package import MCPModel
package import NIOCore
import Synchronization

/// A call of another node's caller on the short way: ``ShortCall`` with the mesh in the client's place
/// (docs/decisions/0040-the-short-way-over-a-hop.md).
///
/// It lives on the loop that it came on.
package final class LaneCall: LaneRun {
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

    var caller: Caller { tool.caller }

    private let tool: LaneTool
    private let id: CallID
    private let number: Int
    private let arguments: ArraySlice<UInt8>?
    let loop: any EventLoop
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
        let running = lane.carrier.send(
            call, number, begunBy: id, on: loop, patience: min(time, lane.patience), for: self)
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
        LargeAnswers.run(on: loop) {
            let answer = self.read(whole)
            return { self.finish(answer, whole) }
        }
    }

    private func read(_ whole: LaneAnswer.Whole) -> PlainToolAnswer? {
        tool.lane.answer(whole, to: number, knowing: tool.answers)
    }

    private func finish(_ answer: PlainToolAnswer?, _ whole: LaneAnswer.Whole) {
        guard let answer else {
            return carryOn(with: state.withLock { $0.giveBack(whole) })
        }
        guard end() else { return }
        let now = ContinuousClock.now
        let elapsed = start.duration(to: now)
        tool.lane.leave(.answered, at: now)
        tool.places.leave(after: elapsed)
        tool.ended(
            ShortTool.End(
                id: id, answer: (answer.result.bytes, answer.isError), answerBytes: whole.capacity,
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
        // The long way keeps these for as long as its call lasts, and this keeps a hold on that: they do not hold this, whose time ends
        // with the request that they are about.
        let handle = outcomes.carryOn(
            CarriedCall(
                id: id, start: start, startDue: startDue, number: number,
                connection: tool.lane.connection,
                adopt: { [weak self] in self?.adopt($0) ?? .over },
                giveUp: { [weak self] in self?.giveUp() }))
        carried.withLock { $0 = handle }
    }
}
