import MCPModel
import NIOCore
import Synchronization

/// The sessions of one legacy backend that may ask callers, beside its first connection: opened on demand, held
/// as child tasks of ``run()``, bounded (``SessionShelf``).
final class AskingSessions: Sendable {
    typealias Opening = @Sendable (AskingSession) async throws(BackendFault) -> any BackendLink

    private struct State: Sendable {
        var shelf: SessionShelf
        var sessions: [Int: AskingSession] = [:]
        var isOver = false
    }

    private struct Order: Sendable {
        var session: AskingSession
        var predecessor: AskingSession?
    }

    private let idleMax: Duration
    private let group: any EventLoopGroup
    private let state: Mutex<State>
    private let orders: AsyncStream<Order>
    private let giveOrder: AsyncStream<Order>.Continuation

    /// - Parameters:
    ///   - countMax: sessions at once.
    ///   - idleMax: how long one without calls is kept.
    init(countMax: Int, idleMax: Duration, group: any EventLoopGroup) {
        self.idleMax = idleMax
        self.group = group
        state = Mutex(State(shelf: SessionShelf(countMax: countMax)))
        (orders, giveOrder) = AsyncStream.makeStream()
    }

    /// Holds every session until cancelled, then ends them.
    func run(_ open: @escaping Opening) async {
        await withDiscardingTaskGroup { tasks in
            for await order in orders {
                tasks.addTask {
                    await order.session.live(after: order.predecessor, open: open) {
                        self.forget(order.session.number)
                    }
                }
            }
            tasks.cancelAll()
        }
        let waiting = state.withLock { state in
            state.isOver = true
            return Array(state.sessions.values)
        }
        // Ordered after the last was taken: they end without having begun.
        let stopped = BackendFault(.cancelled, "the gateway stopped it")
        for session in waiting {
            await session.live(after: nil, open: { _ throws(BackendFault) in throw stopped }) {
                self.forget(session.number)
            }
        }
    }

    /// The session for one call; the call counts there until ``release(_:)``. `nil`: all there may be are in use.
    func acquire(_ declared: DeclaredCapabilities, isShared: Bool) -> AskingSession? {
        state.withLock { state in
            guard !state.isOver else { return nil }
            switch state.shelf.choose(for: declared, isShared: isShared, at: .now) {
            case .use(let number): return state.sessions[number]
            case .open(let number, let after):
                let session = AskingSession(number, declared)
                let predecessor = after.flatMap { state.sessions[$0] }
                state.sessions[number] = session
                predecessor?.close(BackendFault(.lost, "another session took its place"))
                giveOrder.yield(Order(session: session, predecessor: predecessor))
                return session
            case .full: return nil
            }
        }
    }

    func suspended(_ session: AskingSession) { state.withLock { $0.shelf.suspended(session.number) } }

    func resumed(_ session: AskingSession) { state.withLock { $0.shelf.resumed(session.number) } }

    func release(_ session: AskingSession) {
        let isIdle = state.withLock { $0.shelf.released(session.number, at: .now) }
        if isIdle { look(at: session, in: idleMax) }
    }

    /// One timer a session, however many calls come and go.
    private func look(at session: AskingSession, in time: Duration) {
        group.any().scheduleTask(in: TimeAmount(time)) { [weak self, weak session] in
            guard let self, let session else { return }
            let idleness = state.withLock { $0.shelf.idleness(of: session.number, after: idleMax, at: .now) }
            switch idleness {
            case .busy: break
            case .lookAgain(let time): look(at: session, in: time)
            case .over: session.close(BackendFault(.lost, "nobody used it any more"))
            }
        }
    }

    /// The link is of no more use.
    func close(_ session: AskingSession, _ fault: BackendFault) {
        state.withLock { $0.shelf.ending(session.number) }
        session.close(fault)
    }

    private func forget(_ number: Int) {
        state.withLock { state in
            state.shelf.ended(number)
            state.sessions[number] = nil
        }
    }
}
