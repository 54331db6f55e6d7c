import Dispatch
import MCPModel
import MCPTransport
import Synchronization

/// A call that waits for its intent to lie on stable storage, goes out then, and does not go out otherwise
/// (docs/decisions/0036-call-records.md).
///
/// What a call weighs (params, sinks, what sends it) is held here only while it waits.
final class IntendedCall: Sendable {
    /// A disk that takes longer holds nobody up any longer: the call is refused.
    static let waitMax = Duration.seconds(5)

    typealias Send = @Sendable (CallRequest) -> CallHandle

    private struct Waiting: Sendable {
        let request: CallRequest
        let sink: CallSink
        let send: Send
    }

    private enum State: Sendable {
        case waiting(Waiting)
        /// It goes out, whatever comes; its caller may want no answer any more.
        case sending(isCancelled: Bool)
        case sent(CallHandle)
        /// Its end has been said here.
        case over
    }

    private let state: Mutex<State>
    private let begun = ContinuousClock.now
    private let id: CallID

    private init(_ waiting: Waiting) {
        id = waiting.request.id
        state = Mutex(.waiting(waiting))
    }

    /// - Parameters:
    ///   - trail: of the call; `nil`: this node writes no records, so it does not go out.
    ///   - waitMax: how long it waits, at most; never longer than its caller does.
    ///   - send: sends it, with the time that is left, on a thread of the log's.
    static func begin(
        _ request: CallRequest, _ trail: CallTrail?, waitMax: Duration = IntendedCall.waitMax,
        _ sink: @escaping CallSink, send: @escaping Send
    ) -> CallHandle {
        let call = IntendedCall(Waiting(request: request, sink: sink, send: send))
        guard let trail else {
            call.end(call.refusal("this node writes no records (audit.records: off)"))
            return .finished
        }
        trail.intend { trouble in
            if let trouble { call.end(call.refusal(trouble)) } else { call.go() }
        }
        let isCallersTime = request.timeLeft <= waitMax
        let wait = max(.zero, min(waitMax, request.timeLeft))
        // Weakly: a call that is over is not held until its time would have run out.
        DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(Int(wait / .nanoseconds(1)))) {
            [weak call] in
            guard let call else { return }
            call.end(
                isCallersTime ? call.overdue : call.refusal("the disk has not taken it within \(waitMax)"))
        }
        return CallHandle { call.cancel() }
    }

    private func go() {
        guard let waiting = leave(for: .sending(isCancelled: false)) else { return }
        var request = waiting.request
        request.timeLeft -= begun.duration(to: .now)
        guard request.timeLeft > .zero else {
            state.withLock { $0 = .over }
            return waiting.sink(.failure(overdue))
        }
        let handle = waiting.send(request)
        let isCancelled = state.withLock { state in
            defer { state = .sent(handle) }
            if case .sending(let isCancelled) = state { return isCancelled }
            return false
        }
        if isCancelled { handle.cancel() }
    }

    /// - Returns: what it has waited with, which is held here no more; `nil` if it does not wait any more.
    private func leave(for next: State) -> Waiting? {
        state.withLock { state in
            guard case .waiting(let waiting) = state else { return nil }
            state = next
            return waiting
        }
    }

    /// Ends it here, if it has not gone out.
    private func end(_ failure: CallFailure) { leave(for: .over)?.sink(.failure(failure)) }

    private func cancel() {
        end(CallFailure(.cancelled, "the caller cancelled", callID: id, isUnsent: true))
        let handle: CallHandle? = state.withLock { state in
            switch state {
            case .sending: state = .sending(isCancelled: true)
            case .sent(let handle): return handle
            case .waiting, .over: break
            }
            return nil
        }
        handle?.cancel()
    }

    private var overdue: CallFailure {
        CallFailure(
            .deadlineExceeded,
            "the call's time ran out while it waited for its record to be on disk; it has not gone out",
            hint: "`martlet status` at this node says how its records fare", callID: id, isUnsent: true)
    }

    private func refusal(_ trouble: String) -> CallFailure {
        CallFailure(
            .denied, "this call needs a record before it goes out, and that is not to be had: \(trouble)",
            hint:
                "`martlet status` at this node says how its records fare; make room, or see audit: required",
            callID: id, isUnsent: true, rule: "audit_required")
    }
}
