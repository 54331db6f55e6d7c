import JSONSlice
import MCPModel

/// Follows one task of 2026-07-28 to its end on behalf of a client that waits for it: a state machine without a clock.
///
/// To whoever drives it the task is like a call of several rounds: it ends with the result, with an error, or with
/// `input_required`, and goes on with the answers.
struct TaskWalk: Sendable {
    enum Step: Sendable {
        /// Ask after the task again, but not before.
        case look(after: Duration)
        /// This is how the wait ends, or one round of it.
        case finish(CallEvent)
    }

    struct Pace: Hashable, Sendable {
        /// Where the server names no interval.
        var usual: Duration
        var least: Duration
        var most: Duration

        init(usual: Duration, least: Duration, most: Duration) {
            (self.usual, self.least, self.most) = (usual, least, most)
        }

        init(_ limits: FrontLimits) {
            self.init(usual: limits.taskPoll, least: limits.taskPollMin, most: limits.taskPollMax)
        }
    }

    private let pace: Pace
    /// Keys that were answered: they may stand in the task a little longer, and are never used again.
    private var answered: Set<String> = []

    init(_ pace: Pace) { self.pace = pace }

    /// The client's answers are on their way to the server.
    mutating func answering(_ responses: JSON) { answered.formUnion(responses.members.map(\.key)) }

    /// Takes what the server says of the task.
    func saw(_ task: JSON) -> Step {
        switch TaskStatus(of: task) {
        case .completed:
            guard let result = task["result"], result.kind == .object else {
                return .finish(Self.broken("the task is completed, but its server gives no result"))
            }
            // It may come from any server; here it is what a call would have ended with.
            return .finish(.result(result.setting("resultType", to: "complete")))
        case .failed:
            return .finish(
                .error(
                    task["error"] ?? RPCError.internalError("the task failed, its server says not why").json))
        case .cancelled:
            let why = task["statusMessage"]?.string.map { ": \($0)" } ?? ""
            return .finish(.failure(CallFailure(.cancelled, "the task was cancelled\(why)")))
        case .inputRequired:
            let open = task["inputRequests"]?.removing(where: answered.contains) ?? .emptyObject
            guard !open.members.isEmpty else { return .look(after: Self.interval(of: task, pace)) }
            return .finish(
                .result([
                    "resultType": "input_required", "inputRequests": open, "requestState": "",
                ]))
        case .working: return .look(after: Self.interval(of: task, pace))
        case nil: return .finish(Self.broken("the task's server gives no status that this gateway knows"))
        }
    }

    /// When to ask after a task again: its server says, within bounds.
    static func interval(of task: JSON, _ pace: Pace) -> Duration {
        guard let milliseconds = task["pollIntervalMs"]?.int else { return pace.usual }
        return min(max(.milliseconds(min(max(milliseconds, 0), 86_400_000)), pace.least), pace.most)
    }

    private static func broken(_ detail: String) -> CallEvent {
        .failure(CallFailure(.backendProtocol, detail))
    }
}
