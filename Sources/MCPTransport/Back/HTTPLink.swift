import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import NIOPosix
import Synchronization

/// A backend behind a URL that speaks Streamable HTTP, modern or legacy.
///
/// A legacy stream that breaks, or that the server ends early, is resumed if it gave an id to come back with
/// (``StreamPlace``); if that fails, the call's outcome is unknown.
final class HTTPLink: BackendLink {
    struct State: Sendable {
        var revision: ProtocolRevision?
        var sessionID: String?
        /// Which session that is, of those that were opened here.
        var sessionNumber = 0
        var open: [Int: OpenRequest] = [:]
        var isClosed = false
        /// Of the session's own stream.
        var ownPlace = StreamPlace()
        /// The session whose own stream was open at least once.
        var streamedSession: String?
        /// How often a handshake was over here.
        var handshakes = 0
        /// Ends the wait between two attempts at the session's own stream.
        var nap: Once<Void>?
    }

    struct OpenRequest: Sendable {
        var sink: @Sendable (LinkEvent) -> Void
        let request: LinkRequest
        /// In which it was sent, by its number.
        let session: Int
        /// What carries its stream now; none while it waits to be resumed.
        var carrier: HTTPClientHandle?
        /// Attempts in a row to resume it that brought nothing new.
        var attempts = 0
    }

    /// How long the end of a session may take; nobody waits for it.
    private static let farewell = Duration.seconds(2)
    /// How long the next request waits for an announcement, which a server only has to accept.
    private static let announcementWait = Duration.seconds(10)

    private let door: AuthorizedURL
    let client: BackendClient
    let limits: BackendLimits
    let news: @Sendable (LinkNews) -> Void
    /// Asked on the session's own stream.
    private let questions: SharedQuestions
    let state = Mutex(State())
    /// Calls that went by the short way.
    let users = LaneUsers()
    let attentive = Once<Void>()

    init(
        _ door: AuthorizedURL, client: BackendClient, limits: BackendLimits, on loop: any EventLoop,
        news: @escaping @Sendable (LinkNews) -> Void
    ) {
        self.door = door
        self.client = client
        self.limits = limits
        self.news = news
        questions = SharedQuestions(on: loop, limits)
    }

    var sessionNumber: Int { state.withLock { $0.sessionNumber } }
    var laneLink: LaneLink? { .http(self) }

    // MARK: Out

    func send(_ sent: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        // What carries a request that was sent tells of it, so nothing that is told may hold it.
        var request = sent
        request.carried = nil
        return send(request, carried: sent.carried, sink)
    }

    private func send(
        _ request: LinkRequest, carried: CarriedCall?, _ sink: @escaping @Sendable (LinkEvent) -> Void
    ) -> CallHandle {
        let message = RPCMessage.request(
            id: RPCID(request.number), method: request.method, params: request.params)
        let session = state.withLock { state -> Int?? in
            guard !state.isClosed else { return nil }
            state.open[request.number] = OpenRequest(
                sink: sink, request: request, session: state.sessionNumber)
            return .some(state.sessionID == nil ? nil : state.sessionNumber)
        }
        if let carried { return carry(request, carried, isOpen: session != nil, sink) }
        guard let session else {
            sink(.fault(BackendFault(.notReached, "the connection was closed")))
            request.whenDone?()
            return .finished
        }
        questions.began(request)
        let outgoing: HTTPClientRequest
        do throws(BackendFault) {
            outgoing = try self.outgoing(
                "POST", body: Array(message.json.bytes), mirrored: request.mirrored,
                isHandshake: request.method == Method.initialize,
                // The time that a call is suspended for counts against nobody; its legs have bounds of their own.
                isEndless: request.isEndless || request.declared != .none)
        } catch {
            finish(request.number, .fault(error))
            return .finished
        }
        let reply = HTTPReply(
            number: request.number, session: session, limits: limits.message
        ) { [weak self] output in
            self?.take(output, of: request)
        }
        carry(request, client.send(outgoing) { reply.take($0) })
        return handle(of: request)
    }

    private func handle(of request: LinkRequest) -> CallHandle {
        CallHandle { [weak self] in
            guard let self,
                let open = self.state.withLock({ $0.open.removeValue(forKey: request.number) })
            else { return }
            // Closing the stream is how a modern client cancels; a legacy server has to be told.
            if self.state.withLock({ $0.revision?.era }) == .legacy {
                self.notify(Method.cancelled, ["requestId": .number(request.number)])
            }
            open.carrier?.cancel()
            request.whenDone?()
            questions.cancelled(request.number) { [weak self] in
                if let self { questions.ended(request.number, outlet) }
            }
        }
    }

    func notify(_ method: String, _ params: JSON?) {
        // Over HTTP a modern client has nothing to notify of.
        guard state.withLock({ $0.revision?.era }) == .legacy else { return }
        post(RPCMessage.notification(method: method, params: params))
    }

    func announce(_ method: String) async {
        guard state.withLock({ $0.revision?.era }) == .legacy else { return }
        let taken = Once<Void>()
        post(RPCMessage.notification(method: method, params: nil), timeout: Self.announcementWait) {
            taken.finish(())
        }
        await taken.wait(cancelled: ())
    }

    func respond(_ message: RPCMessage) { post(message) }

    /// Sends what has no answer.
    ///
    /// - Parameter onEnd: called when the backend has taken it, or it came to nothing.
    private func post(
        _ message: RPCMessage, timeout: Duration? = nil, onEnd: @escaping @Sendable () -> Void = {}
    ) {
        guard
            let outgoing = try? outgoing(
                "POST", body: Array(message.json.bytes), mirrored: nil, isHandshake: false, isEndless: false,
                timeout: timeout)
        else { return onEnd() }
        _ = client.send(outgoing) { event in
            switch event {
            case .head, .failed: onEnd()
            case .body, .end: break
            }
        }
    }

    /// - Parameter place: where a legacy stream is to go on.
    func outgoing(
        _ method: String, body: [UInt8]?, mirrored: MirroredHeaders?, isHandshake: Bool, isEndless: Bool,
        timeout: Duration? = nil, resuming place: StreamPlace? = nil
    ) throws(BackendFault) -> HTTPClientRequest {
        var fields = [
            ("Accept", body == nil ? "text/event-stream" : "application/json, text/event-stream")
        ]
        if body != nil { fields.append(("Content-Type", "application/json")) }
        if let id = place?.lastEventID { fields.append((MCPFront.lastEventHeader, id)) }
        if let mirrored {
            for field in mirrored.fields { fields.append((field.name, field.value)) }
        } else if !isHandshake {
            let (revision, sessionID) = state.withLock { ($0.revision, $0.sessionID) }
            // 2025-03-26 does not know the header, and lets it be.
            if let revision { fields.append((MirroredHeaders.protocolVersion, revision.rawValue)) }
            if let sessionID { fields.append((MCPFront.sessionHeader, sessionID)) }
        }
        return try door.request(
            method, fields: fields, body: body ?? [],
            timeout: isEndless ? nil : timeout ?? limits.callMax)
    }

    // MARK: In

    private func take(_ output: HTTPReply.Output, of request: LinkRequest) {
        switch output {
        case .head(let sessionID, let isSuccess):
            if request.method == Method.initialize {
                if isSuccess { begin(session: sessionID) }
            } else if request.method == Method.serverDiscover, let sessionID {
                // Some legacy servers open a session for whatever comes without one, and this one nobody will use.
                end(session: sessionID)
            }
        case .event(let event):
            finish(request.number, event)
        case .broken(let place, let fault):
            wait(to: request, at: place, fault)
        case .message(.notification(let method, let params)):
            let params = params ?? .emptyObject
            if let change = ListChange(method: method), params["_meta"]?[MetaKey.subscriptionId] == nil {
                news(.changed(change))
            } else if method == Method.resourcesUpdated, !request.isEndless {
                news(.updated(params))
            } else if method == Method.tasksStatus {
                // Of a request that nobody waits for any more it cannot be told in which session it was.
                if let session = state.withLock({ $0.open[request.number]?.session }) {
                    news(.taskStatus(params, session: session))
                }
            } else {
                // A stream belongs to its request, whatever token its messages bear.
                state.withLock { $0.open[request.number] }?.sink(
                    .notification(method: method, params: params))
            }
        case .message(.request(let id, let method, let params)):
            asked(BackendQuestion(id: id, method: method, params: params), by: request.number)
        case .message:
            break
        }
    }

    private func finish(_ number: Int, _ event: LinkEvent) {
        guard let over = state.withLock({ $0.open.removeValue(forKey: number) }) else { return }
        over.sink(event)
        over.request.whenDone?()
        guard case .fault = event else { return questions.ended(number, outlet) }
        // What still comes of an answer that is too large, or makes no sense, is not worth reading; of one that is over this does nothing.
        over.carrier?.cancel()
        questions.failed(number, outlet)
    }

    // MARK: The short way

    /// The request of a call that mirrors these, without a body; `nil` where a secret has to be opened for each.
    func plainRequest(_ mirrored: MirroredHeaders) -> HTTPClientRequest? {
        guard door.isPlain else { return nil }
        return try? outgoing("POST", body: [], mirrored: mirrored, isHandshake: false, isEndless: false)
    }

    /// Goes on with a request that was sent by the short way.
    private func carry(
        _ request: LinkRequest, _ carried: CarriedCall, isOpen: Bool,
        _ sink: @escaping @Sendable (LinkEvent) -> Void
    ) -> CallHandle {
        guard isOpen else {
            carried.adopt { _ in }.cancel()
            sink(.fault(BackendFault(.lost, "the connection was closed")))
            return .finished
        }
        questions.began(request)
        let reply = HTTPReply(number: request.number, session: nil, limits: limits.message) {
            [weak self] output in self?.take(output, of: request)
        }
        let hold = carried.adopt { if case .http(let event) = $0 { reply.take(event) } }
        carry(request, HTTPClientHandle { hold.cancel() })
        return handle(of: request)
    }

    // MARK: Resumption

    private func wait(to request: LinkRequest, at place: StreamPlace, _ fault: BackendFault) {
        let mayResume = state.withLock { state in
            guard state.revision?.era == .legacy, let open = state.open[request.number] else { return false }
            let attempts = place.hasAdvanced ? 1 : open.attempts + 1
            state.open[request.number] = OpenRequest(
                sink: open.sink, request: request, session: open.session, attempts: attempts)
            return attempts <= StreamPlace.attemptsMax
        }
        guard mayResume else { return finish(request.number, .fault(fault)) }
        let loop =
            MultiThreadedEventLoopGroup.currentEventLoop ?? MultiThreadedEventLoopGroup.singleton.next()
        // Nobody has to stop this: by then the request may be over, and that is seen.
        loop.scheduleTask(in: TimeAmount(place.wait)) { [weak self] in self?.resume(request, at: place.again)
        }
    }

    private func resume(_ request: LinkRequest, at place: StreamPlace) {
        guard state.withLock({ $0.open[request.number] != nil }) else { return }
        let outgoing: HTTPClientRequest
        do throws(BackendFault) {
            outgoing = try self.outgoing(
                "GET", body: nil, mirrored: nil, isHandshake: false,
                isEndless: request.isEndless || request.declared != .none, resuming: place)
        } catch {
            return finish(request.number, .fault(BackendFault(.lost, error.detail)))
        }
        let reply = HTTPReply(
            number: request.number, session: nil, limits: limits.message, resuming: place
        ) { [weak self] output in self?.take(output, of: request) }
        carry(request, client.send(outgoing) { reply.take($0) })
    }

    private func carry(_ request: LinkRequest, _ carrier: HTTPClientHandle) {
        let isOpen = state.withLock { state in
            state.open[request.number]?.carrier = carrier
            return state.open[request.number] != nil
        }
        // Cancelled between the two, or over already: nobody else holds it.
        if !isOpen { carrier.cancel() }
    }

    // MARK: Questions of the backend

    /// - Parameter number: of the request on whose stream the question came; `nil`: on the session's own, where nothing
    ///   tells which it is meant for.
    func asked(_ question: BackendQuestion, by number: Int? = nil) {
        guard state.withLock({ $0.revision?.era }) == .legacy else { return }
        if let number, question.method != Method.ping {
            give(question, to: number)
        } else {
            questions.asked(question, outlet)
        }
    }

    private func give(_ question: BackendQuestion, to number: Int) {
        guard let open = state.withLock({ $0.open[number] }) else { return post(question.abandoned) }
        if let objection = open.request.declared.objection(to: question.method, question.params) {
            post(.failure(question.id, objection))
        } else {
            open.sink(.question(question))
        }
    }

    private var outlet: SharedQuestions.Outlet {
        SharedQuestions.Outlet(
            give: { [weak self] in self?.give($0, to: $1) }, answer: { [weak self] in self?.post($0) })
    }

    // MARK: End

    func close() async -> String? {
        let (open, sessionID) = state.withLock { state in
            state.isClosed = true
            defer { state.open = [:] }
            return (Array(state.open.values), state.sessionID)
        }
        users.close()
        for over in open {
            // Nothing else would end a stream that may stay silent.
            over.carrier?.cancel()
            over.sink(.fault(BackendFault(.lost, "the connection was closed")))
        }
        for over in open { over.request.whenDone?() }
        if let sessionID { end(session: sessionID) }
        return nil
    }

    /// A session begins; the one before it, if any, is nobody's any more.
    private func begin(session sessionID: String?) {
        let former = state.withLock { state in
            defer {
                state.sessionID = sessionID
                state.sessionNumber += 1
            }
            return state.sessionID
        }
        if let former, former != sessionID { end(session: former) }
    }

    /// Tells the server that nobody will come back to a session; nobody waits for it.
    private func end(session: String) {
        var fields = [("Accept", "text/event-stream"), (MCPFront.sessionHeader, session)]
        if let revision = state.withLock({ $0.revision }) {
            fields.append((MirroredHeaders.protocolVersion, revision.rawValue))
        }
        guard let goodbye = try? door.request("DELETE", fields: fields, body: [], timeout: Self.farewell)
        else { return }
        _ = client.send(goodbye) { _ in }
    }
}
