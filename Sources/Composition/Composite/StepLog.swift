import JSONSlice
import MCPModel

/// What became of each step, for whoever has to look after a run that did not come to its end.
struct StepLog: Sendable {
    enum Outcome: String, Sendable {
        case done, failed, skipped, unknown, cancelled
        /// Never begun.
        case notRun = "not_run"
    }

    private struct Note: Sendable {
        var outcome: Outcome?
        /// Of its last sending; its owner knows it by this.
        var callID: CallID?
        var reason: String?
    }

    private struct Step: Sendable {
        let id: String
        let isList: Bool
        var whole = Note()
        var items: [Int: Note] = [:]
    }

    private var steps: [Step]

    init(_ steps: [(id: String, isList: Bool)]) {
        self.steps = steps.map { Step(id: $0.id, isList: $0.isList) }
    }

    mutating func sent(_ id: CallID, at place: StepPlace) { change(place) { $0.callID = id } }

    mutating func note(_ outcome: Outcome, at place: StepPlace, reason: String? = nil) {
        change(place) { note in
            note.outcome = outcome
            note.reason = reason
        }
    }

    /// Ids of the steps that are done.
    var done: [String] { steps.filter { Self.outcome(of: $0) == .done }.map(\.id) }

    var json: JSON {
        .array(
            steps.map { step in
                var members: [(String, JSON)] = [
                    ("id", .string(step.id)), ("outcome", .string(Self.outcome(of: step).rawValue)),
                ]
                members += Self.members(of: step.whole)
                guard step.isList, !step.items.isEmpty else { return .object(members) }
                let items = step.items.sorted { $0.key < $1.key }.map { index, note in
                    JSON.object(
                        [
                            ("index", .number(index)),
                            ("outcome", .string((note.outcome ?? .cancelled).rawValue)),
                        ] + Self.members(of: note))
                }
                members.append(("items", .array(items)))
                return .object(members)
            })
    }

    private mutating func change(_ place: StepPlace, _ body: (inout Note) -> Void) {
        if let item = place.item {
            body(&steps[place.step].items[item, default: Note()])
        } else {
            body(&steps[place.step].whole)
        }
    }

    private static func members(of note: Note) -> [(String, JSON)] {
        (note.callID.map { [("callId", .string($0.description))] } ?? [])
            + (note.reason.map { [("reason", .string($0))] } ?? [])
    }

    /// The worst of its items counts for a list.
    private static func outcome(of step: Step) -> Outcome {
        if let outcome = step.whole.outcome { return outcome }
        guard step.isList, !step.items.isEmpty else {
            return step.whole.callID == nil ? .notRun : .cancelled
        }
        let outcomes = step.items.values.map { $0.outcome ?? .cancelled }
        for bad in [Outcome.unknown, .failed, .cancelled] where outcomes.contains(bad) { return bad }
        return outcomes.contains(.done) ? .done : .skipped
    }
}
