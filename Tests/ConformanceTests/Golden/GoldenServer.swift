import JSONSlice
import MCPModel
import Synchronization

/// A server that plays the server's half of one exchange, and holds what it is asked against the client's half.
///
/// Replaced are only the ids and progress tokens that a client makes up itself. Whatever else a client needs to get as
/// far as the exchange is answered plainly: the handshake, and lists that the exchange is not about.
final class GoldenServer: ServerCore {
    private struct State: Sendable {
        var breaches: [String] = []
        /// Lines of the exchange that were played or heard.
        var place = 0
        var running: (id: JSON, token: JSON?, reply: Reply)?
        var lists = 0
        var cancelled: [JSON] = []
        var isLeft = false
        var listeners: [Int: @Sendable () -> Void] = [:]
        var lastNumber = 0
    }

    let wire: Wire
    private let exchange: GoldenExchange
    private let state = Mutex(State())

    init(_ exchange: GoldenExchange, _ wire: Wire) {
        self.exchange = exchange
        self.wire = wire
    }

    var revision: ProtocolRevision { wire.revision }

    func breach(_ text: String) { state.withLock { $0.breaches.append(text) } }
    var breaches: [String] { state.withLock { $0.breaches } }
    /// Whether all of the exchange has happened.
    var isDone: Bool { state.withLock { $0.place == exchange.lines.count } }
    var toolLists: Int { state.withLock { $0.lists } }
    var cancelled: [JSON] { state.withLock { $0.cancelled } }
    /// Whether the client closed the stream of what ran.
    var isLeft: Bool { state.withLock { $0.isLeft } }
    var runningID: JSON? { state.withLock { $0.running?.id } }

    // MARK: Messages

    func take(_ message: JSON, in conversation: Conversation, _ reply: Reply) {
        let method = message["method"]?.string
        guard let id = message["id"] else { return notification(method ?? "", message, conversation) }
        guard let method else { return answer(message) }
        switch method {
        case "initialize":
            let golden = exchange.handshake.dropFirst().first?.message["result"] ?? .null
            reply.end(response(id, golden.setting("capabilities", to: Self.capabilities)))
        case "server/discover" where revision.era == .legacy:
            reply.end(ScriptedServer.failure(id, -32601, "Method not found: \(method)"))
        case "server/discover": reply.end(discovered(id))
        case "subscriptions/listen": listen(id, message, conversation, reply)
        case exchange.requests.last?["method"]?.string: play(message, conversation, reply)
        default: reply.end(empty(id, method))
        }
    }

    private func notification(_ method: String, _ message: JSON, _ conversation: Conversation) {
        if method == "notifications/initialized" { conversation.initialized() }
        if method == "notifications/cancelled", let id = message["params"]?["requestId"] {
            state.withLock { $0.cancelled.append(id) }
        }
    }

    // MARK: The exchange

    private func play(_ message: JSON, _ conversation: Conversation, _ reply: Reply) {
        // A retry goes on where the exchange is; a list may be asked for again.
        let place = state.withLock { state -> Int in
            if state.place >= exchange.lines.count { state.place = 0 }
            if message["method"]?.string == "tools/list" { state.lists += 1 }
            return state.place
        }
        guard
            let wanted = exchange.lines[place...].first(where: {
                $0.isClients && $0.message["method"] == message["method"]
            })
        else { return breach("nobody was to ask \(message)") }
        let index = exchange.lines[place...].firstIndex(of: wanted) ?? place
        compare(message["params"] ?? .emptyObject, with: wanted.message["params"] ?? .emptyObject)
        state.withLock { state in
            state.place = index + 1
            state.running = (message["id"] ?? .null, message["params"]?["_meta"]?["progressToken"], reply)
        }
        conversation.run(message["id"] ?? .null) { [weak self] _ in self?.state.withLock { $0.isLeft = true }
        }
        goOn()
    }

    /// What the client's request must say, but for what it makes up itself.
    private func compare(_ found: JSON, with wanted: JSON) {
        var (foundMeta, wantedMeta) = (found["_meta"] ?? .emptyObject, wanted["_meta"] ?? .emptyObject)
        if exchange.name.hasSuffix("-list") {
            // A gateway lists in a name of its own.
            (foundMeta, wantedMeta) = (
                foundMeta.removing(Self.clientInfo), wantedMeta.removing(Self.clientInfo)
            )
        }
        if found.removing("_meta").text != wanted.removing("_meta").text {
            breach("\(found) instead of \(wanted)")
        }
        if (foundMeta["progressToken"] == nil) != (wantedMeta["progressToken"] == nil)
            || foundMeta.removing("progressToken").inOrder != wantedMeta.removing("progressToken").inOrder
        {
            breach("_meta \(foundMeta) instead of \(wantedMeta)")
        }
    }

    /// Says what the server says next, until it is the client's turn.
    private func goOn() {
        while true {
            let next: (JSON, Reply, JSON, JSON?)? = state.withLock { state in
                guard state.place < exchange.lines.count, !exchange.lines[state.place].isClients,
                    let (id, token, reply) = state.running
                else { return nil }
                defer { state.place += 1 }
                return (exchange.lines[state.place].message, reply, id, token)
            }
            guard let (line, reply, id, token) = next else { return }
            if line["method"] == nil {
                reply.end(line.setting("id", to: id))
            } else if let token, line["params"]?["progressToken"] != nil, let params = line["params"] {
                reply.say(line.setting("params", to: params.setting("progressToken", to: token)))
            } else {
                reply.say(line)
            }
        }
    }

    private func answer(_ message: JSON) {
        let wanted: JSON? = state.withLock { state in
            guard state.place < exchange.lines.count, exchange.lines[state.place].isClients else {
                return nil
            }
            defer { state.place += 1 }
            return exchange.lines[state.place].message
        }
        if message.text != wanted?.text { breach("\(message) instead of \(wanted ?? .null)") }
        goOn()
    }

    // MARK: What stands around it

    private static let clientInfo = "io.modelcontextprotocol/clientInfo"
    private static let capabilities: JSON = [
        "tools": ["listChanged": true], "resources": [:], "prompts": [:], "completions": [:],
    ]

    private func discovered(_ id: JSON) -> JSON {
        response(
            id,
            [
                "resultType": "complete", "supportedVersions": [.string(revision.rawValue)],
                "capabilities": Self.capabilities, "ttlMs": 60_000, "cacheScope": "private",
            ])
    }

    private func empty(_ id: JSON, _ method: String) -> JSON {
        if method == "tools/list" { state.withLock { $0.lists += 1 } }
        let members = [
            "tools/list": "tools", "resources/list": "resources", "prompts/list": "prompts",
            "resources/templates/list": "resourceTemplates",
        ]
        guard let member = members[method] else {
            return ScriptedServer.failure(id, -32601, "Method not found: \(method)")
        }
        let result = JSON.object([(member, JSON.array([]))])
        guard revision.era == .modern else { return response(id, result) }
        let caching: JSON = result.setting("resultType", to: "complete").setting("ttlMs", to: 60_000)
        return response(id, caching.setting("cacheScope", to: "private"))
    }

    private func response(_ id: JSON, _ result: JSON) -> JSON {
        ["jsonrpc": "2.0", "id": id, "result": result]
    }

    private func listen(_ id: JSON, _ message: JSON, _ conversation: Conversation, _ reply: Reply) {
        let tag: JSON = .object([("io.modelcontextprotocol/subscriptionId", id)])
        for line in exchange.name == "list-changed" ? exchange.said(to: 0).prefix(1) : [] {
            let params = (line["params"] ?? .emptyObject).setting("_meta", to: tag)
            reply.say(line.setting("params", to: params))
        }
        let number = watch { [exchange] in
            guard let line = exchange.lines.last?.message, let params = line["params"] else { return }
            reply.say(line.setting("params", to: params.setting("_meta", to: tag)))
        }
        conversation.run(id) { [weak self] _ in self?.unwatch(number) }
    }

    func watch(_ tell: @escaping @Sendable () -> Void) -> Int {
        state.withLock { state in
            state.lastNumber += 1
            state.listeners[state.lastNumber] = tell
            return state.lastNumber
        }
    }

    func unwatch(_ number: Int) { state.withLock { _ = $0.listeners.removeValue(forKey: number) } }

    var listeners: Int { state.withLock { $0.listeners.count } }

    func change() {
        for tell in state.withLock({ Array($0.listeners.values) }) { tell() }
    }
}
