import Audit
import Synchronization

/// What became of the calls of one server, counted from any thread without a lock.
final class CallTally: Sendable {
    private let outcomes = InlineArray<6, Atomic<Int>> { _ in Atomic(0) }
    private let durations = DurationHistogram()

    /// - Parameter elapsed: counted for what was let through: what is refused takes no time, and would hide what the others take.
    func add(_ outcome: AuditRecord.Outcome, after elapsed: Duration) {
        outcomes[outcome.place].wrappingAdd(1, ordering: .relaxed)
        if outcome != .refused { durations.add(elapsed) }
    }

    func count(of outcome: AuditRecord.Outcome) -> Int { outcomes[outcome.place].load(ordering: .relaxed) }

    var isEmpty: Bool { AuditRecord.Outcome.allCases.allSatisfy { count(of: $0) == 0 } }

    func readDurations() -> HistogramReading { durations.read() }
}

extension AuditRecord.Outcome {
    fileprivate var place: Int {
        switch self {
        case .ok: 0
        case .error: 1
        case .failed: 2
        case .unknown: 3
        case .cancelled: 4
        case .refused: 5
        }
    }
}
