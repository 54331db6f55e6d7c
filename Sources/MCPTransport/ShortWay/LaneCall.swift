import HTTPWire
package import JSONSlice
package import MCPModel
package import NIOCore
import Synchronization

/// A call that goes over a ``BackendLane``.
protocol LaneUser: AnyObject, Sendable {
    /// The link was closed over which it went. From any thread.
    func linkClosed()
}

/// What calls of one tool over a lane have in common, where they come from another node.
package struct LaneTool: Sendable {
    package var lane: BackendLane
    /// Those of the server's calls.
    package var places: CallPlaces
    /// Called once for each call, when it goes out.
    package var begun: @Sendable () -> Void
    /// Called once for each call that was not carried on, when it is over: records it.
    package var ended: @Sendable (ShortTool.End) -> Void

    package init(
        lane: BackendLane, places: CallPlaces, begun: @escaping @Sendable () -> Void,
        ended: @escaping @Sendable (ShortTool.End) -> Void
    ) {
        self.lane = lane
        self.places = places
        self.begun = begun
        self.ended = ended
    }
}

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

    private struct State {
        var head: HTTPResponseHead?
        var body: [UInt8] = []
        var running: HTTPClientHandle?
        var phase = Phase.waiting
    }

    private enum Phase {
        case waiting
        /// Its events are the long way's, which may not have come for them yet: those that came meanwhile.
        case carried([HTTPClientEvent], (@Sendable (HTTPClientEvent) -> Void)?)
        case over
    }

    private let tool: LaneTool
    private let id: CallID
    private let number: Int
    private let arguments: ArraySlice<UInt8>?
    private let loop: any EventLoop
    private let outcomes: Outcomes
    private let start = ContinuousClock.now
    private let startDue = NIODeadline.now()
    private let state = Mutex(State())
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
        let isOpen = lane.link.enter(self, number)
        let running = lane.link.client.http.send(
            ready: lane.bytes(
                call.message(number: number, name: lane.name, begunBy: id), from: ByteBufferAllocator()),
            lane.request, on: loop, patience: min(time, lane.patience),
            impatient: { self.carryOn() }, { self.take($0) })
        let isOver = state.withLock { state in
            state.running = running
            if case .over = state.phase { return true }
            return false
        }
        if isOver { running?.cancel() }
        if !isOpen { linkClosed() }
        if running == nil {
            take(.failed(HTTPClientError(.shutDown, origin: lane.request.request.url.origin, notSent: true)))
        }
    }

    // MARK: What comes

    private func take(_ event: HTTPClientEvent) {
        enum Step { case wait, evaluate, carryOn, tell(@Sendable (HTTPClientEvent) -> Void) }
        let limit = tool.lane.link.limits.message.bytesMax
        let step: Step = state.withLock { state in
            switch state.phase {
            case .over: return .wait
            case .carried(_, let sink?):
                if event.isLast { state = State(phase: .over) }
                return .tell(sink)
            case .carried(let events, nil):
                state.phase = .carried(events + [event], nil)
                return .wait
            case .waiting: break
            }
            switch event {
            case .head(let head):
                state.head = head
                return head.status == 200 && head.headers.isMediaType("application/json") ? .wait : .carryOn
            case .body(let bytes):
                if state.body.isEmpty { state.body = bytes } else { state.body += bytes }
                return state.body.count <= limit ? .wait : .carryOn
            case .end: return .evaluate
            case .failed: return .carryOn
            }
        }
        switch step {
        case .wait: break
        case .tell(let sink): sink(event)
        case .carryOn:
            if case .failed = event { carryOn(with: event) } else { carryOn() }
        case .evaluate: evaluate()
        }
    }

    /// The whole answer is here.
    private func evaluate() {
        let body = state.withLock { state in
            defer { state.body = [] }
            return state.body
        }
        guard let document = try? JSON(validating: body[...], limits: tool.lane.link.limits.message.json),
            let answer = PlainToolAnswer(document, to: number)
        else {
            state.withLock { $0.body = body }
            return carryOn(with: .end)
        }
        guard end() else { return }
        let elapsed = start.duration(to: .now)
        tool.lane.leave(.answered)
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
        let isFirst = state.withLock { state in
            guard case .waiting = state.phase else { return false }
            state.phase = .over
            return true
        }
        if isFirst { tool.lane.link.leave(number) }
        return isFirst
    }

    // MARK: The long way

    /// Gives the call to the long way, from where it is.
    ///
    /// - Parameter last: what has come and is not kept yet.
    private func carryOn(with last: HTTPClientEvent? = nil) {
        let isFirst = state.withLock { state in
            guard case .waiting = state.phase else { return false }
            let past =
                (state.head.map { [.head($0)] } ?? []) + (state.body.isEmpty ? [] : [.body(state.body)])
                + (last.map { [$0] } ?? [])
            state.phase = .carried(past, nil)
            return true
        }
        guard isFirst else { return }
        tool.lane.link.leave(number)
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

    private func adopt(_ sink: @escaping @Sendable (HTTPClientEvent) -> Void) -> HTTPClientHandle {
        let (past, running): ([HTTPClientEvent], HTTPClientHandle?) = state.withLock { state in
            guard case .carried(let events, nil) = state.phase else { return ([], nil) }
            let running = state.running
            state =
                events.last?.isLast == true
                ? State(phase: .over) : State(running: running, phase: .carried([], sink))
            return (events, running)
        }
        for event in past { sink(event) }
        return running ?? HTTPClientHandle {}
    }

    private func giveUp() {
        let running: HTTPClientHandle? = state.withLock { state in
            guard case .carried(_, nil) = state.phase else { return nil }
            defer { state = State(phase: .over) }
            return state.running
        }
        running?.cancel()
    }
}
