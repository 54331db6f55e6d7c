import Synchronization

/// The calls that went over a link by the short way, until they are over or go on by the long one.
///
/// Apart from the link: others know that weakly, which makes each hold on it dearer.
final class LaneUsers: Sendable {
    private struct State {
        var calls: [Int: any LaneUser] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())

    /// - Returns: `false` where the link is closed.
    func enter(_ call: any LaneUser, _ number: Int) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.calls[number] = call
            return true
        }
    }

    func leave(_ number: Int) { state.withLock { _ = $0.calls.removeValue(forKey: number) } }

    /// The link is closed, for good: all of them hear of it.
    func close() {
        let calls = state.withLock { state in
            state.isClosed = true
            defer { state.calls = [:] }
            return Array(state.calls.values)
        }
        for call in calls { call.linkClosed() }
    }
}
