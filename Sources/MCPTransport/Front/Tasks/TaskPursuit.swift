import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// Waits for the end of one task: what ``TaskWalk`` decides, done. Lives as long as the request that waits.
final class TaskPursuit: Sendable {
    /// Starts one request about the task.
    typealias Ask = @Sendable (_ method: String, _ params: JSON, @escaping CallSink) -> CallHandle

    private struct State: Sendable {
        var walk: TaskWalk
        /// Of the round that may still speak.
        var round = 0
        /// The round that ended with a question, for as long as its answers are awaited.
        var asked: Int?
        var handle: CallHandle?
        var timer: Scheduled<Void>?
    }

    let taskID: String
    private let ask: Ask
    private let loop: any EventLoop
    private let deadline: NIODeadline
    private let limits: FrontLimits
    /// Whether the task goes when nobody waits for it any more: nobody else knows of it.
    private let isOwned: Bool
    private let saw: @Sendable (_ task: JSON) -> Void
    private let state: Mutex<State>

    /// - Parameter saw: hears each state of the task.
    init(
        _ taskID: String, isOwned: Bool, on loop: any EventLoop, limits: FrontLimits, ask: @escaping Ask,
        saw: @escaping @Sendable (_ task: JSON) -> Void = { _ in }
    ) {
        self.taskID = taskID
        self.isOwned = isOwned
        self.ask = ask
        self.loop = loop
        self.limits = limits
        self.saw = saw
        deadline = .now() + TimeAmount(limits.taskWaitMax)
        state = Mutex(State(walk: TaskWalk(TaskWalk.Pace(limits))))
    }

    /// One round: from here, with the client's answers if it was asked for some, to the end or the next question.
    func go(_ responses: JSON?, _ sink: @escaping CallSink) -> CallHandle {
        let round = state.withLock { state in
            state.round += 1
            state.asked = nil
            if let responses { state.walk.answering(responses) }
            return state.round
        }
        if let responses {
            send(
                Method.tasksUpdate, ["taskId": .string(taskID), "inputResponses": responses], round, sink
            ) { [weak self] _ in self?.look(round, sink) }
        } else {
            look(round, sink)
        }
        return CallHandle { [weak self] in self?.stop(round) }
    }

    private func look(_ round: Int, _ sink: @escaping CallSink) {
        send(Method.tasksGet, ["taskId": .string(taskID)], round, sink) { [weak self] task in
            guard let self else { return }
            saw(task)
            switch state.withLock({ $0.walk.saw(task) }) {
            case .finish(let event): end(round, event, sink)
            case .look(let wait): look(round, after: wait, sink)
            }
        }
    }

    private func look(_ round: Int, after wait: Duration, _ sink: @escaping CallSink) {
        let next = NIODeadline.now() + TimeAmount(wait)
        guard next < deadline else {
            let failure = CallFailure(
                .deadlineExceeded, "the task has not ended within \(limits.taskWaitMax)",
                hint: isOwned
                    ? "the tool takes longer than this gateway waits; call it as a task"
                    : "it goes on; ask for its result again")
            if isOwned { _ = ask(Method.tasksCancel, ["taskId": .string(taskID)]) { _ in } }
            return end(round, .failure(failure), sink)
        }
        let timer = loop.scheduleTask(deadline: next) { [weak self] () -> Void in self?.look(round, sink) }
        let isOver = state.withLock { state in
            guard state.round == round else { return true }
            state.timer = timer
            return false
        }
        if isOver { timer.cancel() }
    }

    /// Asks, and ends the round with whatever is no result.
    private func send(
        _ method: String, _ params: JSON, _ round: Int, _ sink: @escaping CallSink,
        then: @escaping @Sendable (JSON) -> Void
    ) {
        guard state.withLock({ $0.round == round }) else { return }
        let handle = ask(method, params) { [weak self] event in
            guard let self, state.withLock({ $0.round == round }) else { return }
            switch event {
            case .notification: break
            case .result(let result): then(result)
            case .error, .failure: end(round, event, sink)
            }
        }
        let isOver = state.withLock { state in
            guard state.round == round else { return true }
            state.handle = handle
            return false
        }
        if isOver { handle.cancel() }
    }

    private func end(_ round: Int, _ event: CallEvent, _ sink: CallSink) {
        let isFirst = state.withLock { state in
            guard state.round == round else { return false }
            state.round += 1
            if case .result(let result) = event, result["resultType"]?.string == "input_required" {
                state.asked = round
            }
            return true
        }
        if isFirst { sink(event) }
    }

    private func stop(_ round: Int) {
        let held: (CallHandle?, Scheduled<Void>?)? = state.withLock { state in
            guard state.round == round || state.asked == round else { return nil }
            if state.round == round { state.round += 1 }
            state.asked = nil
            return (state.handle, state.timer)
        }
        guard let held else { return }
        held.0?.cancel()
        held.1?.cancel()
        if isOwned { _ = ask(Method.tasksCancel, ["taskId": .string(taskID)]) { _ in } }
    }
}
