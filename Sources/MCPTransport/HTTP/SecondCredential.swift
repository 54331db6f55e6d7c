import HTTPWire
import Synchronization

/// A request that is sent a second time, with another credential, where the first one is answered by 401.
final class SecondCredential: Sendable {
    private struct State {
        var hasBegun = false
        var isCancelled = false
        var handle: HTTPClientHandle?
    }

    private let state = Mutex(State())
    private let sink: @Sendable (HTTPClientEvent) -> Void

    init(_ sink: @escaping @Sendable (HTTPClientEvent) -> Void) { self.sink = sink }

    /// Takes an event of the first request.
    ///
    /// - Parameter giveUp: ends the first request, once it is refused.
    func take(
        _ event: HTTPClientEvent, again: () -> HTTPClientRequest?, giveUp: () -> Void,
        send: (HTTPClientRequest, @escaping @Sendable (HTTPClientEvent) -> Void) -> HTTPClientHandle
    ) {
        // What else comes of the refusal is nobody's.
        if state.withLock({ $0.hasBegun }) { return }
        guard case .head(let head) = event, head.status == 401, let second = again() else {
            return sink(event)
        }
        state.withLock { $0.hasBegun = true }
        giveUp()
        let handle = send(second, sink)
        let isCancelled = state.withLock { state in
            state.handle = handle
            return state.isCancelled
        }
        if isCancelled { handle.cancel() }
    }

    /// - Returns: whether the first request is to be cancelled.
    func cancel() -> Bool {
        let (hasBegun, handle) = state.withLock { state in
            state.isCancelled = true
            return (state.hasBegun, state.handle)
        }
        handle?.cancel()
        return !hasBegun
    }
}
