import Synchronization

/// A hold on a request that may be given up before the hold is there.
final class LateHandle: Sendable {
    private let state = Mutex<(handle: HTTPClientHandle?, isCancelled: Bool)>((nil, false))

    func hold(_ handle: HTTPClientHandle) {
        let isCancelled = state.withLock { state in
            state.handle = handle
            return state.isCancelled
        }
        if isCancelled { handle.cancel() }
    }

    func cancel() {
        let handle = state.withLock { state in
            state.isCancelled = true
            return state.handle
        }
        handle?.cancel()
    }
}

/// Passes on the first of several values, and no other.
final class OnlyFirst<Value: Sendable>: Sendable {
    private let body: Mutex<(@Sendable (Value) -> Void)?>

    init(_ body: @escaping @Sendable (Value) -> Void) { self.body = Mutex(body) }

    func give(_ value: Value) {
        let body = body.withLock { body in
            defer { body = nil }
            return body
        }
        body?(value)
    }
}
