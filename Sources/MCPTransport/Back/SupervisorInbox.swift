import NIOCore
import Synchronization

/// What a backend's supervisor has to look at. News of one kind come together: ten changes are one.
struct BackendNews: Hashable, Sendable {
    var isChanged = false
    /// A call found the backend away, or not what it was.
    var isSuspect = false
    /// Calls say something of its health: it fares otherwise now, or a probe should tell.
    var isHealth = false
    /// The latest session of the first link that the backend has forgotten.
    var goneSession: Int?
    /// A person asks for another attempt now.
    var isRecheck = false
    /// What the backend was started with is no longer what it should be.
    var isRestart = false
    var lost: BackendFault?

    var isEmpty: Bool { self == BackendNews() }

    mutating func isGone(_ session: Int) { goneSession = max(goneSession ?? session, session) }
}

/// Where links and calls leave news, and the supervisor waits for them. One task waits at a time.
final class SupervisorInbox: Sendable {
    private struct State: Sendable {
        var news = BackendNews()
        /// The time was over before anybody waited.
        var isAwake = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func post(_ change: (inout BackendNews) -> Void) {
        let waiter = state.withLock { state in
            change(&state.news)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Waits until there is news, for at most so long, or until the task is cancelled.
    ///
    /// - Returns: the news; empty when the time is over.
    func wait(for time: Duration, on loop: any EventLoop) async -> BackendNews {
        state.withLock { $0.isAwake = false }
        let timer = loop.scheduleTask(in: TimeAmount(max(time, .zero))) { self.wake() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mayWait = state.withLock { state in
                    guard state.news.isEmpty, !state.isAwake, !Task.isCancelled else { return false }
                    state.waiter = continuation
                    return true
                }
                if !mayWait { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
        timer.cancel()
        return take()
    }

    /// What came so far.
    func take() -> BackendNews {
        state.withLock { state in
            defer { state.news = BackendNews() }
            return state.news
        }
    }

    private func wake() {
        state.withLock { state in
            state.isAwake = true
            defer { state.waiter = nil }
            return state.waiter
        }?.resume()
    }
}
