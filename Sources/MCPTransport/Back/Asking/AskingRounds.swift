import JSONSlice
import MCPModel

/// One call at a legacy backend that may ask its caller, round after round, as a state machine.
///
/// While the backend works, a *leg* is open: the caller waits. What the backend asks is gathered for a short
/// time; then the leg ends with `input_required` and the call is suspended, though it stays open at the
/// backend. The caller's retry opens the next leg with the answers. No clock, no I/O: ``Effect`` says what to do.
struct AskingRounds: Sendable {
    enum Effect: Sendable {
        /// Call ``windowClosed()`` a moment from now: what is asked until then belongs together.
        case openWindow
        /// End the leg with these `inputRequests`; the backend's call stays open.
        case suspend(JSON)
        /// Send to the backend.
        case answer(RPCMessage)
        /// End the leg with what the backend, or nobody, said.
        case finish(LinkEvent)
        /// Tell the backend that nobody waits any more.
        case cancel
    }

    private enum Phase: Sendable {
        /// A leg is open; `isGathering`: it ends when the window closes.
        case running(isGathering: Bool)
        case suspended
        /// The backend is done while nobody listens: told to the next leg.
        case late(LinkEvent)
        case over
    }

    /// Legs of one call: a backend that keeps asking must not keep a call alive for ever.
    static let roundsMax = 32
    /// Questions that are open at once; what a legacy front asks in one round too.
    static let questionsMax = InputRounds.requestsMax

    private var phase = Phase.running(isGathering: false)
    private var questions: [(key: String, question: BackendQuestion)] = []
    private var lastKey = 0
    private var rounds = 1

    /// Whether the call waits for its caller, or for nothing any more.
    var isSuspended: Bool {
        switch phase {
        case .suspended, .late: true
        case .running, .over: false
        }
    }

    /// Whether the backend has asked for anything yet.
    var hasAsked: Bool { lastKey > 0 }

    /// The keys of what the caller has not answered yet.
    var openKeys: [String] { questions.map(\.key) }

    // MARK: What the backend does

    mutating func asked(_ question: BackendQuestion) -> [Effect] {
        switch phase {
        case .over, .late: return [.answer(question.abandoned)]
        case .running, .suspended: break
        }
        guard questions.count < Self.questionsMax else {
            return [
                .answer(
                    .failure(question.id, .internalError("\(Self.questionsMax) questions are open already")))
            ]
        }
        lastKey += 1
        questions.append(("\(Self.word(for: question.method))-\(lastKey)", question))
        guard case .running(isGathering: false) = phase else { return [] }
        phase = .running(isGathering: true)
        return [.openWindow]
    }

    /// The backend's call is over: a result, an error or a fault.
    mutating func ended(_ event: LinkEvent) -> [Effect] {
        questions = []
        switch phase {
        case .running:
            phase = .over
            return [.finish(event)]
        case .suspended:
            phase = .late(event)
            return []
        case .late, .over: return []
        }
    }

    // MARK: What the caller does

    /// The next leg, with the caller's `inputResponses`: keys that nobody asked for are ignored, what is still
    /// unanswered is asked again.
    mutating func resumed(with responses: [(key: String, value: JSON)]) -> [Effect] {
        switch phase {
        case .running, .over: return []
        case .late(let event):
            phase = .over
            return [.finish(event)]
        case .suspended: break
        }
        rounds += 1
        guard rounds <= Self.roundsMax else {
            let fault = BackendFault(.broken, "it asked its caller \(Self.roundsMax) times and is not done")
            return abandoned() + [.finish(.fault(fault))]
        }
        var effects: [Effect] = []
        for (key, value) in responses {
            guard let place = questions.firstIndex(where: { $0.key == key }) else { continue }
            effects.append(.answer(questions.remove(at: place).question.answered(value.detached)))
        }
        phase = .running(isGathering: !questions.isEmpty)
        return questions.isEmpty ? effects : effects + [.openWindow]
    }

    /// Nobody will answer: the caller cancelled, or never came back.
    mutating func abandoned() -> [Effect] {
        switch phase {
        case .late, .over:
            phase = .over
            return []
        case .running, .suspended:
            phase = .over
            defer { questions = [] }
            return questions.map { .answer($0.question.abandoned) } + [.cancel]
        }
    }

    // MARK: Time

    mutating func windowClosed() -> [Effect] {
        guard case .running(isGathering: true) = phase else { return [] }
        phase = .suspended
        return [.suspend(.object(questions.map { ($0.key, $0.question.inputRequest) }))]
    }

    private static func word(for method: String) -> String {
        switch method {
        case Method.elicitationCreate: "elicitation"
        case Method.samplingCreateMessage: "sampling"
        case Method.rootsList: "roots"
        default: "input"
        }
    }
}
