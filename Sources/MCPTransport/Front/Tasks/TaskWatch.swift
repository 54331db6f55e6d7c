import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// One task that a `subscriptions/listen` wants to hear of (mcp-spec §3.8): asked after at its server's own pace, told of
/// when it says something new, until it has come to its end.
///
/// Whoever fronts its server tells when that says something by itself (``TaskSubscription``); then it is asked after at once.
/// Asking works alike for servers of both eras and over any number of nodes, and spares a listener that has gone away
/// nothing but one more answer. A server that cannot be reached for a while is asked again.
final class TaskWatch: Sendable {
    private struct State: Sendable {
        var last: JSON?
        var isSettled = false
        var isOver = false
        var handle: CallHandle?
        var timer: Scheduled<Void>?
        /// Something was said while it was being asked after.
        var isPoked = false
        var listening = Listening.no
        var ear: CallHandle?
        /// No listen begins before.
        var listenAfter = ContinuousClock.now
    }

    private enum Listening: Sendable {
        case no
        case yes
        /// Nobody tells; it is asked after all the same.
        case refused
    }

    /// From the beginning of one listen to that of the next: whoever tells may end each at once, and what is missed meanwhile is
    /// heard by asking.
    static let listenPause = Duration.seconds(10)

    private let taskID: String
    private let pace: TaskWalk.Pace
    private let listenPause: Duration
    private let loop: any EventLoop
    private let ask: TaskPursuit.Ask
    private let settled: @Sendable (_ isKnown: Bool) -> Void
    private let changed: @Sendable (_ task: JSON) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - settled: called once: whether this caller has such a task.
    ///   - changed: hears each new state after that, the last one included.
    init(
        _ taskID: String, pace: TaskWalk.Pace, listenPause: Duration = listenPause,
        on loop: any EventLoop, ask: @escaping TaskPursuit.Ask,
        settled: @escaping @Sendable (_ isKnown: Bool) -> Void,
        changed: @escaping @Sendable (_ task: JSON) -> Void
    ) {
        self.taskID = taskID
        self.pace = pace
        self.listenPause = listenPause
        self.loop = loop
        self.ask = ask
        self.settled = settled
        self.changed = changed
    }

    /// Begins. It lives until its end or until the token is cancelled.
    func begin() -> WatchToken {
        look()
        return WatchToken { [self] in
            let (handle, timer) = state.withLock { state in
                state.isOver = true
                defer { (state.handle, state.timer) = (nil, nil) }
                return (state.handle, state.timer)
            }
            handle?.cancel()
            timer?.cancel()
            stopListening()
        }
    }

    private func listen() {
        let begins = state.withLock { state in
            let now = ContinuousClock.now
            guard !state.isOver, case .no = state.listening, now >= state.listenAfter else { return false }
            state.listening = .yes
            state.listenAfter = now + listenPause
            return true
        }
        guard begins else { return }
        let ear = ask(Method.subscriptionsListen, TaskSubscription.params(taskID: taskID)) {
            [weak self] event in
            switch event {
            case .notification(let method, _): if method == Method.tasks { self?.poke() }
            // Its time is over, or whoever told has gone. With a later question it begins again.
            case .result: self?.state.withLock { $0.listening = .no }
            case .error, .failure: self?.state.withLock { $0.listening = .refused }
            }
        }
        let isOver = state.withLock { state in
            if !state.isOver { state.ear = ear }
            return state.isOver
        }
        if isOver { ear.cancel() }
    }

    private func stopListening() {
        let ear = state.withLock { state in
            defer { state.ear = nil }
            return state.ear
        }
        ear?.cancel()
    }

    /// There is news, so the next question need not wait; but a server that says much is not asked without a pause.
    private func poke() {
        let timer = state.withLock { state in
            defer { state.timer = nil }
            if state.timer == nil { state.isPoked = true }
            return state.timer
        }
        guard let timer else { return }
        timer.cancel()
        lookAgain(after: pace.least)
    }

    private func look() {
        guard state.withLock({ !$0.isOver }) else { return }
        let handle = ask(Method.tasksGet, ["taskId": .string(taskID)]) { [self] event in
            switch event {
            case .notification: break
            case .result(let task): heard(task.removing { $0 == "resultType" || $0 == "_meta" })
            case .error: gone()
            case .failure(let failure) where failure.reason == .unknownEntry: gone()
            case .failure: failed()
            }
        }
        let isOver = state.withLock { state in
            if !state.isOver { state.handle = handle }
            return state.isOver
        }
        if isOver { handle.cancel() }
    }

    private func heard(_ task: JSON) {
        let status = TaskStatus(of: task)
        let (isFirst, isNews) = state.withLock { state in
            defer {
                state.last = task.detached
                state.isSettled = true
                state.isOver = state.isOver || status?.isTerminal ?? true
            }
            return (!state.isSettled, !state.isOver && state.last != task)
        }
        if isFirst { settled(status != nil) }
        // What it was at the beginning is news only if nothing will follow it.
        if isNews, !isFirst || status?.isTerminal == true { changed(task) }
        guard status?.isTerminal == false else { return stopListening() }
        listen()
        let isPoked = state.withLock { state in
            defer { state.isPoked = false }
            return state.isPoked
        }
        lookAgain(after: isPoked ? pace.least : TaskWalk.interval(of: task, pace))
    }

    private func failed() {
        let isFirst = state.withLock { state in
            defer { state.isSettled = true }
            return !state.isSettled
        }
        // Who cannot be asked now is not known to have it.
        guard !isFirst else {
            state.withLock { $0.isOver = true }
            return settled(false)
        }
        lookAgain(after: pace.most)
    }

    /// There is no such task, or not any more.
    private func gone() {
        let isFirst = state.withLock { state in
            defer { (state.isSettled, state.isOver) = (true, true) }
            return !state.isSettled
        }
        if isFirst { settled(false) }
        stopListening()
    }

    private func lookAgain(after wait: Duration) {
        let timer = loop.scheduleTask(in: TimeAmount(wait)) { [weak self] () -> Void in
            self?.state.withLock { $0.timer = nil }
            self?.look()
        }
        let isOver = state.withLock { state in
            if !state.isOver { state.timer = timer }
            return state.isOver
        }
        if isOver { timer.cancel() }
    }
}
