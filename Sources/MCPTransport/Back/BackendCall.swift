import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// One call of a caller on its way through a backend: ends exactly once, whatever comes first.
final class BackendCall: Sendable {
    private struct State: Sendable {
        var isDone = false
        var handle: CallHandle?
        var timer: Scheduled<Void>?
        var patience: CallPatience?
        var attempt = 0
        var lastProgress: Double?
    }

    private struct Ended: Sendable {
        /// The hold on what still runs at the backend.
        var handle: CallHandle?
        var timer: Scheduled<Void>?
    }

    let request: CallRequest
    /// Where its first attempt was made by the short way.
    let carried: CarriedCall?
    private let sink: CallSink
    private let onEnd: @Sendable (CallEvent) -> Void
    private let state = Mutex(State())

    /// - Parameter onEnd: called once with the final event, just before it goes out.
    init(
        _ request: CallRequest, carried: CarriedCall? = nil, _ sink: @escaping CallSink,
        onEnd: @escaping @Sendable (CallEvent) -> Void
    ) {
        self.request = request
        self.carried = carried
        self.sink = sink
        self.onEnd = onEnd
    }

    /// Ends the call when the patience with it does; the backend is told.
    ///
    /// - Parameter failure: what the caller hears when neither answer nor progress came in time, or all its time is over.
    func limit(
        _ patience: CallPatience, on loop: any EventLoop,
        _ failure: @escaping @Sendable (_ isOverall: Bool) -> CallFailure
    ) {
        state.withLock { $0.patience = patience }
        watch(on: loop, failure)
    }

    /// One timer, which finds out when it fires whether progress has moved the deadline.
    private func watch(
        on loop: any EventLoop, _ failure: @escaping @Sendable (_ isOverall: Bool) -> CallFailure
    ) {
        guard let patience = state.withLock({ $0.patience }) else { return }
        switch patience.verdict(at: .now()) {
        case .silent: abort(.failure(failure(false)))
        case .overall: abort(.failure(failure(true)))
        case .wait(let due):
            let timer = loop.scheduleTask(deadline: due) { [weak self] () -> Void in
                self?.watch(on: loop, failure)
            }
            let isLate = state.withLock { state in
                state.timer = timer
                return state.isDone
            }
            if isLate { timer.cancel() }
        }
    }

    /// - Returns: the number of this attempt, from 1; `nil` when the call is over.
    func beginAttempt() -> Int? {
        state.withLock { state in
            guard !state.isDone else { return nil }
            state.attempt += 1
            state.handle = nil
            return state.attempt
        }
    }

    func running(_ handle: CallHandle, attempt: Int) {
        let isOver = state.withLock { state in
            guard !state.isDone, state.attempt == attempt else { return state.isDone }
            state.handle = handle
            return false
        }
        // Ended before its handle was here: nobody else can stop what runs.
        if isOver { handle.cancel() }
    }

    var isOver: Bool { state.withLock { $0.isDone } }

    /// Whether the event of that attempt still counts.
    func isCurrent(_ attempt: Int) -> Bool { state.withLock { !$0.isDone && $0.attempt == attempt } }

    func notify(_ method: String, _ params: JSON) {
        let passes = state.withLock { state in
            guard !state.isDone else { return false }
            // A session may be more talkative than this call asked for (``LogLevels``).
            if method == Method.message {
                guard let least = request.client.logLevel, let level = params["level"]?.string else {
                    return false
                }
                return LogLevel.passes(level, least: least)
            }
            guard method == Method.progress else {
                // What belongs to a listen is not this call's, wherever it came.
                return params["_meta"]?[MetaKey.subscriptionId] == nil
            }
            // Progress must grow; a backend's slip is not handed on.
            guard let progress = params["progress"]?.double, progress > state.lastProgress ?? -.infinity
            else {
                return false
            }
            state.lastProgress = progress
            state.patience?.progressed(at: .now())
            return true
        }
        guard passes else { return }
        let isForeign = Method.isForeignNotification(method)
        sink(.notification(method: method, params: isForeign ? params : params.removing("progressToken")))
    }

    /// - Returns: whether this ended the call; `false` if it was over.
    @discardableResult
    func finish(_ event: CallEvent) -> Bool { end(event) != nil }

    /// Ends the call and tells the backend.
    func abort(_ event: CallEvent) { end(event)?.handle?.cancel() }

    /// - Returns: what the call held, if this ended it.
    private func end(_ event: CallEvent) -> Ended? {
        let ended: Ended? = state.withLock { state in
            guard !state.isDone else { return nil }
            state.isDone = true
            defer {
                state.handle = nil
                state.timer = nil
            }
            return Ended(handle: state.handle, timer: state.timer)
        }
        guard let ended else { return nil }
        ended.timer?.cancel()
        onEnd(event)
        sink(event)
        return ended
    }
}
