import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// One task at a legacy backend: what ``LegacyTaskState`` knows, kept up to date.
///
/// It holds its link for as long as it runs: a legacy server knows tasks by session.
final class LegacyTask: Sendable {
    /// What it needs of its backend.
    struct Actions: Sendable {
        /// For its timers.
        var loop: any EventLoop
        /// How long the answer to a request is waited for that nobody else waits for.
        var errandTime: Duration
        /// Whether the way that broke may be there again: each request has one of its own.
        var mayResend: Bool
        /// Whose it is.
        var caller: Caller
        /// The number of one more request.
        var nextNumber: @Sendable () -> Int
        /// It is over: its link is free, and keeping it takes so many bytes.
        var over: @Sendable (_ bytes: Int) -> Void
        /// There is something new to be told of it.
        var moved: @Sendable () -> Void
        /// Gives a fault the shape in which callers see it.
        var error: @Sendable (BackendFault) -> JSON
    }

    private struct State: Sendable {
        var task: LegacyTaskState
        /// The hold on `tasks/result`.
        var handle: CallHandle?
        /// Callers who want to know how it ended, when that is known.
        var waiting: [BackendCall] = []
        var resends = 0
        /// Ends it when nobody can ask after it any more.
        var expiry: Scheduled<Void>?
    }

    /// When the result is asked for again after the way broke on which it was awaited: asking does nothing, so it may be
    /// repeated, but not for ever, and a server that is being started anew takes seconds.
    private static let resends: [Duration] = [.seconds(1), .seconds(2), .seconds(4)]

    let id: String
    let origin: TaskOrigin
    private let link: any BackendLink
    private let declared: DeclaredCapabilities
    private let actions: Actions
    private let state: Mutex<State>

    /// - Parameters:
    ///   - task: as the backend's answer to the call described it.
    ///   - origin: where it was made; of one that was made in an earlier life, where it was found again.
    ///   - declared: what its caller can be asked for.
    init(
        _ id: String, _ task: JSON, on link: any BackendLink, in origin: TaskOrigin,
        declared: DeclaredCapabilities, actions: Actions
    ) {
        self.id = id
        self.origin = origin
        self.link = link
        self.declared = declared
        self.actions = actions
        state = Mutex(State(task: LegacyTaskState(task)))
    }

    var creation: JSON { state.withLock { $0.task.creation } }

    private var params: JSON { ["taskId": .string(id)] }

    /// Begins to wait for questions and the result.
    ///
    /// - Parameter life: how long its caller may ask after it; then it is cancelled.
    func start(for life: Duration) {
        let expiry = actions.loop.scheduleTask(in: TimeAmount(life)) { [weak self] () -> Void in
            self?.cancel()
        }
        state.withLock { $0.expiry = expiry }
        ask()
    }

    private func ask() {
        guard state.withLock({ !$0.task.isOver }) else { return }
        let request = LinkRequest(
            number: actions.nextNumber(), method: Method.tasksResult, params: params, declared: declared,
            isEndless: true, caller: actions.caller, taskID: id)
        let handle = link.send(request) { self.take($0) }
        let isOver = state.withLock { state in
            state.handle = handle
            return state.task.isOver
        }
        if isOver { handle.cancel() }
    }

    private func take(_ event: LinkEvent) {
        switch event {
        case .notification: break
        case .question(let question):
            if let refusal = state.withLock({ $0.task.asked(question) }) {
                link.respond(refusal)
            } else {
                actions.moved()
            }
        case .result(let result): end(.result(result))
        case .error(let error):
            let modern = EraBridge.modernAnswer(
                fromLegacy: .error(error), method: Method.tasksResult, params: params,
                capabilities: .emptyObject)
            if case .error(let error) = modern { end(.error(error)) } else { end(.error(error)) }
        case .fault(let fault):
            let isBroken = fault.kind == .lost || fault.kind == .notReached
            let wait: Duration? = state.withLock { state in
                guard isBroken, actions.mayResend, state.resends < Self.resends.count else { return nil }
                state.resends += 1
                return Self.resends[state.resends - 1]
            }
            guard let wait else { return end(.error(actions.error(fault))) }
            // Nobody has to stop this: whether the task is over by then is seen.
            actions.loop.scheduleTask(in: TimeAmount(wait)) { self.ask() }
        }
    }

    private func end(_ outcome: LegacyTaskState.Outcome) {
        typealias Ended = (waiting: [BackendCall], expiry: Scheduled<Void>?, task: JSON?, bytes: Int)
        let ended: Ended? = state.withLock { state in
            guard !state.task.isOver else { return nil }
            state.task.ended(outcome)
            defer { (state.waiting, state.expiry) = ([], nil) }
            return (state.waiting, state.expiry, state.task.detailed, state.task.bytes)
        }
        guard let ended else { return }
        ended.expiry?.cancel()
        for call in ended.waiting { finish(call, with: ended.task) }
        actions.over(ended.bytes)
        actions.moved()
    }

    /// What can be told of it without asking its server.
    var detailed: JSON? { state.withLock { $0.task.detailed } }

    /// Its server says unasked how it is.
    ///
    /// - Returns: the task; `nil`: what it ended with is still on its way, or nothing was said.
    func heard(_ status: JSON) -> JSON? {
        guard TaskStatus(of: status) != nil else { return nil }
        return state.withLock { $0.task.heard(status) }
    }

    // MARK: Requests of callers

    /// Answers `tasks/get`, `tasks/update` or `tasks/cancel`.
    func answer(_ call: BackendCall, _ fail: @escaping @Sendable (BackendCall, LinkEvent) -> Void) {
        guard let attempt = call.beginAttempt() else { return }
        switch call.request.method {
        case Method.tasksUpdate:
            let answers = state.withLock {
                $0.task.answered(call.request.params["inputResponses"] ?? .emptyObject)
            }
            for answer in answers { link.respond(answer) }
            call.finish(.result(["resultType": "complete"]))
        case Method.tasksCancel:
            let (isOver, answers) = state.withLock { ($0.task.isOver, $0.task.abandoned()) }
            if isOver { return finish(call, with: nil) }
            for answer in answers { link.respond(answer) }
            ask(Method.tasksCancel, call, attempt) { event in
                switch event {
                case .result(let task): _ = self.state.withLock { $0.task.heard(task) }
                // It was over when this came; that is no fault of the caller's.
                case .error: break
                default: return fail(call, event)
                }
                self.finish(call, with: nil)
            }
        default:
            if let known = state.withLock({ $0.task.detailed }) { return finish(call, with: known) }
            ask(Method.tasksGet, call, attempt) { event in
                guard case .result(let told) = event else {
                    if let known = self.state.withLock({ $0.task.detailed }) {
                        return self.finish(call, with: known)
                    }
                    return fail(call, event)
                }
                let task: JSON? = self.state.withLock { state in
                    let task = state.task.heard(told)
                    if task == nil {
                        // Who has lost patience need not be kept until the end.
                        state.waiting.removeAll(where: \.isOver)
                        state.waiting.append(call)
                    }
                    return task
                }
                if let task { self.finish(call, with: task) }
            }
        }
    }

    /// Nobody wants it any more.
    func cancel() {
        let (isOver, answers) = state.withLock { ($0.task.isOver, $0.task.abandoned()) }
        guard !isOver else { return }
        for answer in answers { link.respond(answer) }
        link.send(
            LinkRequest(number: actions.nextNumber(), method: Method.tasksCancel, params: params),
            within: actions.errandTime, on: actions.loop)
        let handle = state.withLock { $0.handle }
        handle?.cancel()
        end(.error(actions.error(BackendFault(.cancelled, "nobody waits for this task any more"))))
    }

    private func ask(
        _ method: String, _ call: BackendCall, _ attempt: Int, _ then: @escaping @Sendable (LinkEvent) -> Void
    ) {
        let request = LinkRequest(number: actions.nextNumber(), method: method, params: params)
        let handle = link.send(request) { event in
            guard call.isCurrent(attempt) else { return }
            switch event {
            case .notification, .question: break
            case .result, .error, .fault: then(event)
            }
        }
        call.running(handle, attempt: attempt)
    }

    /// - Parameter task: `nil`: an empty word of thanks.
    private func finish(_ call: BackendCall, with task: JSON?) {
        call.finish(.result((task ?? .emptyObject).setting("resultType", to: "complete")))
    }
}
