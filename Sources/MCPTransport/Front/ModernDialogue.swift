import JSONSlice
import MCPModel

/// Serves requests of 2026-07-28, each on its own, whichever transport carries them.
struct ModernDialogue: Sendable {
    enum Output: Sendable {
        case notification(JSON)
        /// The response; `status` is the HTTP status where there is one.
        case answer(JSON, status: Int)
        /// The response to a request for a list.
        case list(RPCID, ListResult)
    }

    typealias Reply = @Sendable (Output) -> Void

    let service: MCPService
    let endpoint: EndpointName
    let principal: Principal
    var limits = FrontLimits.standard

    /// Serves one request.
    ///
    /// - Returns: the hold on what still runs; cancelling means that the client has gone or wants no answer.
    func serve(
        _ request: ModernRequest, description: EndpointDescription, reply: @escaping Reply
    ) -> CallHandle {
        let (id, params) = (request.id, request.params)
        switch request.method {
        case Method.serverDiscover:
            reply(.answer(respond(id, Self.discovery(description), description), status: 200))
        case Method.subscriptionsListen:
            return listen(request, description, reply)
        case Method.toolsCall, Method.resourcesRead, Method.promptsGet, Method.completionComplete:
            return call(request, description, reply)
        case Method.tasksGet, Method.tasksUpdate, Method.tasksCancel:
            if let refusal = Self.refusal(ofTask: request, description) {
                reply(.answer(RPCMessage.refusal(id, refusal), status: refusal.modernStatus))
                return .finished
            }
            return call(request, description, reply)
        default:
            guard let kind = EntryListKind(method: request.method) else {
                reply(.answer(RPCMessage.refusal(id, .methodNotFound(request.method)), status: 404))
                return .finished
            }
            switch service.list(endpoint, principal, kind, params["cursor"]?.string) {
            case .success(let page):
                reply(.list(id, list(page, kind, description)))
            case .failure(let error):
                reply(.answer(RPCMessage.refusal(id, error), status: 200))
            }
        }
        return .finished
    }

    // MARK: Calls

    private func call(
        _ request: ModernRequest, _ description: EndpointDescription, _ reply: @escaping Reply
    ) -> CallHandle {
        let (id, meta) = (request.id, request.meta)
        let client = meta.client
        let call = EndpointCall(
            endpoint: endpoint, principal: principal, method: request.method,
            params: RequestMeta.stripped(request.params), client: client)
        return service.callMindingTasks(call) { event in
            switch event {
            case .notification(let method, let params):
                if let message = RelayedNotification.message(
                    method, params, token: meta.progressToken, logLevel: meta.logLevel,
                    revision: .newestModern)
                {
                    reply(.notification(message))
                }
            case .result(let result):
                if let missing = InputNeeds.missing(in: result, from: client.capabilities) {
                    reply(
                        .answer(
                            RPCMessage.refusal(id, .missingCapability(required: missing)), status: 400))
                } else {
                    reply(.answer(respond(id, result, description), status: 200))
                }
            case .error(let error):
                let (message, status) = Self.response(id, error)
                reply(.answer(message, status: status))
            case .failure(let failure):
                reply(.answer(Self.response(id, failure, uri: request.params["uri"]?.string), status: 200))
            }
        }
    }

    /// The response with an error of a server's, and its HTTP status.
    static func response(_ id: RPCID, _ error: JSON) -> (JSON, status: Int) {
        // A server may itself say what only it can know: that the client lacks a capability.
        let isMissing = error["code"]?.int == RPCError.Code.missingCapability
        return (RPCMessage.errorResponse(id: id, error: error).json, isMissing ? 400 : 200)
    }

    /// The response to a call that came to nothing.
    ///
    /// - Parameter uri: that the call names.
    static func response(_ id: RPCID, _ failure: CallFailure, uri: String? = nil) -> JSON {
        RPCMessage.refusal(id, CallFailureCode.error(of: failure, uri: uri))
    }

    // MARK: Tasks

    /// Why a question about a task goes no further.
    private static func refusal(ofTask request: ModernRequest, _ description: EndpointDescription)
        -> RPCError?
    {
        guard TasksExtension.isDeclared(in: description.capabilities) else {
            return .methodNotFound(request.method)
        }
        guard TasksExtension.isDeclared(in: request.meta.clientCapabilities) else {
            return .missingCapability(required: TasksExtension.required)
        }
        guard request.params["taskId"]?.string != nil else { return .invalidParams("taskId is missing") }
        let isUpdate = request.method == Method.tasksUpdate
        guard !isUpdate || request.params["inputResponses"]?.kind == .object else {
            return .invalidParams("inputResponses must be an object of results")
        }
        return nil
    }

    // MARK: Subscriptions

    /// A client must have said that it knows tasks before it asks to hear of any; otherwise see ``ModernListen``.
    private func listen(
        _ request: ModernRequest, _ description: EndpointDescription, _ reply: @escaping Reply
    ) -> CallHandle {
        if request.params["notifications"]?["taskIds"] != nil,
            !TasksExtension.isDeclared(in: request.meta.clientCapabilities)
        {
            let refusal = RPCError.missingCapability(required: TasksExtension.required)
            reply(.answer(RPCMessage.refusal(request.id, refusal), status: refusal.modernStatus))
            return .finished
        }
        return ModernListen.start(self, request, description, reply)
    }

    /// The graceful end of a listen, when it is the server who ends it.
    static func listenEnded(_ id: RPCID) -> JSON {
        let meta: JSON = .object([(MetaKey.subscriptionId, id.json)])
        return RPCMessage.response(id: id, result: ["resultType": "complete", "_meta": meta]).json
    }

    // MARK: Results

    private func list(
        _ page: ListPage, _ kind: EntryListKind, _ description: EndpointDescription
    ) -> ListResult {
        let make = { @Sendable in
            EraBridge.withServerInfo(Self.result(of: page, kind), description.serverInfo)
        }
        return page.written?.result(.modern, description.serverInfo, make: make)
            ?? ListResult(written: nil, make: make)
    }

    static func discovery(_ endpoint: EndpointDescription) -> JSON {
        EraBridge.discoverResult(
            capabilities: endpoint.capabilities, serverInfo: endpoint.serverInfo,
            instructions: endpoint.instructions, caching: caching(endpoint.ttl))
    }

    static func result(of page: ListPage, _ kind: EntryListKind) -> JSON {
        var result: [(String, JSON)] = [("resultType", "complete"), (kind.member, .array(page.items))]
        if let cursor = page.nextCursor { result.append(("nextCursor", .string(cursor))) }
        return EraBridge.withCaching(.object(result), caching(page.ttl))
    }

    /// Private always: what a list shows depends on who asks.
    private static func caching(_ ttl: Duration) -> EraBridge.Caching {
        let (seconds, attoseconds) = ttl.components
        return EraBridge.Caching(
            milliseconds: Int(clamping: min(max(seconds, 0), 86_400)) * 1_000
                + Int(attoseconds / 1_000_000_000_000_000),
            scope: .private)
    }

    private func respond(_ id: RPCID, _ result: JSON, _ description: EndpointDescription) -> JSON {
        RPCMessage.response(id: id, result: EraBridge.withServerInfo(result, description.serverInfo)).json
    }
}
