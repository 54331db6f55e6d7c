import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import NIOPosix
import Synchronization

/// A backend behind a URL that speaks Streamable HTTP, modern (mcp-spec §2.3) or legacy (§4.2).
///
/// A legacy stream that breaks, or that the server ends early, is resumed if it gave an id to come back with
/// (``StreamPlace``); if that fails, the call's outcome is unknown.
final class HTTPLink: BackendLink {
    private struct State: Sendable {
        var revision: ProtocolRevision?
        var sessionID: String?
        var open: [Int: OpenRequest] = [:]
        var isClosed = false
        /// Of the session's own stream.
        var ownPlace = StreamPlace()
        /// The session whose own stream was open at least once.
        var streamedSession: String?
        /// Which session this is, of those that were opened here.
        var sessionNumber = 0
        /// Ends the wait between two attempts at the session's own stream.
        var nap: Once<Void>?
    }

    private struct OpenRequest: Sendable {
        var sink: @Sendable (LinkEvent) -> Void
        let request: LinkRequest
        /// What carries its stream now; none while it waits to be resumed.
        var carrier: HTTPClientHandle?
        /// Attempts in a row to resume it that brought nothing new.
        var attempts = 0
    }

    /// Waits of the session's own stream between two attempts; it is a convenience, not the way of calls.
    private static let streamRetry = (from: Duration.seconds(1), to: Duration.seconds(60))
    /// How long calls wait for the session's own stream. What a server asks there without naming a call is lost to who does
    /// not listen yet; some send the head of a stream only with its first event, and are not waited for.
    private static let attentionWait = TimeAmount.milliseconds(500)
    /// How long the end of a session may take; nobody waits for it.
    private static let farewell = Duration.seconds(2)
    /// How long the next request waits for an announcement, which a server only has to accept.
    private static let announcementWait = Duration.seconds(10)

    private let door: AuthorizedURL
    private let client: HTTPClient
    private let limits: BackendLimits
    private let news: @Sendable (LinkNews) -> Void
    /// Asked on the session's own stream.
    private let questions: SharedQuestions
    private let state = Mutex(State())
    private let attentive = Once<Void>()

    init(
        _ door: AuthorizedURL, client: HTTPClient, limits: BackendLimits, on loop: any EventLoop,
        news: @escaping @Sendable (LinkNews) -> Void
    ) {
        self.door = door
        self.client = client
        self.limits = limits
        self.news = news
        questions = SharedQuestions(on: loop, limits)
    }

    // MARK: Out

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        let message = RPCMessage.request(
            id: RPCID(request.number), method: request.method, params: request.params)
        let session = state.withLock { state -> String?? in
            guard !state.isClosed else { return nil }
            state.open[request.number] = OpenRequest(sink: sink, request: request)
            return .some(state.sessionID)
        }
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
            number: request.number, hasSession: session != nil, limits: limits.message
        ) { [weak self] output in
            self?.take(output, of: request)
        }
        let first = client.send(outgoing) { reply.take($0) }
        state.withLock { $0.open[request.number]?.carrier = first }
        return CallHandle { [weak self] in
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
        // Over HTTP a modern client has nothing to notify of (mcp-spec §2.5).
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
    private func outgoing(
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
        case .head(let sessionID):
            if request.method == Method.initialize { state.withLock { $0.sessionID = sessionID } }
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
        if case .fault = event { questions.failed(number, outlet) } else { questions.ended(number, outlet) }
    }

    // MARK: Resumption

    private func wait(to request: LinkRequest, at place: StreamPlace, _ fault: BackendFault) {
        let mayResume = state.withLock { state in
            guard state.revision?.era == .legacy, let open = state.open[request.number] else { return false }
            let attempts = place.hasAdvanced ? 1 : open.attempts + 1
            state.open[request.number] = OpenRequest(sink: open.sink, request: request, attempts: attempts)
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
                "GET", body: nil, mirrored: nil, isHandshake: false, isEndless: false, resuming: place)
        } catch {
            return finish(request.number, .fault(BackendFault(.lost, error.detail)))
        }
        let reply = HTTPReply(
            number: request.number, hasSession: false, limits: limits.message, resuming: place
        ) { [weak self] output in self?.take(output, of: request) }
        let carrier = client.send(outgoing) { reply.take($0) }
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
    private func asked(_ question: BackendQuestion, by number: Int? = nil) {
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

    // MARK: The session's own stream

    func settle(_ revision: ProtocolRevision) {
        let nap = state.withLock { state in
            state.revision = revision
            state.sessionNumber += 1
            return state.nap
        }
        // A new session is listened to at once.
        nap?.finish(())
    }

    /// Listens on the stream of a legacy session for changes of lists; a server without one is left in peace.
    func attend() async {
        defer { attentive.finish(()) }
        guard state.withLock({ $0.revision?.era }) == .legacy else { return }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let late = loop.scheduleTask(in: Self.attentionWait) { [weak self] () -> Void in
            self?.attentive.finish(())
        }
        defer { late.cancel() }
        var backoff = Backoff(from: Self.streamRetry.from, to: Self.streamRetry.to)
        while !Task.isCancelled {
            let (began, session) = (ContinuousClock.now, state.withLock { $0.sessionNumber })
            guard await followStream() else { return }
            if began.duration(to: .now) > Self.streamRetry.to { backoff.reset() }
            let place = state.withLock { $0.ownPlace }
            let usual = backoff.next(chance: Double.random(in: 0...1))
            if await isRenewed(after: place.hasAdvanced ? place.wait : usual, since: session) {
                backoff.reset()
            }
        }
    }

    func whenAttentive() async { await attentive.wait(cancelled: ()) }

    /// Waits, but not longer than until there is another session than that one.
    private func isRenewed(after time: Duration, since session: Int) async -> Bool {
        let nap = Once<Void>()
        let isRenewed = state.withLock { state in
            state.nap = nap
            return state.sessionNumber != session
        }
        if isRenewed { return true }
        let loop =
            MultiThreadedEventLoopGroup.currentEventLoop ?? MultiThreadedEventLoopGroup.singleton.next()
        let timer = loop.scheduleTask(in: TimeAmount(time)) { nap.finish(()) }
        await nap.wait(cancelled: ())
        timer.cancel()
        return state.withLock { $0.sessionNumber != session }
    }

    /// - Returns: whether it is worth another attempt.
    private func followStream() async -> Bool {
        let place = state.withLock { state in
            state.ownPlace = state.ownPlace.again
            return state.ownPlace
        }
        guard
            let outgoing = try? outgoing(
                "GET", body: nil, mirrored: nil, isHandshake: false, isEndless: true, resuming: place)
        else { return false }
        let ended = Once<Bool>()
        let parser = Mutex(SSEParser(limit: limits.message.bytesMax))
        let handle = client.send(outgoing) { [weak self] event in
            switch event {
            case .head(let head):
                self?.attentive.finish(())
                let isStream =
                    head.status == 200
                    && head.headers.first("content-type")?.lowercased().hasPrefix("text/event-stream") == true
                if isStream {
                    self?.state.withLock { $0.streamedSession = $0.sessionID }
                    // A stream that is resumed has lost nothing.
                    if place.lastEventID == nil { self?.news(.hearing) }
                    return
                }
                // It had a stream and has none now, so it is not the session that it was: a server that began anew.
                let isForgotten =
                    self?.state.withLock { $0.sessionID != nil && $0.streamedSession == $0.sessionID }
                    ?? false
                if isForgotten, head.status == 404 || (head.status == 400 && place.lastEventID == nil) {
                    self?.state.withLock { $0.streamedSession = nil }
                    self?.news(.sessionGone)
                }
                // Not at that place, perhaps, but anew.
                let isPlaceLost = place.lastEventID != nil && head.status == 400
                self?.state.withLock { $0.ownPlace = StreamPlace() }
                // 404: the session is gone, and the next request will open another.
                ended.finish(head.status >= 500 || head.status == 404 || isPlaceLost || isForgotten)
            case .body(let bytes):
                let read = parser.withLock { parser in
                    (try? parser.push(bytes)).map { ($0, parser.lastEventID, parser.retry) }
                }
                guard let (events, id, retry) = read else { return ended.finish(false) }
                self?.state.withLock { $0.ownPlace.advance(to: id, retry: retry) }
                for event in events { self?.takeFromStream(event) }
            case .end, .failed:
                ended.finish(true)
            }
        }
        let mayRetry = await ended.wait(cancelled: false)
        handle.cancel()
        return mayRetry
    }

    private func takeFromStream(_ event: SSEEvent) {
        guard let document = try? JSON(validating: event.data[...], limits: limits.message.json),
            let message = try? RPCMessage(document)
        else { return }
        switch message {
        case .notification(let method, let params):
            if let change = ListChange(method: method) {
                news(.changed(change))
            } else if method == Method.resourcesUpdated, let params {
                news(.updated(params))
            }
        case .request(let id, let method, let params):
            asked(BackendQuestion(id: id, method: method, params: params))
        case .response, .errorResponse: break
        }
    }

    // MARK: End

    func close() async -> String? {
        let (open, sessionID) = state.withLock { state in
            state.isClosed = true
            defer { state.open = [:] }
            return (Array(state.open.values), state.sessionID)
        }
        for over in open { over.sink(.fault(BackendFault(.lost, "the connection was closed"))) }
        for over in open { over.request.whenDone?() }
        if sessionID != nil,
            let outgoing = try? outgoing(
                "DELETE", body: nil, mirrored: nil, isHandshake: false, isEndless: false,
                timeout: Self.farewell)
        {
            _ = client.send(outgoing) { _ in }
        }
        return nil
    }
}
