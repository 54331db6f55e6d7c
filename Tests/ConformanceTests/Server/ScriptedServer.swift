import JSONSlice
import MCPModel
import Synchronization

/// The way back for one request: any number of messages that belong to it, then the response.
struct Reply: Sendable {
    var say: @Sendable (JSON) -> Void
    var end: @Sendable (JSON) -> Void
}

/// A server that speaks exactly one revision: what its revision does not know it refuses, and notes as a breach.
///
/// One process's worth of state; how its messages travel is the matter of ``ServerOverHTTP``, ``ServerOverEvents`` and
/// ``ServerOverLines``.
final class ScriptedServer: ServerCore {
    private struct State: Sendable {
        var grown: [String] = []
        var listeners: [Int: @Sendable () -> Void] = [:]
        var lastNumber = 0
    }

    let wire: Wire
    let revision: ProtocolRevision
    let rules: RevisionRules
    let ledger: Ledger
    private let state = Mutex(State())

    init(_ wire: Wire, _ ledger: Ledger) {
        self.wire = wire
        self.ledger = ledger
        revision = wire.revision
        rules = RevisionRules(revision: wire.revision)
    }

    func breach(_ text: String) { ledger.breach("server \(wire): \(text)") }

    // MARK: Messages

    /// Takes one message of a client. `reply` is used for requests.
    func take(_ message: JSON, in conversation: Conversation, _ reply: Reply) {
        guard message["jsonrpc"]?.string == "2.0", message.kind == .object else {
            return breach("no JSON-RPC message: \(message)")
        }
        let params = message["params"] ?? .emptyObject
        switch (message["method"]?.string, message["id"]) {
        case (let method?, let id?): request(id, method, params, conversation, reply)
        case (let method?, nil): notification(method, params, conversation)
        case (nil, let id?): answer(id, message, conversation)
        case (nil, nil): breach("a message without method and id: \(message)")
        }
    }

    private func request(
        _ id: JSON, _ method: String, _ params: JSON, _ conversation: Conversation, _ reply: Reply
    ) {
        guard [.string, .number].contains(id.kind) else { return breach("an id \(id)") }
        // That is how a gateway finds out whom it has before it; any server can be asked.
        if method == "server/discover", revision.era == .legacy {
            return reply.end(Self.failure(id, -32601, "Method not found: \(method)"))
        }
        guard rules.clientRequests.contains(method) else {
            breach("\(method) is no request of \(revision.rawValue)")
            return reply.end(Self.failure(id, -32601, "Method not found: \(method)"))
        }
        if let objection = rules.objection(toParams: params, of: method) {
            breach(objection)
            return reply.end(Self.failure(id, -32602, objection))
        }
        if revision.era == .legacy, method != "initialize", method != "ping", !conversation.isInitialized {
            breach("\(method) before notifications/initialized")
        }
        switch method {
        case "server/discover": reply.end(success(id, discovery))
        case "initialize":
            conversation.greet(params["capabilities"] ?? .emptyObject)
            reply.end(success(id, welcome))
        case "ping", "logging/setLevel": reply.end(success(id, .emptyObject))
        case "subscriptions/listen": listen(id, params, conversation, reply)
        case "tools/list": reply.end(success(id, cached(["tools": .array(tools)])))
        case "resources/list":
            reply.end(success(id, cached(["resources": [Offer.resource(in: revision)]])))
        case "resources/templates/list": reply.end(success(id, cached(["resourceTemplates": []])))
        case "resources/read":
            guard params["uri"]?.string == Offer.greetingURI else { return reply.end(unknown(id, params)) }
            reply.end(success(id, cached(["contents": .array(Offer.contents)])))
        case "tools/call": call(id, params, conversation, reply)
        default: reply.end(Self.failure(id, -32601, "Method not found: \(method)"))
        }
    }

    private func notification(_ method: String, _ params: JSON, _ conversation: Conversation) {
        guard rules.clientNotifications(isHTTP: wire.transport == .http).contains(method) else {
            return breach("\(method) is no notification of a client of \(revision.rawValue)")
        }
        switch method {
        case "notifications/initialized": conversation.initialized()
        case "notifications/cancelled":
            guard let id = params["requestId"] else { return breach("a cancellation of nothing") }
            conversation.cancel(id)?(.notification)
        default: break
        }
    }

    private func answer(_ id: JSON, _ message: JSON, _ conversation: Conversation) {
        guard revision.era == .legacy else { return breach("a client of 2026-07-28 answers nothing") }
        guard let waiting = conversation.takeQuestion(id) else {
            return breach("an answer to what was not asked: \(message)")
        }
        guard let result = message["result"] else { return waiting(message["error"] ?? .null, false) }
        waiting(result, true)
    }

    // MARK: Results

    var tools: [JSON] {
        Offer.tools(in: revision)
            + state.withLock { $0.grown }.map { Offer.plain($0, "nothing", "string").removing("x-own") }
    }

    func hasGrown(_ name: String) -> Bool { state.withLock { $0.grown.contains(name) } }

    func success(_ id: JSON, _ result: JSON) -> JSON {
        var result = result
        if revision.era == .modern {
            if result["resultType"] == nil { result = result.setting("resultType", to: "complete") }
            result = result.setting(
                "_meta", to: .object([("\(RevisionRules.modernPrefix)serverInfo", serverInfo)]))
        }
        return ["jsonrpc": "2.0", "id": id, "result": result]
    }

    static func failure(_ id: JSON, _ code: Int, _ message: String, _ data: JSON? = nil) -> JSON {
        let error: JSON = ["code": .number(code), "message": .string(message)]
        return ["jsonrpc": "2.0", "id": id, "error": data.map { error.setting("data", to: $0) } ?? error]
    }

    private func unknown(_ id: JSON, _ params: JSON) -> JSON {
        let uri = params["uri"] ?? .null
        let code = revision.era == .modern ? -32602 : -32002
        return Self.failure(id, code, "Resource not found", ["uri": uri, "x-shelf": 7])
    }

    private var serverInfo: JSON { ["name": "matrix", "version": "1.0"] }
    private var capabilities: JSON { ["tools": ["listChanged": true], "resources": [:]] }

    private var discovery: JSON {
        cached(["supportedVersions": [.string(revision.rawValue)], "capabilities": capabilities])
    }

    private var welcome: JSON {
        [
            "protocolVersion": .string(revision.rawValue), "capabilities": capabilities,
            "serverInfo": serverInfo, "instructions": "One of everything.",
        ]
    }

    private func cached(_ result: JSON) -> JSON {
        revision.era == .modern
            ? result.setting("ttlMs", to: 60_000).setting("cacheScope", to: "private") : result
    }

    // MARK: Changes

    private func listen(_ id: JSON, _ params: JSON, _ conversation: Conversation, _ reply: Reply) {
        let tag: JSON = .object([("\(RevisionRules.modernPrefix)subscriptionId", id)])
        let wanted = params["notifications"] ?? .emptyObject
        let wantsTools = wanted["toolsListChanged"]?.bool == true
        reply.say(
            Self.note(
                "notifications/subscriptions/acknowledged",
                [
                    "notifications": wantsTools ? ["toolsListChanged": true] : [:], "_meta": tag,
                ]))
        guard wantsTools else { return }
        let number = watch { reply.say(Self.note("notifications/tools/list_changed", ["_meta": tag])) }
        conversation.run(id) { [weak self] _ in self?.unwatch(number) }
    }

    /// Has `tell` called at each change.
    func watch(_ tell: @escaping @Sendable () -> Void) -> Int {
        state.withLock { state in
            state.lastNumber += 1
            state.listeners[state.lastNumber] = tell
            return state.lastNumber
        }
    }

    func unwatch(_ number: Int) { state.withLock { _ = $0.listeners.removeValue(forKey: number) } }

    func grow(_ name: String) {
        let told = state.withLock { state in
            state.grown.append(name)
            return Array(state.listeners.values)
        }
        for tell in told { tell() }
    }

    static func note(_ method: String, _ params: JSON? = nil) -> JSON {
        let note: JSON = ["jsonrpc": "2.0", "method": .string(method)]
        return params.map { note.setting("params", to: $0) } ?? note
    }
}
