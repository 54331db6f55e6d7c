import MCPModel
import Synchronization

/// Holds the sessions of one backend beside its first connection, as child tasks of ``run(_:)``.
final class SessionHost: Sendable {
    typealias Opening = @Sendable (AskingSession) async throws(BackendFault) -> any BackendLink

    private struct Order: Sendable {
        var session: AskingSession
        var predecessor: AskingSession?
        var onEnd: @Sendable () -> Void
    }

    private struct State: Sendable {
        var ordered: [ObjectIdentifier: Order] = [:]
        var isOver = false
    }

    private let state = Mutex(State())
    private let orders: AsyncStream<AskingSession>
    private let giveOrder: AsyncStream<AskingSession>.Continuation

    init() { (orders, giveOrder) = AsyncStream.makeStream() }

    /// Has a session opened.
    ///
    /// - Parameters:
    ///   - predecessor: has to be gone before.
    ///   - onEnd: called once nothing more may be sent there.
    func begin(
        _ session: AskingSession, after predecessor: AskingSession? = nil,
        onEnd: @escaping @Sendable () -> Void
    ) {
        let order = Order(session: session, predecessor: predecessor, onEnd: onEnd)
        let isOver = state.withLock { state in
            if !state.isOver { state.ordered[ObjectIdentifier(session)] = order }
            return state.isOver
        }
        if isOver { Self.refuse(order) } else { giveOrder.yield(session) }
    }

    /// Holds every session until cancelled, then ends them.
    func run(_ open: @escaping Opening) async {
        await withDiscardingTaskGroup { tasks in
            for await session in orders {
                let order = state.withLock { $0.ordered.removeValue(forKey: ObjectIdentifier(session)) }
                guard let order else { continue }
                tasks.addTask {
                    await session.live(after: order.predecessor, open: open, onEnd: order.onEnd)
                }
            }
            tasks.cancelAll()
        }
        let late = state.withLock { state in
            state.isOver = true
            defer { state.ordered = [:] }
            return Array(state.ordered.values)
        }
        late.forEach(Self.refuse)
    }

    /// Ordered after the last was taken: it ends without having begun.
    private static func refuse(_ order: Order) {
        order.onEnd()
        order.session.refuse(BackendFault(.cancelled, "the gateway stopped it"))
    }
}
