import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// Where subscriptions to the resources of one backend are held: what ``SubscriptionLedger`` decides, done.
///
/// May be used from any thread. No lock is held while a link or a holder is called.
final class SubscriptionDesk: Sendable {
    /// How a request to a link is made: with a number of the backend's own, in its revision.
    typealias Making = @Sendable (_ method: String, _ params: JSON, _ isEndless: Bool) -> LinkRequest

    private struct Post: Sendable {
        var link: any BackendLink
        var make: Making
    }

    private struct Holder: Sendable {
        var sink: CallSink
        var timer: Scheduled<Void>
    }

    private struct Listen: Sendable {
        var handle: CallHandle?
        var acknowledgedAt: ContinuousClock.Instant?
    }

    private struct State: Sendable {
        var ledger: SubscriptionLedger
        var posts: [Int: Post] = [:]
        var holders: [Int: Holder] = [:]
        var listens: [Int: Listen] = [:]
        var lastPost = 0
        var isClosed = false
    }

    private let server: String
    private let limits: BackendLimits
    private let group: any EventLoopGroup
    private let chance: @Sendable () -> Double
    private let state: Mutex<State>

    init(
        server: String, limits: BackendLimits, group: any EventLoopGroup,
        chance: @escaping @Sendable () -> Double
    ) {
        self.server = server
        self.limits = limits
        self.group = group
        self.chance = chance
        let backoff = Backoff(from: limits.backoffMin, to: limits.backoffMax)
        state = Mutex(
            State(ledger: SubscriptionLedger(holdersMax: limits.subscriptionsMax, backoff: backoff)))
    }

    // MARK: Holders

    /// Takes a subscription in, for as long as its request says; cancelling ends it.
    func open(_ request: CallRequest, _ sink: @escaping CallSink) -> CallHandle {
        guard let uri = ResourceSubscription.uri(in: request.params) else {
            let error = RPCError.invalidParams("a subscription of the gateway is about one resource")
            sink(.error(error.json))
            return .finished
        }
        let (isClosed, opened) = state.withLock {
            state -> (Bool, (holder: Int, effects: [SubscriptionLedger.Effect])?) in
            guard !state.isClosed, let opened = state.ledger.open(uri) else {
                return (state.isClosed, nil)
            }
            let timer = group.any().scheduleTask(in: TimeAmount(request.timeLeft)) { [weak self] () -> Void in
                self?.end(opened.holder)
            }
            state.holders[opened.holder] = Holder(sink: sink, timer: timer)
            return (false, opened)
        }
        guard let opened else {
            let full = CallFailure(
                .limited, "server \(server): \(limits.subscriptionsMax) subscriptions are open already",
                hint: "end some, or try again later", callID: request.id)
            sink(.failure(isClosed ? stopped(request.id) : full))
            return .finished
        }
        perform(opened.effects)
        return CallHandle { [weak self] in self?.close(opened.holder)?.timer.cancel() }
    }

    /// Its time is over: whoever still wants it has opened another.
    private func end(_ holder: Int) { close(holder)?.sink(.result(["resultType": "complete"])) }

    @discardableResult
    private func close(_ number: Int) -> Holder? {
        let (holder, effects) = state.withLock { state in
            (state.holders.removeValue(forKey: number), state.ledger.close(number))
        }
        perform(effects)
        return holder
    }

    // MARK: Links

    /// A number for a link that is being opened.
    func admit() -> Int {
        state.withLock { state in
            state.lastPost += 1
            return state.lastPost
        }
    }

    /// A link is greeted, for the first time or anew.
    func linked(
        _ number: Int, _ link: any BackendLink, _ greeting: Greeting, isFirst: Bool,
        make: @escaping Making
    ) {
        perform(
            state.withLock { state in
                guard !state.isClosed else { return [] }
                state.posts[number] = Post(link: link, make: make)
                return state.ledger.linked(number, greeting, isFirst: isFirst)
            })
    }

    func unlinked(_ number: Int) {
        perform(
            state.withLock { state in
                state.posts[number] = nil
                return state.ledger.unlinked(number)
            })
    }

    /// The params of a `notifications/resources/updated` of whichever link.
    func updated(_ params: JSON) { perform(state.withLock { $0.ledger.updated(params) }) }

    /// What the first session says is heard from here on.
    func hearing() { perform(state.withLock { $0.ledger.hearing() }) }

    /// Ends all subscriptions: the backend is being stopped.
    func close() {
        let failure = stopped()
        perform(
            state.withLock { state in
                state.isClosed = true
                state.posts = [:]
                return state.ledger.closeAll(.failure(failure))
            })
    }

    private func stopped(_ call: CallID? = nil) -> CallFailure {
        CallFailure(
            .backendUnavailable, "server \(server): the gateway stopped it",
            hint: "martlet servers test \(server)", callID: call)
    }

    // MARK: Effects

    private func perform(_ effects: [SubscriptionLedger.Effect]) {
        for effect in effects {
            switch effect {
            case .ask(let ask): send(ask)
            case .listen(let link, let listen, let uris): start(listen, at: link, uris)
            case .endListen(_, let listen):
                state.withLock { $0.listens.removeValue(forKey: listen) }?.handle?.cancel()
            case .retry(let link, let time):
                // Nobody has to stop this: a link that is gone by then is not known any more.
                group.any().scheduleTask(in: TimeAmount(time)) { [weak self] in
                    guard let self else { return }
                    perform(state.withLock { $0.ledger.retry(link) })
                }
            case .tell(let numbers, let event):
                let holders = state.withLock { state in
                    numbers.compactMap {
                        event.isFinal ? state.holders.removeValue(forKey: $0) : state.holders[$0]
                    }
                }
                for holder in holders {
                    if event.isFinal { holder.timer.cancel() }
                    holder.sink(event)
                }
            }
        }
    }

    private func send(_ ask: SubscriptionLedger.Ask) {
        guard let post = state.withLock({ $0.posts[ask.link] }) else { return }
        let request = post.make(ask.method, ResourceSubscription.updated(uri: ask.uri), false)
        let handle = post.link.send(request) { [weak self] event in
            guard let self else { return }
            let chance = chance()
            perform(
                state.withLock { state in
                    switch event {
                    case .notification, .question: []
                    case .result: state.ledger.answered(ask)
                    case .error(let error):
                        state.ledger.refused(ask, with: Self.modern(error, of: ask))
                    case .fault: state.ledger.failed(ask, chance: chance)
                    }
                })
        }
        // Answered by then, this changes nothing: each request is answered once.
        group.any().scheduleTask(in: TimeAmount(limits.listTimeout)) { [weak self] in
            guard let self else { return }
            let chance = chance()
            let effects = state.withLock { $0.ledger.failed(ask, chance: chance) }
            if !effects.isEmpty { handle.cancel() }
            perform(effects)
        }
    }

    /// An error in the terms of 2026-07-28.
    private static func modern(_ error: JSON, of ask: SubscriptionLedger.Ask) -> JSON {
        let answer = EraBridge.modernAnswer(
            fromLegacy: .error(error), method: ask.method,
            params: ResourceSubscription.updated(uri: ask.uri), capabilities: .emptyObject)
        if case .error(let modern) = answer { return modern }
        return error
    }

    private func start(_ listen: Int, at link: Int, _ uris: [String]) {
        let post = state.withLock { state in
            if state.posts[link] != nil { state.listens[listen] = Listen() }
            return state.posts[link]
        }
        guard let post else { return }
        let params: JSON = ["notifications": ResourceSubscription.notifications(uris)]
        let handle = post.link.send(post.make(Method.subscriptionsListen, params, true)) {
            [weak self] event in
            self?.take(event, of: listen, at: link)
        }
        let isOpen = state.withLock { state in
            guard state.listens[listen] != nil else { return false }
            state.listens[listen]?.handle = handle
            return true
        }
        // Ended between the two: nobody else holds it. (Cancelling what is finished does nothing.)
        guard isOpen else { return handle.cancel() }
        group.any().scheduleTask(in: TimeAmount(limits.listTimeout)) { [weak self] in
            guard let self, state.withLock({ $0.listens[listen].map { $0.acknowledgedAt == nil } ?? false })
            else { return }
            handle.cancel()
            let late = BackendFault(.timedOut, "it does not acknowledge `subscriptions/listen`")
            take(.fault(late), of: listen, at: link)
        }
    }

    private func take(_ event: LinkEvent, of listen: Int, at link: Int) {
        let chance = chance()
        perform(
            state.withLock { state in
                switch event {
                case .notification(Method.subscriptionsAcknowledged, let params):
                    state.listens[listen]?.acknowledgedAt = .now
                    return state.ledger.acknowledged(
                        listen, at: link, uris: ResourceSubscription.uris(in: params))
                case .notification(Method.resourcesUpdated, let params):
                    return state.ledger.updated(params)
                case .notification, .question: return []
                case .result, .error, .fault:
                    guard let gone = state.listens.removeValue(forKey: listen) else { return [] }
                    let lived = gone.acknowledgedAt?.duration(to: .now) ?? .zero
                    let error: JSON? = if case .error(let error) = event { error } else { nil }
                    return state.ledger.listenEnded(
                        listen, at: link, refusing: error, isSteady: lived >= limits.steadyAfter,
                        chance: chance)
                }
            })
    }
}
