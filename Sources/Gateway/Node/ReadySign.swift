import Synchronization

/// Set once, when a node has done what it does at its start.
final class ReadySign: Sendable {
    private let state = Mutex(false)

    var isSet: Bool { state.withLock { $0 } }

    func set() { state.withLock { $0 = true } }

    /// - Throws: `CancellationError` when the waiting task is cancelled, as it is when the node fails to start.
    func wait() async throws {
        while !isSet { try await Task.sleep(for: .milliseconds(2)) }
    }
}
