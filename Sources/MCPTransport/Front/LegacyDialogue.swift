import JSONSlice
import MCPModel
import Synchronization

/// One legacy session: what its client asks runs here, over whichever transport carries the messages.
///
/// The decisions are those of ``LegacySession`` and ``InputRounds``; this class holds the running calls and
/// hands their messages to where they belong: whatever concerns a request goes out through that request's own
/// `reply`, everything else through the stream attached to the session. No lock is held while the service or a
/// reply is called, since both may call back at once.
final class LegacyDialogue: Sendable {
    /// What goes back for one message of the client: any number of `.message`, then one of the others, if the
    /// message was a request.
    enum Output: Sendable {
        /// A notification, or a request of the server, that belongs to the client's request.
        case message(JSON)
        /// The response.
        case answer(JSON)
        /// The response to a request for a list.
        case list(RPCID, ListResult)
        /// The request ends without a response: the client cancelled it, or the session is over.
        case none
    }

    typealias Reply = @Sendable (Output) -> Void
    /// Starts a call of which more is decided than ``MCPService/call`` knows.
    typealias Start = @Sendable (EndpointCall, @escaping CallSink) -> CallHandle

    let revision: ProtocolRevision
    let endpoint: EndpointName
    private let ground: SessionGround
    /// As the client's last request proved it: a token is renewed, and its claims with it, while the session lasts.
    private let sender: Mutex<Principal>
    let tasks: Mutex<SessionTasks>
    let taskEars: TaskEars
    let subscriptions: SessionSubscriptions
    let voice: SessionVoice
    let state: Mutex<State>

    init(
        session: LegacySession, on ground: SessionGround, endpoint: EndpointName, principal: Principal
    ) {
        self.revision = session.revision
        self.endpoint = endpoint
        self.ground = ground
        sender = Mutex(principal)
        let limits = ground.limits
        self.tasks = Mutex(SessionTasks(limits))
        taskEars = TaskEars(countMax: limits.sessionTasksHeardMax)
        self.subscriptions = SessionSubscriptions(
            on: ground, endpoint: endpoint, countMax: limits.subscriptionsMax, revision: session.revision)
        voice = SessionVoice(updatesMax: limits.subscriptionsMax) {
            ground.service.watch(endpoint, principal, $0)
        }
        self.state = Mutex(State(session: session))
    }

    var service: MCPService { ground.service }
    var limits: FrontLimits { ground.limits }
    var principal: Principal { sender.withLock { $0 } }

    /// The next message is this one's; the same caller, perhaps with another credential.
    func hear(from principal: Principal) { sender.withLock { $0 = principal } }

    /// Whether something runs or listens in this session, so that it must not be taken for idle.
    var isBusy: Bool { state.withLock { !$0.open.isEmpty } || voice.isHeard }

    /// Takes one message of the client; `reply` is used only for a request.
    ///
    /// - Parameter canAsk: whether more than the response can go that way: a client that takes no stream cannot be asked
    ///   for anything, and would only be waited for.
    func receive(_ message: RPCMessage, canAsk: Bool = true, reply: @escaping Reply) {
        switch message {
        case .request(let id, let method, let params): request(id, method, params, canAsk, reply)
        case .notification(let method, let params): notification(method, params)
        case .response(let id, let result): advance(asked: id) { $0.answer(id, result: result) }
        case .errorResponse(let id?, let error): advance(asked: id) { $0.refuse(id, error: error) }
        case .errorResponse: break
        }
    }

    // MARK: Requests

    private func request(
        _ id: RPCID, _ method: String, _ params: JSON?, _ canAsk: Bool, _ reply: @escaping Reply
    ) {
        switch method {
        case Method.ping:
            reply(.answer(RPCMessage.response(id: id, result: .emptyObject).json))
        case Method.loggingSetLevel:
            let isKnown = state.withLock { $0.session.setLogLevel(params?["level"]?.string) }
            reply(
                .answer(
                    isKnown
                        ? RPCMessage.response(id: id, result: .emptyObject).json
                        : RPCMessage.refusal(
                            id, .invalidParams("no such log level; there are debug to emergency"))))
        case Method.resourcesSubscribe, Method.resourcesUnsubscribe:
            subscriptions.serve(id, method, params ?? .emptyObject, as: principal) { [voice] in
                voice.updated($0, $1)
            } reply: {
                reply(.answer($0))
            }
        case Method.initialize:
            reply(.answer(RPCMessage.refusal(id, .invalidRequest("this session is initialized already"))))
        case Method.toolsCall, Method.resourcesRead, Method.promptsGet, Method.completionComplete:
            start(id, method, params ?? .emptyObject, canAsk, reply)
        case Method.tasksGet, Method.tasksResult, Method.tasksList, Method.tasksCancel:
            guard hasTasks else { return reply(.answer(RPCMessage.refusal(id, .methodNotFound(method)))) }
            start(id, method, params ?? .emptyObject, canAsk, reply)
        default:
            guard let kind = EntryListKind(method: method) else {
                return reply(.answer(RPCMessage.refusal(id, .methodNotFound(method))))
            }
            reply(list(id, kind, params))
        }
    }

    private func list(_ id: RPCID, _ kind: EntryListKind, _ params: JSON?) -> Output {
        switch service.list(endpoint, principal, kind, params?["cursor"]?.string) {
        case .success(let page):
            let make = { @Sendable [self] in
                EraBridge.legacyResult(
                    fromModern: ModernDialogue.result(of: shown(page, kind), kind), method: kind.method,
                    revision: revision)
            }
            let form = WrittenPage.Form.legacy(revision, tellsOfTasks: kind == .tools && hasTasks)
            return .list(id, page.written?.result(form, make: make) ?? ListResult(written: nil, make: make))
        case .failure(let error):
            return .answer(RPCMessage.refusal(id, error))
        }
    }

    func start(
        _ id: RPCID, _ method: String, _ params: JSON, _ canAsk: Bool, by way: Start? = nil,
        _ reply: @escaping Reply
    ) {
        let meta = RequestMeta(params: params)
        let stripped = RequestMeta.stripped(method == Method.toolsCall ? params.removing("task") : params)
        var wish = TaskWish.none
        if method == Method.toolsCall {
            switch self.wish(of: params) {
            case .success(let said): wish = said
            case .failure(let error): return reply(.answer(RPCMessage.refusal(id, error)))
            }
        }
        var facts = state.withLock {
            $0.session.facts(wantsProgress: meta.progressToken != nil, traceparent: meta.traceparent)
        }
        let rounds = InputRounds(params: stripped, revision: revision, capabilities: facts.capabilities)
        if case .make = wish { facts.capabilities = TasksExtension.declared(in: facts.capabilities) }
        if let errand = errand(method, stripped, facts) { wish = .errand(errand) }
        let call = OpenCall(
            method: method, rounds: rounds, facts: facts, progressToken: meta.progressToken, reply: reply,
            canAsk: canAsk, issue: 0, wish: wish, taskID: stripped["taskId"]?.string)
        let refusal: RPCError? = state.withLock { state in
            if state.isClosed { return .invalidRequest("this session is over") }
            if state.open[id] != nil { return .invalidRequest("a request with this id is still running") }
            if state.open.count >= limits.sessionCallsMax {
                return .internalError("\(state.open.count) requests of this session are running already")
            }
            state.open[id] = call
            return nil
        }
        if let refusal { return reply(.answer(RPCMessage.refusal(id, refusal))) }
        issue(id, stripped, by: way)
    }

    func issue(_ id: RPCID, _ params: JSON, by way: Start? = nil) {
        let issued: (number: Int, method: String, facts: ClientFacts, wish: TaskWish)? = state.withLock {
            state in
            guard var call = state.open[id] else { return nil }
            call.issue = state.nextNumber()
            call.waitsSince = nil
            call.handle = nil
            state.open[id] = call
            return (call.issue, call.method, call.facts, call.wish)
        }
        guard let issued else { return }
        let sink: CallSink = { [weak self] event in self?.take(event, of: id, issue: issued.number) }
        let handle: CallHandle
        if case .errand(let errand) = issued.wish {
            handle = errand(params, sink)
        } else {
            let call = EndpointCall(
                endpoint: endpoint, principal: principal, method: issued.method, params: params,
                client: issued.facts)
            handle = (way ?? service.call)(call, sink)
        }
        let isStillOpen = state.withLock { state in
            guard state.open[id]?.issue == issued.number else { return false }
            state.open[id]?.handle = handle
            return true
        }
        // Cancelled between the two: nobody else holds the handle. (Cancelling a finished call does nothing.)
        if !isStillOpen { handle.cancel() }
    }

    func take(_ event: CallEvent, of id: RPCID, issue number: Int) {
        switch event {
        case .notification(let method, let params):
            let call = state.withLock { $0.open[id].flatMap { $0.issue == number ? $0 : nil } }
            guard let call,
                let message = RelayedNotification.message(
                    method, params, token: call.progressToken, logLevel: call.facts.logLevel,
                    revision: revision)
            else { return }
            call.reply(.message(message))
        case .result(let result) where result["resultType"]?.string == TasksExtension.resultType:
            take(task: result, of: id, issue: number)
        case .result(let result):
            let step: InputRounds.Step? = state.withLock { state in
                guard state.open[id]?.issue == number else { return nil }
                var lastNumber = state.lastNumber
                let step = state.open[id]?.rounds.take(result: result) {
                    lastNumber += 1
                    return lastNumber
                }
                state.lastNumber = lastNumber
                return step
            }
            if let step { follow(step, id) }
        case .error(let error) where TasksExtension.isRequired(by: error) && waitsInstead(id, issue: number):
            break
        case .error(let error):
            finish(id, issue: number) { call in
                let legacy = EraBridge.legacyError(fromModern: error, method: call.method)
                return RPCMessage.errorResponse(id: id, error: legacy).json
            }
        case .failure(let failure):
            finish(id, issue: number) { _ in RPCMessage.refusal(id, CallFailureCode.error(of: failure)) }
        }
    }

    private func advance(asked id: RPCID, _ move: (inout InputRounds) -> InputRounds.Step) {
        let next: (step: InputRounds.Step, call: RPCID)? = state.withLock { state in
            guard let callID = state.asked.removeValue(forKey: id), var call = state.open[callID] else {
                return nil
            }
            let step = move(&call.rounds)
            state.open[callID] = call
            return (step, callID)
        }
        if let next { follow(next.step, next.call) }
    }

    func follow(_ step: InputRounds.Step, _ id: RPCID) {
        switch step {
        case .wait:
            break
        case .finish(let result):
            tellVisited(of: id)
            finish(id) { call in RPCMessage.response(id: id, result: self.shown(result, to: call)).json }
            listen(toTask: result)
        case .fail(let error):
            if let call = finish(id, { _ in RPCMessage.refusal(id, error) }) { withdraw(call) }
        case .reissue(let params):
            issue(id, params)
        case .ask where state.withLock({ $0.open[id]?.canAsk == false }):
            let call = finish(id) { _ in
                RPCMessage.refusal(
                    id,
                    .internalError(
                        "this call asks its client for something, and the client accepts no text/event-stream to be asked by"
                    ))
            }
            if let call { withdraw(call) }
        case .ask(let requests):
            let call: OpenCall? = state.withLock { state in
                guard state.open[id] != nil else { return nil }
                state.open[id]?.waitsSince = .now
                for request in requests { state.asked[request.id] = id }
                return state.open[id]
            }
            for request in requests {
                var params = request.params
                if let task = call?.taskID {
                    params = EraBridge.related(params ?? .emptyObject, toTask: task)
                }
                call?.reply(
                    .message(
                        RPCMessage.request(id: request.id, method: request.method, params: params).json))
            }
        }
    }

    /// The server has gone on after the URLs that it sent the user to.
    private func tellVisited(of id: RPCID) {
        guard let call = state.withLock({ $0.open[id] }) else { return }
        for elicitation in call.rounds.visited {
            let params: JSON = ["elicitationId": .string(elicitation)]
            call.reply(
                .message(RPCMessage.notification(method: Method.elicitationComplete, params: params).json))
        }
    }

    @discardableResult
    private func finish(_ id: RPCID, issue number: Int? = nil, _ answer: (OpenCall) -> JSON) -> OpenCall? {
        let call: OpenCall? = state.withLock { state in
            guard let open = state.open[id], number == nil || open.issue == number else { return nil }
            return state.close(id)
        }
        if let call { call.reply(.answer(answer(call))) }
        return call
    }

    /// Lets a call that waits for answers of this client go: whoever holds it suspended need not wait for a retry.
    /// A retry that is cancelled at once is how that is said.
    private func withdraw(_ call: OpenCall) {
        // A task that nobody but this call knows of goes with it.
        call.handle?.cancel()
        guard let params = call.rounds.withdrawal else { return }
        let retry = EndpointCall(
            endpoint: endpoint, principal: principal, method: call.method, params: params, client: call.facts)
        service.call(retry) { _ in }.cancel()
    }

    // MARK: Notifications

    private func notification(_ method: String, _ params: JSON?) {
        switch method {
        case Method.initialized:
            state.withLock { $0.session.initialized() }
        case Method.cancelled:
            guard let raw = params?["requestId"], let id = RPCID(raw) else { return }
            cancel(id)
        default:
            break  // progress of our own requests and roots changes mean nothing to a modern backend
        }
    }

    /// Ends a running request without an answer; one that is not running is left alone.
    func cancel(_ id: RPCID) {
        guard let call = state.withLock({ $0.close(id) }) else { return }
        end(call)
    }

    private func end(_ call: OpenCall) {
        call.handle?.cancel()
        if call.waitsSince != nil { withdraw(call) }
        call.reply(.none)
    }

    // MARK: The session's own stream

    /// Makes `push` the way for what belongs to no request: see ``SessionVoice/attach(_:end:)``.
    func attach(
        _ push: @escaping @Sendable (JSON) -> Void, end: @escaping @Sendable () -> Void = {}
    ) -> Int {
        voice.attach(push, end: end)
    }

    func detach(_ number: Int) { voice.detach(number) }

    // MARK: Time and end

    /// Fails the calls whose client has not answered what it was asked for too long.
    func tick(at now: ContinuousClock.Instant) {
        let late = state.withLock { state in
            state.open.filter { $0.value.waitsSince.map { $0.duration(to: now) > limits.inputWait } ?? false }
                .map(\.key)
        }
        let failure = CallFailure(
            .deadlineExceeded, "the client did not answer what this call asked it for",
            hint: "call again, and answer within \(limits.inputWait)")
        for id in late {
            let call = finish(id) { _ in RPCMessage.refusal(id, CallFailureCode.error(of: failure)) }
            if let call { withdraw(call) }
        }
    }

    /// Ends the session: whatever runs in it is cancelled.
    func close() {
        let calls = state.withLock { state in
            state.isClosed = true
            defer {
                state.open = [:]
                state.asked = [:]
            }
            return Array(state.open.values)
        }
        subscriptions.close()
        taskEars.close()
        voice.close()
        calls.forEach(end)
    }
}
