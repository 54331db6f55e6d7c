import Catalog
import Composition
import JSONSlice
import MCPModel
import Synchronization

/// One run of a composite: what ``CompositeRun`` decides, done.
///
/// What it wants done is done in its order, by one thread at a time: whichever brings an event while another is at it leaves the
/// rest to that one. So nothing is sent twice, nothing follows a final event, and steps that end at once nest no deeper.
final class CompositeCourse: Sendable {
    /// One request of the caller: the call, or a retry with answers.
    final class Leg: Sendable {
        let request: CallRequest
        /// What its `requestState` is bound to besides caller and params.
        let place: String
        let end: Instant
        /// Whether it came back without any answer. If it goes as well, its caller has given the call up: that is how clients of
        /// legacy revisions, which have no other sign, are told to say so.
        let isWithdrawal: Bool
        let sink: @Sendable (CompositeEvent) -> Void
        let send: CompositeDesk.Send

        init(
            request: CallRequest, place: String, end: Instant, isWithdrawal: Bool = false,
            sink: @escaping @Sendable (CompositeEvent) -> Void, send: @escaping CompositeDesk.Send
        ) {
            self.request = request
            self.place = place
            self.end = end
            self.isWithdrawal = isWithdrawal
            self.sink = sink
            self.send = send
        }
    }

    private struct State: Sendable {
        var run: CompositeRun
        var leg: Leg
        var isSuspended = false
        var handles: [Int: CallHandle] = [:]
        /// What is still to be done, in order.
        var effects: [CompositeRun.Effect] = []
        var isDoing = false
    }

    private let state: Mutex<State>
    private let now: @Sendable () -> Instant
    private let suspend: @Sendable (CompositeCourse, Leg, JSON) -> CompositeEvent
    private let ended: @Sendable (CompositeCourse) -> Void

    /// - Parameters:
    ///   - suspend: takes the run in while it waits, and says what its leg ends with.
    ///   - ended: told once, when the run is over.
    init(
        _ run: CompositeRun, _ leg: Leg, now: @escaping @Sendable () -> Instant,
        suspend: @escaping @Sendable (CompositeCourse, Leg, JSON) -> CompositeEvent,
        ended: @escaping @Sendable (CompositeCourse) -> Void
    ) {
        state = Mutex(State(run: run, leg: leg))
        self.now = now
        self.suspend = suspend
        self.ended = ended
    }

    func start() { step { $0.start(using: &$1) } }

    func resume(_ leg: Leg, with responses: [(key: String, value: JSON)]) {
        let isOver = state.withLock { state in
            guard !state.run.isOver else { return true }
            state.leg = leg
            state.isSuspended = false
            return false
        }
        guard !isOver else {
            return leg.sink(.failure(CallFailure(.cancelled, "the run was given up meanwhile")))
        }
        step { $0.resumed(with: responses, using: &$1) }
    }

    /// The caller of this leg has gone: while the leg is open that ends the run; while the run waits it means nothing, unless the leg
    /// brought no answers.
    func cancel(_ leg: Leg) {
        step({ $0.leg === leg && (!$0.isSuspended || leg.isWithdrawal) }) { $0.cancelled(using: &$1) }
    }

    /// Nobody came back.
    func expire() { step { $0.cancelled(using: &$1) } }

    // MARK: -

    private func step(
        _ condition: (borrowing State) -> Bool = { _ in true },
        _ move: (inout CompositeRun, inout SystemRandomNumberGenerator) -> [CompositeRun.Effect]
    ) {
        let isMine = state.withLock { state in
            guard condition(state) else { return false }
            var random = SystemRandomNumberGenerator()
            state.effects += move(&state.run, &random)
            defer { state.isDoing = true }
            return !state.isDoing
        }
        guard isMine else { return }
        while let (effect, leg) = next() { perform(effect, leg) }
    }

    private func next() -> (CompositeRun.Effect, Leg)? {
        state.withLock { state in
            guard !state.effects.isEmpty else {
                state.isDoing = false
                return nil
            }
            let effect = state.effects.removeFirst()
            if case .suspend = effect { state.isSuspended = true }
            return (effect, state.leg)
        }
    }

    private func perform(_ effect: CompositeRun.Effect, _ leg: Leg) {
        switch effect {
        case .send(let call): send(call, leg)
        case .cancel(let number): state.withLock { $0.handles.removeValue(forKey: number) }?.cancel()
        case .withdraw(let call):
            leg.send(call, request(call, leg, timeLeft: leg.request.timeLeft)) { _ in }.cancel()
        case .notify(let method, let params): leg.sink(.notification(method: method, params: params))
        case .suspend(let inputRequests):
            let event = suspend(self, leg, inputRequests)
            leg.sink(event)
            if case .result = event { return }
            // It cannot wait, and its leg is over.
            step { $0.cancelled(using: &$1) }
        case .finish(let ending):
            // A run that waited has no leg that is open.
            let isTold = state.withLock { state in
                state.handles = [:]
                return !state.isSuspended
            }
            if isTold {
                switch ending {
                case .result(let result, let server): leg.sink(.result(result, of: server))
                case .error(let error): leg.sink(.error(error))
                case .failure(let failure): leg.sink(.failure(failure))
                }
            }
            ended(self)
        }
    }

    private func send(_ call: StepCall, _ leg: Leg) {
        // The caller may have cancelled while this waited for its turn.
        guard state.withLock({ $0.run.isRunning(call.number) }) else { return }
        let left = leg.end - now()
        let request = request(call, leg, timeLeft: min(left, call.timeout ?? left))
        guard left > .zero else {
            let failure = CallFailure(.deadlineExceeded, "there was no time left for it", isUnsent: true)
            return took(.failure(failure), of: call)
        }
        let hasEnded = Mutex(false)
        let handle = leg.send(call, request) { [self] event in
            if event.isFinal { hasEnded.withLock { $0 = true } }
            took(event, of: call)
        }
        let isWanted = state.withLock { state in
            // Kept any longer than the call, it and the run would hold each other for good.
            guard !hasEnded.withLock({ $0 }) else { return true }
            guard state.run.isRunning(call.number) else { return false }
            state.handles[call.number] = handle
            return true
        }
        // Cancelled while it was sent: nobody else can stop it.
        if !isWanted { handle.cancel() }
    }

    private func took(_ event: CallEvent, of call: StepCall) {
        if event.isFinal { state.withLock { $0.handles[call.number] = nil } }
        step { $0.took(event, of: call.number, using: &$1) }
    }

    private func request(_ call: StepCall, _ leg: Leg, timeLeft: Duration) -> CallRequest {
        CallRequest(
            id: call.id, method: Method.toolsCall, params: call.params, client: leg.request.client,
            caller: leg.request.caller, timeLeft: timeLeft)
    }
}
