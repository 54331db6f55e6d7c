import JSONSlice
import Synchronization

/// What a server keeps of one client: a legacy session, a pipe, or a single modern request over HTTP.
final class Conversation: Sendable {
    typealias Answer = @Sendable (_ resultOrError: JSON, _ isResult: Bool) -> Void

    private struct State: Sendable {
        var capabilities: JSON?
        var isInitialized = false
        var questions: [JSON: Answer] = [:]
        var running: [JSON: @Sendable (Ledger.CancelForm) -> Void] = [:]
        var lastNumber = 0
    }

    private let state = Mutex(State())

    var isInitialized: Bool { state.withLock { $0.isInitialized } }
    var capabilities: JSON { state.withLock { $0.capabilities ?? .emptyObject } }

    func greet(_ capabilities: JSON) { state.withLock { $0.capabilities = capabilities } }
    func initialized() { state.withLock { $0.isInitialized = true } }

    /// - Returns: the id that the question is to bear.
    func ask(_ answer: @escaping Answer) -> JSON {
        state.withLock { state in
            state.lastNumber += 1
            let id = JSON.string("s-\(state.lastNumber)")
            state.questions[id] = answer
            return id
        }
    }

    func takeQuestion(_ id: JSON) -> Answer? { state.withLock { $0.questions.removeValue(forKey: id) } }

    /// Notes what is to be done if that request is cancelled.
    func run(_ id: JSON, onCancel: @escaping @Sendable (Ledger.CancelForm) -> Void) {
        state.withLock { $0.running[id] = onCancel }
    }

    func cancel(_ id: JSON) -> (@Sendable (Ledger.CancelForm) -> Void)? {
        state.withLock { $0.running.removeValue(forKey: id) }
    }

    func cancelAll(_ form: Ledger.CancelForm) {
        let all = state.withLock { state in
            defer { state.running = [:] }
            return Array(state.running.values)
        }
        for cancel in all { cancel(form) }
    }
}
