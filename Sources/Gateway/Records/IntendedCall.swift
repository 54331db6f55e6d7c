import Dispatch
import MCPModel
import MCPTransport
import Synchronization

/// A call that waits for its intent to lie on stable storage, goes out then, and does not go out otherwise
/// (docs/decisions/0036-call-records.md).
final class IntendedCall: Sendable {
    /// A disk that takes longer holds nobody up any longer: the call is refused.
    static let waitMax = DispatchTimeInterval.seconds(5)

    private enum State {
        case waiting
        /// It goes out, whatever comes; its caller may want no answer any more.
        case sending(isCancelled: Bool)
        case sent(CallHandle)
        /// Its end has been said here.
        case over
    }

    private let state = Mutex(State.waiting)
    private let sink: CallSink
    private let request: CallRequest

    private init(_ request: CallRequest, _ sink: @escaping CallSink) {
        self.request = request
        self.sink = sink
    }

    /// - Parameters:
    ///   - trail: of the call; `nil`: this node writes no records, so it does not go out.
    ///   - send: sends it, on a thread of the log's.
    static func begin(
        _ request: CallRequest, _ trail: CallTrail?, _ sink: @escaping CallSink,
        send: @escaping @Sendable () -> CallHandle
    ) -> CallHandle {
        let call = IntendedCall(request, sink)
        guard let trail else {
            call.end(call.refusal("this node writes no records (audit.records: off)"))
            return .finished
        }
        trail.intend { trouble in
            if let trouble { call.end(call.refusal(trouble)) } else { call.go(send) }
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + waitMax) {
            call.end(call.refusal("the disk has not taken it within 5 s"))
        }
        return CallHandle { call.cancel() }
    }

    private func go(_ send: () -> CallHandle) {
        let mayGo = state.withLock { state in
            guard case .waiting = state else { return false }
            state = .sending(isCancelled: false)
            return true
        }
        guard mayGo else { return }
        let handle = send()
        let isCancelled = state.withLock { state in
            defer { state = .sent(handle) }
            if case .sending(let isCancelled) = state { return isCancelled }
            return false
        }
        if isCancelled { handle.cancel() }
    }

    /// Ends it here, if it has not gone out.
    private func end(_ failure: CallFailure) {
        let isWaiting = state.withLock { state in
            guard case .waiting = state else { return false }
            state = .over
            return true
        }
        if isWaiting { sink(.failure(failure)) }
    }

    private func cancel() {
        end(CallFailure(.cancelled, "the caller cancelled", callID: request.id, isUnsent: true))
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

    private func refusal(_ trouble: String) -> CallFailure {
        CallFailure(
            .denied, "this call needs a record before it goes out, and that is not to be had: \(trouble)",
            hint:
                "`martlet status` at this node says how its records fare; make room, or see audit: required",
            callID: request.id, isUnsent: true, rule: "audit_required")
    }
}
