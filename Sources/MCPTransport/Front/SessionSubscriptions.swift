import JSONSlice
import MCPModel
import Synchronization

/// The resources that one legacy session watches: `resources/subscribe` and `resources/unsubscribe`.
/// They end with the session.
final class SessionSubscriptions: Sendable {
    private enum Slot: Sendable {
        /// Its word is awaited by these requests.
        case asking(number: Int, WatchToken?, [@Sendable (RPCError?) -> Void])
        case standing(number: Int, WatchToken?)

        var number: Int {
            switch self {
            case .asking(let number, _, _), .standing(let number, _): number
            }
        }

        var token: WatchToken? {
            switch self {
            case .asking(_, let token, _), .standing(_, let token): token
            }
        }
    }

    private struct State: Sendable {
        var slots: [String: Slot] = [:]
        var lastNumber = 0
        var isClosed = false
    }

    private let ground: SessionGround
    private let endpoint: EndpointName
    private let countMax: Int
    private let revision: ProtocolRevision
    private let state = Mutex(State())

    /// - Parameter countMax: resources at once.
    init(
        on ground: SessionGround, endpoint: EndpointName, countMax: Int,
        revision: ProtocolRevision
    ) {
        self.ground = ground
        self.endpoint = endpoint
        self.countMax = countMax
        self.revision = revision
    }

    var count: Int { state.withLock { $0.slots.count } }

    /// Answers one of the two requests.
    ///
    /// - Parameter tell: takes the notifications of this resource, with the URI that each is about.
    func serve(
        _ id: RPCID, _ method: String, _ params: JSON, as principal: Principal,
        tell: @escaping @Sendable (_ uri: String, _ message: JSON) -> Void,
        reply: @escaping @Sendable (JSON) -> Void
    ) {
        let answer: @Sendable (RPCError?) -> Void = { error in
            guard let error else { return reply(RPCMessage.response(id: id, result: .emptyObject).json) }
            let legacy = EraBridge.legacyError(fromModern: error.json, method: method)
            reply(RPCMessage.errorResponse(id: id, error: legacy).json)
        }
        guard ground.service.describe(endpoint, principal)?.tellsOfUpdates == true else {
            return answer(.methodNotFound(method))
        }
        guard let uri = params["uri"]?.string else { return answer(.invalidParams("uri is missing")) }
        if method == Method.resourcesSubscribe {
            subscribe(uri, as: principal, tell, answer)
        } else {
            unsubscribe(uri)
            answer(nil)
        }
    }

    private func subscribe(
        _ uri: String, as principal: Principal, _ tell: @escaping @Sendable (String, JSON) -> Void,
        _ answer: @escaping @Sendable (RPCError?) -> Void
    ) {
        enum Admission { case ask(Int), known, waits, refused(RPCError) }
        let admission: Admission = state.withLock { state in
            switch state.slots[uri] {
            case .standing?: return .known
            case .asking(let number, let token, let waiters)?:
                guard waiters.count < countMax else {
                    return .refused(.internalError("this subscription is being made, \(countMax) times over"))
                }
                state.slots[uri] = .asking(number: number, token, waiters + [answer])
                return .waits
            case nil: break
            }
            guard !state.isClosed else { return .refused(.invalidRequest("this session is over")) }
            guard state.slots.count < countMax else {
                let failure = CallFailure(
                    .limited, "this session watches \(countMax) resources already",
                    hint: "unsubscribe from some")
                return .refused(CallFailureCode.error(of: failure))
            }
            state.lastNumber += 1
            state.slots[uri] = .asking(number: state.lastNumber, nil, [answer])
            return .ask(state.lastNumber)
        }
        switch admission {
        case .waits: break
        case .known: answer(nil)
        case .refused(let error): answer(error)
        case .ask(let number):
            let revision = revision
            let token = ground.service.subscribe(
                ResourceInterest(
                    endpoint: endpoint, principal: principal, uri: uri,
                    settled: { [weak self] in self?.settled(uri, number, $0) },
                    updated: { params in
                        let known = EraBridge.legacyNotification(
                            fromModern: params, method: Method.resourcesUpdated, revision: revision)
                        tell(
                            params["uri"]?.string ?? uri,
                            RPCMessage.notification(method: Method.resourcesUpdated, params: known).json)
                    }))
            keep(token, of: uri, number)
        }
    }

    private func keep(_ token: WatchToken, of uri: String, _ number: Int) {
        let isKept = state.withLock { state in
            guard let slot = state.slots[uri], slot.number == number else { return false }
            switch slot {
            case .asking(_, _, let waiters): state.slots[uri] = .asking(number: number, token, waiters)
            case .standing: state.slots[uri] = .standing(number: number, token)
            }
            return true
        }
        // Refused, unsubscribed or closed between the two.
        if !isKept { token.cancel() }
    }

    private func settled(_ uri: String, _ number: Int, _ refusal: RPCError?) {
        let waiters = state.withLock { state -> [@Sendable (RPCError?) -> Void] in
            guard case .asking(number, let token, let waiters)? = state.slots[uri] else { return [] }
            state.slots[uri] = refusal == nil ? .standing(number: number, token) : nil
            return waiters
        }
        for answer in waiters { answer(refusal) }
    }

    private func unsubscribe(_ uri: String) { end(state.withLock { $0.slots.removeValue(forKey: uri) }) }

    /// Ends all of them.
    func close() {
        let slots = state.withLock { state in
            state.isClosed = true
            defer { state.slots = [:] }
            return Array(state.slots.values)
        }
        slots.forEach(end)
    }

    private func end(_ slot: Slot?) {
        slot?.token?.cancel()
        if case .asking(_, _, let waiters)? = slot {
            for answer in waiters { answer(.invalidRequest("the subscription was ended before it began")) }
        }
    }
}
