import JSONSlice
import MCPModel

/// One task of 2025-11-25 as callers of 2026-07-28 see it: what its server said of it, what it asks, and
/// what it ended with.
///
/// The server says all that on the answer to `tasks/result`, which the gateway waits for from the beginning: questions
/// as requests on that stream, and at last the result.
struct LegacyTaskState: Sendable {
    enum Outcome: Sendable {
        case result(JSON)
        /// A JSON-RPC error object, in modern terms.
        case error(JSON)
    }

    /// Questions that are open at once; further ones are refused.
    static let questionsMax = InputRounds.requestsMax

    /// As last heard, in modern terms.
    private var task: JSON
    private var questions: [(key: String, question: BackendQuestion)] = []
    private var lastKey = 0
    private var outcome: Outcome?

    /// - Parameter task: as the server's answer to the call described it.
    init(_ task: JSON) { self.task = EraBridge.modernTask(fromLegacy: task).detached }

    var isOver: Bool { outcome != nil }

    /// What it takes to keep it.
    var bytes: Int {
        switch outcome {
        case .result(let json), .error(let json): json.bytes.count + task.bytes.count
        case nil: task.bytes.count
        }
    }

    /// The result of the call that made it.
    var creation: JSON { task.setting("resultType", to: .string(TasksExtension.resultType)) }

    /// The whole task, if it can be told without asking its server.
    var detailed: JSON? {
        switch outcome {
        case .result(let result): return told("completed").setting("result", to: result)
        case .error where TaskStatus(of: task) == .cancelled: return told("cancelled")
        case .error(let error): return told("failed").setting("error", to: error)
        case nil:
            guard !questions.isEmpty else { return nil }
            let asked = questions.map { ($0.key, $0.question.inputRequest) }
            return told("input_required").setting("inputRequests", to: .object(asked))
        }
    }

    // MARK: What the server says

    /// - Returns: the whole task; `nil`: it is over, and what it ended with is still on its way.
    mutating func heard(_ legacy: JSON) -> JSON? {
        let told = EraBridge.modernTask(fromLegacy: legacy.removing("_meta"))
        guard let status = TaskStatus(of: told) else { return detailed ?? self.told("working") }
        task = told.detached
        if let detailed { return detailed }
        switch status {
        case .completed, .failed: return nil
        case .cancelled: return self.told("cancelled")
        // It waits for an answer to a question that has not arrived here: for the caller it works.
        case .working, .inputRequired: return self.told("working")
        }
    }

    /// - Returns: a refusal to be sent, where too much is asked.
    mutating func asked(_ question: BackendQuestion) -> RPCMessage? {
        guard questions.count < Self.questionsMax, outcome == nil else { return question.abandoned }
        lastKey += 1
        questions.append(("input-\(lastKey)", question))
        return nil
    }

    mutating func ended(_ outcome: Outcome) {
        guard self.outcome == nil else { return }
        questions = []
        switch outcome {
        case .result(let result): self.outcome = .result(EraBridge.unrelated(result).detached)
        case .error(let error): self.outcome = .error(error.detached)
        }
    }

    // MARK: What the caller says

    /// - Returns: the answers as the server is to get them; to what nobody asked, or was answered, there is none.
    mutating func answered(_ responses: JSON) -> [RPCMessage] {
        responses.members.compactMap { key, value in
            guard let place = questions.firstIndex(where: { $0.key == key }) else { return nil }
            return questions.remove(at: place).question.answered(value.detached)
        }
    }

    /// Nobody will answer any more.
    mutating func abandoned() -> [RPCMessage] {
        defer { questions = [] }
        return questions.map(\.question.abandoned)
    }

    private func told(_ status: String) -> JSON { task.setting("status", to: .string(status)) }
}
