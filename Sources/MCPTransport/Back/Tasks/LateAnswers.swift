import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// A link that waits for the answers of calls that nobody wants any more, where the answer may name a task.
///
/// A task can be cancelled by its id alone, and its server says that in the answer to the call that makes it. So such a call
/// is not cancelled at once: its answer is waited for, for a bounded time, and then the task is (2025-11-25 wants that
/// instead of `notifications/cancelled`). Only where no answer comes in that time the call itself is cancelled.
struct LateAnswers: BackendLink {
    /// Calls of one link that are waited for on behalf of nobody; further ones are cancelled at once. Over HTTP each keeps a
    /// connection open: a quarter of what an origin may have (``HTTPClientLimits/connectionsPerOriginMax``), so that
    /// calls which somebody waits for find one.
    static let countMax = 16

    private final class Count: Sendable {
        private let count = Mutex(0)

        func enter() -> Bool {
            count.withLock { count in
                guard count < LateAnswers.countMax else { return false }
                count += 1
                return true
            }
        }

        func leave() { count.withLock { $0 -= 1 } }
    }

    private let link: any BackendLink
    private let group: any EventLoopGroup
    private let waited = Count()

    init(_ link: any BackendLink, group: any EventLoopGroup) {
        self.link = link
        self.group = group
    }

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        guard let naming = request.naming else { return link.send(request, sink) }
        let call = Call(naming, sink, leave: waited.leave)
        let handle = link.send(request) { [link] event in
            if let question = call.take(event) { link.respond(question.abandoned) }
        }
        return CallHandle { [waited, group] in
            guard waited.enter() else {
                call.end()
                return handle.cancel()
            }
            let isWaiting = call.abandon()
            guard isWaiting else { return waited.leave() }
            let timer = group.any().scheduleTask(in: TimeAmount(naming.patience)) {
                if call.end() { handle.cancel() }
            }
            call.hold(timer)
        }
    }

    func notify(_ method: String, _ params: JSON?) { link.notify(method, params) }
    func announce(_ method: String) async { await link.announce(method) }
    func respond(_ message: RPCMessage) { link.respond(message) }
    func settle(_ revision: ProtocolRevision) { link.settle(revision) }
    func attend() async { await link.attend() }
    func whenAttentive() async { await link.whenAttentive() }
    func close() async -> String? { await link.close() }
    var sessionNumber: Int { link.sessionNumber }
    var laneLink: LaneLink? { link.laneLink }
}

extension LateAnswers {
    /// One call whose answer may name a task.
    private final class Call: Sendable {
        private enum Phase {
            case wanted
            /// Nobody waits for it but this.
            case abandoned(Scheduled<Void>?)
            case over
        }

        private let naming: TaskNaming
        private let sink: @Sendable (LinkEvent) -> Void
        private let leave: @Sendable () -> Void
        private let phase = Mutex(Phase.wanted)

        /// - Parameter leave: called when it was abandoned and is over now.
        init(
            _ naming: TaskNaming, _ sink: @escaping @Sendable (LinkEvent) -> Void,
            leave: @escaping @Sendable () -> Void
        ) {
            self.naming = naming
            self.sink = sink
            self.leave = leave
        }

        /// - Returns: a question that nobody will answer.
        func take(_ event: LinkEvent) -> BackendQuestion? {
            let isLast =
                switch event {
                case .notification, .question: false
                case .result, .error, .fault: true
                }
            let before = phase.withLock { phase in
                defer { if isLast { phase = .over } }
                return phase
            }
            switch before {
            case .over: return nil
            case .wanted: sink(event)
            case .abandoned(let timer):
                if case .question(let question) = event { return question }
                guard isLast else { return nil }
                timer?.cancel()
                if case .result(let result) = event { naming.late(result) }
                leave()
            }
            return nil
        }

        /// - Returns: `false` if it is over already, or was abandoned before.
        func abandon() -> Bool {
            phase.withLock { phase in
                guard case .wanted = phase else { return false }
                phase = .abandoned(nil)
                return true
            }
        }

        /// The timer that ends the wait.
        func hold(_ timer: Scheduled<Void>) {
            let isLate = phase.withLock { phase in
                guard case .abandoned = phase else { return true }
                phase = .abandoned(timer)
                return false
            }
            if isLate { timer.cancel() }
        }

        /// - Returns: whether it was open until now.
        @discardableResult
        func end() -> Bool {
            let before = phase.withLock { phase in
                defer { phase = .over }
                return phase
            }
            switch before {
            case .over: return false
            case .wanted: return true
            case .abandoned:
                leave()
                return true
            }
        }
    }
}

/// What becomes of a call that nobody wants any more, and whose answer may name a task.
struct TaskNaming: Sendable {
    /// How long its answer is waited for, before the call is cancelled as any other.
    var patience: Duration
    /// Takes the result that came after all.
    var late: @Sendable (_ result: JSON) -> Void
}
