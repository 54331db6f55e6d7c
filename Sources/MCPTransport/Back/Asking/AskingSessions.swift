import MCPModel
import NIOCore
import Synchronization

/// The sessions of one legacy backend over Streamable HTTP at which capabilities of callers were declared: opened on
/// demand beside its first, bounded (``SessionShelf``).
final class AskingSessions: Sendable {
    private struct State: Sendable {
        var shelf: SessionShelf
        var sessions: [Int: AskingSession] = [:]
    }

    private let idleMax: Duration
    private let group: any EventLoopGroup
    private let host: SessionHost
    private let state: Mutex<State>

    /// - Parameters:
    ///   - countMax: sessions at once.
    ///   - idleMax: how long one without calls is kept.
    init(countMax: Int, idleMax: Duration, host: SessionHost, group: any EventLoopGroup) {
        self.idleMax = idleMax
        self.group = group
        self.host = host
        state = Mutex(State(shelf: SessionShelf(countMax: countMax)))
    }

    /// The session for one call; the call counts there until ``release(_:)``. `nil`: all there may be are in use.
    func acquire(_ declared: DeclaredCapabilities) -> AskingSession? {
        typealias Found = (session: AskingSession, predecessor: AskingSession?, isNew: Bool)
        let found: Found? = state.withLock { state in
            switch state.shelf.choose(for: declared, at: .now) {
            case .use(let number): return state.sessions[number].map { ($0, nil, false) }
            case .open(let number, let after):
                let session = AskingSession(number, declared)
                let predecessor = after.flatMap { state.sessions[$0] }
                state.sessions[number] = session
                return (session, predecessor, true)
            case .full: return nil
            }
        }
        guard let found else { return nil }
        if found.isNew {
            found.predecessor?.close(BackendFault(.lost, "another session took its place"))
            host.begin(found.session, after: found.predecessor) { [weak self] in
                self?.forget(found.session.number)
            }
        }
        return found.session
    }

    func release(_ session: AskingSession) {
        let (isIdle, isSpent) = state.withLock { state in
            (state.shelf.released(session.number, at: .now), state.shelf.isSpent(session.number))
        }
        if isSpent {
            session.close(BackendFault(.lost, "a call there was lost"))
        } else if isIdle {
            look(at: session, in: idleMax)
        }
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

    /// One call there was lost. Others may yet get their answers, so it ends with the last of them; what comes next goes
    /// elsewhere.
    func retire(_ session: AskingSession) { state.withLock { $0.shelf.ending(session.number) } }

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
