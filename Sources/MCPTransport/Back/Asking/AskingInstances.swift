import MCPModel
import NIOCore
import Synchronization

/// The instances of one legacy backend whose questions name no call, and the calls that wait for one: what
/// ``InstanceQueue`` decides, done.
final class AskingInstances: Sendable {
    /// A call that wants a place. One of the two is called, unless its caller leaves before.
    struct Entrant: Sendable {
        /// - Parameter link: of the instance; `nil`: the backend's first connection.
        var start: @Sendable (_ call: Int, _ link: (any BackendLink)?) -> Void
        /// - Parameter fault: why an instance could not be opened.
        var refuse: @Sendable (InstanceQueue.Refusal, _ fault: BackendFault?) -> Void
    }

    private struct State: Sendable {
        var queue: InstanceQueue
        var entrants: [Int: Entrant] = [:]
        var sessions: [Int: AskingSession] = [:]
        var links: [Int: any BackendLink] = [:]
        var lastCall = 0
    }

    private let host: SessionHost
    private let group: any EventLoopGroup
    private let state: Mutex<State>

    init(_ limits: InstanceQueue.Limits, host: SessionHost, group: any EventLoopGroup) {
        self.host = host
        self.group = group
        state = Mutex(State(queue: InstanceQueue(limits)))
    }

    /// Takes a call in; it is started, perhaps before this returns, or refused.
    ///
    /// - Parameter waits: is called first, with the call's number.
    func enter(_ entry: String, _ entrant: Entrant, waits: (_ call: Int) -> Void) {
        let call = state.withLock { state in
            state.lastCall += 1
            state.entrants[state.lastCall] = entrant
            return state.lastCall
        }
        waits(call)
        move { $0.arrived(call, entry, at: .now) }
    }

    func left(_ call: Int) {
        move { $0.left(call, at: .now) }
        state.withLock { _ = $0.entrants.removeValue(forKey: call) }
    }

    /// The backend is done with a call that was started.
    func ended(_ call: Int) { move { $0.ended(call, at: .now) } }

    func asked() { move { $0.asked(at: .now) } }

    func suspended(_ call: Int) { move { $0.suspended(call) } }

    func resumed(_ call: Int) { state.withLock { $0.queue.resumed(call) } }

    /// The link is of no more use.
    func close(_ session: AskingSession, _ fault: BackendFault) {
        state.withLock { $0.queue.ending(session.number) }
        session.close(fault)
    }

    /// Has all but the first end as soon as their calls have.
    func retire() { move { $0.retire() } }

    // MARK: -

    private func move(
        because fault: BackendFault? = nil,
        _ change: @Sendable (inout InstanceQueue) -> [InstanceQueue.Effect]
    ) {
        let actions = state.withLock { state in
            change(&state.queue).map { action(for: $0, &state, fault) }
        }
        for action in actions { action() }
    }

    private func action(
        for effect: InstanceQueue.Effect, _ state: inout State, _ fault: BackendFault?
    ) -> @Sendable () -> Void {
        switch effect {
        case .start(let call, let instance):
            let entrant = state.entrants.removeValue(forKey: call)
            let link = state.links[instance]
            return { [weak self] in
                if let entrant { entrant.start(call, link) } else { self?.ended(call) }
            }
        case .refuse(let call, let refusal):
            let entrant = state.entrants.removeValue(forKey: call)
            return { entrant?.refuse(refusal, fault) }
        case .open(let instance):
            let session = AskingSession(instance, .everything)
            state.sessions[instance] = session
            return { [weak self] in self?.open(session) }
        case .close(let instance):
            let session = state.sessions[instance]
            return { session?.close(BackendFault(.lost, "nobody used it any more")) }
        case .wake(let wake, let time):
            return { [weak self, group] in
                group.any().scheduleTask(in: TimeAmount(time)) { [weak self] () -> Void in
                    self?.move { $0.woke(wake, at: .now) }
                }
            }
        }
    }

    private func open(_ session: AskingSession) {
        let number = session.number
        session.whenOpen { [weak self] outcome in
            guard let self else { return }
            switch outcome {
            case .success(let link):
                state.withLock { $0.links[number] = link }
                move { $0.opened(number, at: .now) }
            case .failure(let fault): move(because: fault) { $0.failed(number, at: .now) }
            }
        }
        session.whenGone { [weak self] in self?.move { $0.gone(number, at: .now) } }
        host.begin(session) { [weak self] in
            self?.state.withLock { state in
                state.sessions[number] = nil
                state.links[number] = nil
                // It counts until its process is gone, and nobody is sent there.
                state.queue.ending(number)
            }
        }
    }
}
