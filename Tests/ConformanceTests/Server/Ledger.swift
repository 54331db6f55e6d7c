import JSONSlice
import Synchronization

/// What the scripted servers saw: by it a test knows what really reached them, and in which form.
final class Ledger: Sendable {
    enum CancelForm: Hashable, Sendable {
        /// `notifications/cancelled` that names the request.
        case notification
        /// The stream of the request was closed.
        case closedStream
    }

    private struct State: Sendable {
        var breaches: [String] = []
        var started: Set<String> = []
        var cancelled: [String: [CancelForm]] = [:]
    }

    private let state = Mutex(State())

    /// What no client of the server's revision may do.
    func breach(_ text: String) { state.withLock { $0.breaches.append(text) } }
    var breaches: [String] { state.withLock { $0.breaches } }

    func started(_ trace: String) { state.withLock { _ = $0.started.insert(trace) } }
    func cancelled(_ trace: String, _ form: CancelForm) {
        state.withLock { $0.cancelled[trace, default: []].append(form) }
    }

    func hasStarted(_ trace: String) -> Bool { state.withLock { $0.started.contains(trace) } }
    func cancels(of trace: String) -> [CancelForm] { state.withLock { $0.cancelled[trace] ?? [] } }
}
