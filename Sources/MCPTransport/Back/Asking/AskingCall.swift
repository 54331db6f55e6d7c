import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// A call at a legacy backend that may ask its caller: what ``AskingRounds`` decides, done.
///
/// Each leg is a ``BackendCall`` of its own, with its own caller's sink and time; this is what they have in
/// common, and it lives until the backend is done with the call or nobody waits for it any more.
final class AskingCall: Sendable {
    private struct State: Sendable {
        var rounds = AskingRounds()
        var leg: BackendCall
        /// The hold on the request at the backend.
        var handle: CallHandle?
        var isCancelled = false
    }

    /// What whoever gave the call its place is told of it.
    struct Place: Sendable {
        var suspended: @Sendable () -> Void
        var resumed: @Sendable () -> Void

        /// Where others are not in its way.
        static let own = Place(suspended: {}, resumed: {})
    }

    private let desk: AskingDesk
    private let place: Place
    private let link: any BackendLink
    private let ending: @Sendable (BackendCall, LinkEvent) -> Void
    private let state: Mutex<State>

    /// - Parameter ending: ends a leg with what the backend said.
    init(
        _ leg: BackendCall, at desk: AskingDesk, in place: Place, _ link: any BackendLink,
        ending: @escaping @Sendable (BackendCall, LinkEvent) -> Void
    ) {
        self.ending = ending
        self.desk = desk
        self.place = place
        self.link = link
        state = Mutex(State(leg: leg))
    }

    /// Sends the call.
    ///
    /// - Parameter takes: sees each event first, and whether the backend has asked for anything before; `true`: it was
    ///   seen to, and this call is none any more.
    func start(
        _ request: LinkRequest, unless takes: @escaping @Sendable (LinkEvent, _ hasAsked: Bool) -> Bool
    ) {
        let handle = link.send(request) { event in
            let hasAsked = self.state.withLock { $0.rounds.hasAsked }
            if !takes(event, hasAsked) { self.take(event) }
        }
        let isCancelled = state.withLock { state in
            state.handle = handle
            return state.isCancelled
        }
        // Cancelled between the two. (Cancelling a finished request does nothing.)
        if isCancelled { handle.cancel() }
    }

    /// The next leg begins, with what its caller answered.
    func resume(_ leg: BackendCall, with responses: [(key: String, value: JSON)]) {
        place.resumed()
        guard let attempt = leg.beginAttempt() else { return abandon() }
        state.withLock { $0.leg = leg }
        step { $0.resumed(with: responses) }
        leg.running(CallHandle { self.cancel(leg) }, attempt: attempt)
    }

    /// Its caller has gone: while a leg is open that ends the call, while it is suspended it means nothing.
    func cancel(_ leg: BackendCall) {
        let isOpen = state.withLock { $0.leg === leg && !$0.rounds.isSuspended }
        if isOpen { abandon() }
    }

    func abandon() { step { $0.abandoned() } }

    /// A suspended call that nobody came back for.
    func expire() {
        place.resumed()
        abandon()
    }

    // MARK: -

    private func take(_ event: LinkEvent) {
        switch event {
        case .notification(let method, let params): state.withLock { $0.leg }.notify(method, params)
        case .question(let question): step { $0.asked(question) }
        case .result, .error, .fault: step { $0.ended(event) }
        }
    }

    private func step(_ move: (inout AskingRounds) -> [AskingRounds.Effect]) {
        let (effects, leg) = state.withLock { state in (move(&state.rounds), state.leg) }
        for effect in effects {
            switch effect {
            case .openWindow: desk.inAMoment { self.step { $0.windowClosed() } }
            case .answer(let message): link.respond(message)
            case .finish(let event): ending(leg, event)
            case .suspend(let inputRequests): suspend(leg, inputRequests)
            case .cancel:
                let handle = state.withLock { state in
                    state.isCancelled = true
                    return state.handle
                }
                handle?.cancel()
            }
        }
    }

    private func suspend(_ leg: BackendCall, _ inputRequests: JSON) {
        place.suspended()
        let ending = desk.suspend(self, leg.request, inputRequests)
        // Unless the caller has it in hands, nobody can come back for this call.
        let isTold = leg.finish(ending)
        if case .result = ending, isTold { return }
        place.resumed()
        abandon()
    }
}
