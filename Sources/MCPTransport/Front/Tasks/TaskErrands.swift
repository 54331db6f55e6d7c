import MCPModel
import Synchronization

/// The hold on requests that follow one another, or run side by side, for one request of a client.
final class ErrandHold: Sendable {
    private struct State: Sendable {
        var handles: [CallHandle] = []
        var isCancelled = false
    }

    private let state = Mutex(State())

    func hold(_ handle: CallHandle) {
        let isLate = state.withLock { state in
            state.handles.append(handle)
            return state.isCancelled
        }
        if isLate { handle.cancel() }
    }

    func cancel() {
        let handles = state.withLock { state in
            state.isCancelled = true
            return state.handles
        }
        for handle in handles { handle.cancel() }
    }
}

/// Says when the last of several answers is here.
final class ErrandCount: Sendable {
    private let left: Mutex<Int>
    private let done: @Sendable () -> Void

    /// - Parameter done: called once; by the last answer, or by ``finish()`` when none is awaited.
    init(_ count: Int, done: @escaping @Sendable () -> Void) {
        left = Mutex(count)
        self.done = done
    }

    func countDown() {
        let isLast = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isLast { done() }
    }

    func finish() { if left.withLock({ $0 <= 0 }) { done() } }
}
