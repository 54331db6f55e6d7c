import Dispatch
import Synchronization

/// Where queries run: one after the other, on a thread that is not of Swift's pool, since SQLite blocks it.
package final class QueryDesk: Sendable {
    /// Queries that wait or run; one takes seconds at most, so the last of them waits no longer than a person does.
    package static let queriesMax = 8

    private let thread = DispatchQueue(label: "martlet.query")
    private let open = Mutex(0)

    package init() {}

    /// - Throws: ``QueryError``; `CancellationError` when the task is cancelled, upon which the query stops.
    package func run(_ query: ReadOnlyQuery) async throws -> QueryResult {
        let hasRoom = open.withLock { open in
            guard open < Self.queriesMax else { return false }
            open += 1
            return true
        }
        guard hasRoom else { throw QueryError.busy(Self.queriesMax) }
        defer { open.withLock { $0 -= 1 } }

        let sign = GivenUp()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                thread.async {
                    continuation.resume(
                        with: Result {
                            if sign.isSet { throw CancellationError() }
                            return try query.run(isGivenUp: { sign.isSet })
                        })
                }
            }
        } onCancel: {
            sign.set()
        }
    }

    /// Set once, when nobody waits for the answer any more.
    private final class GivenUp: Sendable {
        private let state = Atomic(false)
        var isSet: Bool { state.load(ordering: .relaxed) }
        func set() { state.store(true, ordering: .relaxed) }
    }
}
