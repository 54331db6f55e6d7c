import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// A backend behind a URL that speaks Streamable HTTP, modern (mcp-spec §2.3) or legacy (§4.2).
///
/// A legacy stream that breaks is not resumed: the call's outcome is unknown then.
final class HTTPLink: BackendLink {
    private struct State: Sendable {
        var revision: ProtocolRevision?
        var sessionID: String?
        var open: [Int: (sink: @Sendable (LinkEvent) -> Void, mayAsk: Bool)] = [:]
        var isClosed = false
    }

    /// Waits of the session's own stream between two attempts; it is a convenience, not the way of calls.
    private static let streamRetry = (from: Duration.seconds(1), to: Duration.seconds(60))
    /// How long the end of a session may take; nobody waits for it.
    private static let farewell = Duration.seconds(2)

    private let door: AuthorizedURL
    private let client: HTTPClient
    private let limits: BackendLimits
    private let declared: DeclaredCapabilities
    private let news: @Sendable (LinkNews) -> Void
    private let state = Mutex(State())

    init(
        _ door: AuthorizedURL, client: HTTPClient, limits: BackendLimits,
        declared: DeclaredCapabilities = .none, news: @escaping @Sendable (LinkNews) -> Void
    ) {
        self.door = door
        self.client = client
        self.limits = limits
        self.declared = declared
        self.news = news
    }

    // MARK: Out

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        let message = RPCMessage.request(
            id: RPCID(request.number), method: request.method, params: request.params)
        let session = state.withLock { state -> String?? in
            guard !state.isClosed else { return nil }
            state.open[request.number] = (sink, request.mayAsk)
            return .some(state.sessionID)
        }
        guard let session else {
            sink(.fault(BackendFault(.notReached, "the connection was closed")))
            return .finished
        }
        let outgoing: HTTPClientRequest
        do throws(BackendFault) {
            outgoing = try self.outgoing(
                "POST", body: Array(message.json.bytes), mirrored: request.mirrored,
                isHandshake: request.method == Method.initialize,
                // The time that a call is suspended for counts against nobody; its legs have bounds of their own.
                isEndless: request.isEndless || request.mayAsk)
        } catch {
            finish(request.number, .fault(error))
            return .finished
        }
        let reply = HTTPReply(
            number: request.number, hasSession: session != nil, bytesMax: limits.bodyBytesMax
        ) { [weak self] output in
            self?.take(output, of: request)
        }
        let handle = client.send(outgoing) { reply.take($0) }
        return CallHandle { [weak self] in
            guard let self, self.state.withLock({ $0.open.removeValue(forKey: request.number) }) != nil else {
                return
            }
            // Closing the stream is how a modern client cancels; a legacy server has to be told.
            if self.state.withLock({ $0.revision?.era }) == .legacy {
                self.notify(Method.cancelled, ["requestId": .number(request.number)])
            }
            handle.cancel()
        }
    }

    func notify(_ method: String, _ params: JSON?) {
        // Over HTTP a modern client has nothing to notify of (mcp-spec §2.5).
        guard state.withLock({ $0.revision?.era }) == .legacy else { return }
        post(RPCMessage.notification(method: method, params: params))
    }

    func respond(_ message: RPCMessage) { post(message) }

    /// Sends what has no answer.
    private func post(_ message: RPCMessage) {
        guard
            let outgoing = try? outgoing(
                "POST", body: Array(message.json.bytes), mirrored: nil, isHandshake: false, isEndless: false)
        else { return }
        _ = client.send(outgoing) { _ in }
    }

    private func outgoing(
        _ method: String, body: [UInt8]?, mirrored: MirroredHeaders?, isHandshake: Bool, isEndless: Bool,
        timeout: Duration? = nil
    ) throws(BackendFault) -> HTTPClientRequest {
        var fields = [
            ("Accept", body == nil ? "text/event-stream" : "application/json, text/event-stream")
        ]
        if body != nil { fields.append(("Content-Type", "application/json")) }
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
        case .message(.notification(let method, let params)):
            let params = params ?? .emptyObject
            if let change = ListChange(method: method), params["_meta"]?[MetaKey.subscriptionId] == nil {
                news(.changed(change))
            } else {
                // A stream belongs to its request, whatever token its messages bear.
                state.withLock { $0.open[request.number]?.sink }?(
                    .notification(method: method, params: params))
            }
        case .message(.request(let id, let method, let params)):
            asked(BackendQuestion(id: id, method: method, params: params), by: request.number)
        case .message:
            break
        }
    }

    private func finish(_ number: Int, _ event: LinkEvent) {
        state.withLock { $0.open.removeValue(forKey: number)?.sink }?(event)
    }

    /// - Parameter number: of the request on whose stream the question came; `nil`: on the session's own, where it
    ///   can be meant for a call only if one alone may be asked.
    private func asked(_ question: BackendQuestion, by number: Int? = nil) {
        let (era, asking) = state.withLock { state in
            (
                state.revision?.era,
                state.open.filter { $0.value.mayAsk && $0.key == number ?? $0.key }.map(\.value.sink)
            )
        }
        guard era == .legacy else { return }
        if let answer = LinkAnswer.to(question, declared, callsOpen: asking.count) {
            post(answer)
        } else {
            asking.first?(.question(question))
        }
    }

    // MARK: The session's own stream

    func settle(_ revision: ProtocolRevision) { state.withLock { $0.revision = revision } }

    /// Listens on the stream of a legacy session for changes of lists; a server without one is left in peace.
    func attend() async {
        guard state.withLock({ $0.revision?.era }) == .legacy else { return }
        var backoff = Backoff(from: Self.streamRetry.from, to: Self.streamRetry.to)
        while !Task.isCancelled {
            let began = ContinuousClock.now
            guard await followStream() else { return }
            if began.duration(to: .now) > Self.streamRetry.to { backoff.reset() }
            try? await Task.sleep(for: backoff.next(chance: Double.random(in: 0...1)))
        }
    }

    /// - Returns: whether it is worth another attempt.
    private func followStream() async -> Bool {
        guard
            let outgoing = try? outgoing(
                "GET", body: nil, mirrored: nil, isHandshake: false, isEndless: true)
        else { return false }
        let ended = Once<Bool>()
        let parser = Mutex(SSEParser(limit: limits.bodyBytesMax))
        let handle = client.send(outgoing) { [weak self] event in
            switch event {
            case .head(let head):
                let isStream =
                    head.status == 200
                    && head.headers.first("content-type")?.lowercased().hasPrefix("text/event-stream") == true
                // 404: the session is gone, and the next request will open another.
                if !isStream { ended.finish(head.status >= 500 || head.status == 404) }
            case .body(let bytes):
                guard let events = parser.withLock({ try? $0.push(bytes) }) else {
                    return ended.finish(false)
                }
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
        guard let document = try? JSON(validating: event.data), let message = try? RPCMessage(document) else {
            return
        }
        switch message {
        case .notification(let method, _):
            if let change = ListChange(method: method) { news(.changed(change)) }
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
            return (state.open.values.map(\.sink), state.sessionID)
        }
        for sink in open { sink(.fault(BackendFault(.lost, "the connection was closed"))) }
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
