import JSONSlice
package import MCPModel
package import NIOCore
import Synchronization

/// Serves one endpoint of a service to one client over line-delimited JSON, in the era that
/// the client opens with: a request with modern `_meta` is served as such, `initialize` opens the legacy
/// session.
package struct StdioFront: Sendable {
    private let service: MCPService
    private let endpoint: EndpointName
    private let principal: Principal
    private let limits: FrontLimits

    /// - Parameter principal: whoever started this process; stdio has no other credential.
    package init(
        service: MCPService, endpoint: EndpointName = .all, principal: Principal = .anonymous,
        limits: FrontLimits = .standard
    ) {
        self.service = service
        self.endpoint = endpoint
        self.principal = principal
        self.limits = limits
    }

    /// Serves until the input ends, then cancels what still runs. Takes both descriptors over; they must be
    /// pipes, sockets or terminals (a regular file cannot be waited for).
    package func serve(input: CInt, output: CInt, on group: any EventLoopGroup) async throws {
        let conversation = StdioConversation(service, endpoint, principal, limits)
        let pipe = try await LinePipe.open(
            input: input, output: output, on: group.next(), lineBytesMax: limits.message.bytesMax,
            backlogMax: limits.pipeBacklogMax, readsOn: .whileWritesGoOut,
            onOpen: { pipe in conversation.attach { [weak pipe] in pipe?.write($0.onOneLine.bytes) } },
            onLine: { conversation.take($0) }, onEnd: { conversation.close() })
        let ticking = limits.keepAlive
        await withTaskCancellationHandler {
            await withTaskGroup { group in
                group.addTask { await pipe.closed() }
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: ticking)
                        conversation.tick(at: .now)
                    }
                }
                await group.next()
                group.cancelAll()
            }
        } onCancel: {
            pipe.closeAfterWrites()
        }
    }
}

/// All that one stdio client says, and the answers. May be used from any thread.
final class StdioConversation: Sendable {
    private struct State: Sendable {
        var write: @Sendable (JSON) -> Void = { _ in }
        var session: LegacyDialogue?
        /// Modern requests that run, listens included.
        var open: [RPCID: OpenRequest] = [:]
        var lastIssue = 0
        var isClosed = false
    }

    private struct OpenRequest: Sendable {
        var issue: Int
        var isListen: Bool
        var handle: CallHandle?
        /// It was answered before its handle was here.
        var isAnswered = false
    }

    private let service: MCPService
    private let endpoint: EndpointName
    private let principal: Principal
    private let limits: FrontLimits
    private let state = Mutex(State())

    init(_ service: MCPService, _ endpoint: EndpointName, _ principal: Principal, _ limits: FrontLimits) {
        self.service = service
        self.endpoint = endpoint
        self.principal = principal
        self.limits = limits
    }

    /// Says where answers go; before the first line is taken.
    func attach(_ write: @escaping @Sendable (JSON) -> Void) { state.withLock { $0.write = write } }

    func take(_ line: LineSplitter.Line) {
        let bytes: [UInt8]
        switch line {
        case .line(let whole): bytes = whole
        case .tooLong(let skim):
            let error = RPCError.overLimit(.message, ByteCount.spell(limits.message.bytesMax))
            // An answer that is too large is none: the call that asked for it goes on waiting, within its time.
            return send(RPCMessage.refusal(skim.hasAnswer && !skim.hasMethod ? nil : skim.id, error))
        }
        let document: JSON
        do throws(JSONError) {
            document = try JSON(validating: bytes[...], limits: limits.message.json)
        } catch {
            return send(RPCMessage.refusal(unreadable: bytes, error))
        }
        do throws(RPCError) {
            take(try RPCMessage(document))
        } catch {
            send(RPCMessage.refusal(RPCMessage.readableID(in: document), error))
        }
    }

    private func take(_ message: RPCMessage) {
        let isModern = ModernRequest.era(of: message, versionHeader: nil) == .modern
        if case .request(let id, Method.initialize, let params) = message, !isModern {
            return initialize(id, params)
        }
        let session = state.withLock { $0.session }
        switch message {
        case .request(let id, let method, _):
            if let session, !isModern {
                session.receive(message) { [weak self] in self?.relay($0) }
            } else if method == Method.ping && !isModern {
                send(RPCMessage.response(id: id, result: .emptyObject).json)
            } else {
                modern(message, id)
            }
        case .notification(Method.cancelled, let params):
            if let raw = params?["requestId"], let id = RPCID(raw) { cancel(id) }
            session?.receive(message) { _ in }
        case .notification, .response, .errorResponse:
            session?.receive(message) { _ in }
        }
    }

    private func initialize(_ id: RPCID, _ params: JSON?) {
        guard let description = service.describe(endpoint, principal) else { return refuseEndpoint(id) }
        let session = LegacySession(initialize: params)
        let dialogue = LegacyDialogue(
            session: session, on: SessionGround(service, limits), endpoint: endpoint, principal: principal)
        let isFirst = state.withLock { state in
            guard state.session == nil, !state.isClosed else { return false }
            state.session = dialogue
            return true
        }
        guard isFirst else {
            return send(RPCMessage.refusal(id, .invalidRequest("this process is initialized already")))
        }
        send(RPCMessage.response(id: id, result: session.welcome(description)).json)
        _ = dialogue.attach { [weak self] in self?.send($0) }
    }

    private func modern(_ message: RPCMessage, _ id: RPCID) {
        guard let description = service.describe(endpoint, principal) else { return refuseEndpoint(id) }
        let request: ModernRequest
        do throws(ModernRefusal) {
            request = try ModernRequest(message, headers: nil)
        } catch {
            return send(RPCMessage.refusal(id, error.error))
        }
        let issue: Int? = state.withLock { state in
            guard state.open[id] == nil, state.open.count < limits.sessionCallsMax, !state.isClosed else {
                return nil
            }
            state.lastIssue += 1
            state.open[id] = OpenRequest(
                issue: state.lastIssue, isListen: request.method == Method.subscriptionsListen)
            return state.lastIssue
        }
        guard let issue else {
            return send(
                RPCMessage.refusal(
                    id, .invalidRequest("the id is in use, or too many requests are running already")))
        }
        let dialogue = ModernDialogue(
            service: service, endpoint: endpoint, principal: principal, limits: limits)
        let handle = dialogue.serve(request, description: description) { [weak self] output in
            self?.relay(output, of: id, issue)
        }
        let isOpen = state.withLock { state in
            guard let request = state.open[id], request.issue == issue else { return false }
            if request.isAnswered { state.open[id] = nil } else { state.open[id]?.handle = handle }
            return true
        }
        // Taken back already. What was answered must not be cancelled: the client has the task that it may name.
        if !isOpen { handle.cancel() }
    }

    private func relay(_ output: ModernDialogue.Output, of id: RPCID, _ issue: Int) {
        let isOpen = state.withLock { state in
            guard let request = state.open[id], request.issue == issue, !request.isAnswered else {
                return false
            }
            switch output {
            case .notification: break
            case .answer, .list:
                if request.handle == nil { state.open[id]?.isAnswered = true } else { state.open[id] = nil }
            }
            return true
        }
        guard isOpen else { return }
        switch output {
        case .notification(let message), .answer(let message, _): send(message)
        case .list(let id, let result): send(result.message(id))
        }
    }

    private func relay(_ output: LegacyDialogue.Output) {
        switch output {
        case .message(let message), .answer(let message): send(message)
        case .list(let id, let result): send(result.message(id))
        case .none: break
        }
    }

    private func cancel(_ id: RPCID) {
        guard let request = state.withLock({ $0.open.removeValue(forKey: id) }) else { return }
        request.handle?.cancel()
        if request.isListen { send(ModernDialogue.listenEnded(id)) }
    }

    private func refuseEndpoint(_ id: RPCID) {
        send(RPCMessage.refusal(id, .invalidRequest("nothing is served at \(endpoint) any more")))
    }

    private func send(_ message: JSON) {
        let write = state.withLock { $0.write }
        write(message)
    }

    func tick(at now: ContinuousClock.Instant) { state.withLock { $0.session }?.tick(at: now) }

    /// The client has gone: everything is cancelled, and nothing more is written.
    func close() {
        let (open, session) = state.withLock { state in
            state.isClosed = true
            state.write = { _ in }
            defer {
                state.open = [:]
                state.session = nil
            }
            return (Array(state.open.values), state.session)
        }
        for request in open { request.handle?.cancel() }
        session?.close()
    }
}
