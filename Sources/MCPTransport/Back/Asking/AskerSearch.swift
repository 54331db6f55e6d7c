import MCPModel

/// Which request a question belongs to that came on a channel which all requests share, as a state machine.
///
/// On stdio, on the stream of HTTP+SSE and on the own stream of a session a question names no request. The one that asks is
/// among those that were open when the question came; and it waits for the answer, so one that ends meanwhile was not it.
/// So the question is held until a single request is left. Requests that begin later cannot have asked and need not wait.
/// Of one that was cancelled its end says nothing: what it may have asked is nobody's.
///
/// A question that is asked in a task of 2025-11-25 says in which, and belongs to the request that waits for that task; until
/// there is one, to those whose tasks are just being made, and to nobody else. One that says nothing is not a task's as
/// long as other requests are open.
struct AskerSearch: Sendable {
    enum Effect: Hashable, Sendable {
        /// The question is this request's.
        case give(BackendQuestion, to: Int)
        /// The backend gets this for an answer.
        case refuse(BackendQuestion, RPCError)
        /// Call ``expire(at:)`` then.
        case look(in: Duration)
    }

    private struct Held: Sendable {
        var question: BackendQuestion
        /// Those that may have asked, two at least.
        var suspects: Set<Int>
        var until: ContinuousClock.Instant
    }

    /// Questions that are held at once: as many as one call may have open, so that a backend cannot pile them up.
    static let heldMax = AskingRounds.questionsMax

    private let timeMax: Duration
    /// What is open, and what each one's caller can be asked for.
    private var open: [Int: DeclaredCapabilities] = [:]
    /// Those among them that wait for a task.
    private var tasks: [Int: String] = [:]
    /// Those among them that are to become tasks, of which nobody knows the ids yet.
    private var making: Set<Int> = []
    /// Those among them that nobody waits for any more.
    private var cancelled: Set<Int> = []
    private var held: [Held] = []

    /// - Parameter timeMax: how long a question is held.
    init(timeMax: Duration) { self.timeMax = timeMax }

    var heldCount: Int { held.count }

    /// Whether any request is open whose caller can be asked for something.
    var canAsk: Bool { open.values.contains { $0 != .none } }

    /// - Parameters:
    ///   - task: the one that it waits for.
    ///   - makesTask: whether it becomes one.
    mutating func began(
        _ number: Int, _ declared: DeclaredCapabilities, task: String? = nil, makesTask: Bool = false
    ) {
        open[number] = declared
        tasks[number] = task
        if makesTask { making.insert(number) }
        guard let task else { return }
        // The end of the request that made the task gives it what was held meanwhile.
        for index in held.indices where held[index].question.taskID == task {
            held[index].suspects = [number]
        }
    }

    /// Nobody waits for a request any more; the backend may go on with it until ``ended(_:)``.
    mutating func cancelled(_ number: Int) {
        if open[number] != nil { cancelled.insert(number) }
    }

    /// The backend is done with a request.
    mutating func ended(_ number: Int) -> [Effect] {
        open[number] = nil
        tasks[number] = nil
        making.remove(number)
        guard cancelled.remove(number) == nil else { return refuseAll(from: number) }
        for index in held.indices { held[index].suspects.remove(number) }
        return settle()
    }

    mutating func asked(_ question: BackendQuestion, at now: ContinuousClock.Instant) -> [Effect] {
        let suspects = suspects(of: question)
        if let effect = verdict(on: question, suspects) { return [effect] }
        guard held.count < Self.heldMax else {
            return [
                .refuse(
                    question,
                    .internalError("\(held.count) questions wait already for one call to be left that asks"))
            ]
        }
        held.append(Held(question: question, suspects: suspects, until: now + timeMax))
        return [.look(in: timeMax)]
    }

    private func suspects(of question: BackendQuestion) -> Set<Int> {
        if let id = question.taskID {
            let own = tasks.filter { $0.value == id }
            return own.isEmpty ? making : Set(own.keys)
        }
        let others = Set(open.keys).subtracting(tasks.keys)
        return others.isEmpty ? Set(open.keys) : others
    }

    /// Gives up on what was held for too long.
    mutating func expire(at now: ContinuousClock.Instant) -> [Effect] {
        let late = held.filter { $0.until <= now }
        held.removeAll { $0.until <= now }
        return late.map { late in
            .refuse(
                late.question,
                .internalError(
                    "\(late.suspects.count) calls were open on this channel for \(timeMax), "
                        + "so nobody can tell which of them asks"))
        }
    }

    private mutating func refuseAll(from number: Int) -> [Effect] {
        let doubtful = held.filter { $0.suspects.contains(number) }
        held.removeAll { $0.suspects.contains(number) }
        return doubtful.map {
            .refuse(
                $0.question,
                .internalError("a call that was cancelled may have asked, so nobody can tell which one did"))
        }
    }

    private mutating func settle() -> [Effect] {
        let before = held
        held = []
        return before.compactMap { item in
            let effect = verdict(on: item.question, item.suspects)
            if effect == nil { held.append(item) }
            return effect
        }
    }

    /// `nil`: it has to wait.
    private func verdict(on question: BackendQuestion, _ suspects: Set<Int>) -> Effect? {
        guard !suspects.isEmpty else {
            return .refuse(
                question,
                .internalError(
                    "no call is open on this channel that may have asked, so there is nobody to ask"))
        }
        // Where each of them would say no, it is not important which of them asks.
        let objections = suspects.sorted().map {
            (open[$0] ?? .none).objection(to: question.method, question.params)
        }
        if objections.allSatisfy({ $0 != nil }), let first = objections.first, let first {
            return .refuse(question, first)
        }
        guard let only = suspects.first, suspects.count == 1 else { return nil }
        return .give(question, to: only)
    }
}
