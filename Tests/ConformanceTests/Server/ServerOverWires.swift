import JSONSlice
import MCPModel
import Synchronization

/// What answers behind a wire: a server of the matrix, or one that plays a golden exchange.
protocol ServerCore: AnyObject, Sendable {
    var wire: Wire { get }
    var revision: ProtocolRevision { get }
    /// Takes one message of a client. `reply` is used for requests.
    func take(_ message: JSON, in conversation: Conversation, _ reply: Reply)
    /// What no client of the revision may do.
    func breach(_ text: String)
    /// Has `tell` called at each change of the tools.
    func watch(_ tell: @escaping @Sendable () -> Void) -> Int
    func unwatch(_ number: Int)
}

/// A server behind Streamable HTTP.
final class ServerOverHTTP: Sendable {
    private let server: any ServerCore
    private let sessions = Mutex<[String: Conversation]>([:])

    init(_ server: any ServerCore) { self.server = server }

    func handle(_ exchange: RawExchange) {
        switch exchange.method {
        case "POST": server.revision.era == .modern ? modern(exchange) : legacy(exchange)
        case "GET" where server.revision.era == .legacy: openStream(exchange)
        case "DELETE" where server.revision.era == .legacy:
            let name = exchange.head.first("mcp-session-id") ?? ""
            let known = sessions.withLock { $0.removeValue(forKey: name) }
            exchange.respond(known == nil ? 404 : 200)
        default: exchange.respond(405)
        }
    }

    private func read(_ exchange: RawExchange) -> JSON? {
        guard exchange.head.first("content-type") == "application/json",
            let message = try? JSON(validating: exchange.body)
        else {
            server.breach("a POST that is no JSON")
            exchange.respond(400)
            return nil
        }
        let accept = exchange.head.first("accept") ?? ""
        if !accept.contains("application/json") || !accept.contains("text/event-stream") {
            server.breach("Accept is \(accept)")
        }
        return message
    }

    private func reply(_ exchange: RawExchange, headers: [(String, String)] = []) -> Reply {
        Reply(
            say: { exchange.stream(EventText.bytes($0), headers: headers) },
            end: { message in
                if exchange.isStreaming {
                    exchange.stream(EventText.bytes(message))
                    return exchange.end()
                }
                let code = message["error"]?["code"]?.int
                let status =
                    self.server.revision.era == .legacy
                    ? 200
                    : code == -32601 ? 404 : code == -32020 || code == -32021 || code == -32022 ? 400 : 200
                exchange.respond(
                    status, headers: headers + [("Content-Type", "application/json")],
                    body: Array(message.bytes))
            })
    }

    // MARK: 2026-07-28

    private func modern(_ exchange: RawExchange) {
        guard let message = read(exchange) else { return }
        let conversation = Conversation()
        let reply = reply(exchange)
        // Whoever looks for a legacy server too is told which revisions there are.
        if message["method"]?.string == "initialize" {
            let versions: JSON = [
                "supported": [.string(server.revision.rawValue)], "requested": "2025-11-25",
            ]
            return reply.end(
                ScriptedServer.failure(
                    message["id"] ?? .null, -32022, "Unsupported protocol version", versions))
        }
        if let objection = headerObjection(exchange.head, message) {
            server.breach(objection)
            return reply.end(ScriptedServer.failure(message["id"] ?? .null, -32020, objection))
        }
        // Closing the stream is how a client cancels.
        exchange.onClose { conversation.cancelAll(.closedStream) }
        server.take(message, in: conversation, reply)
        if message["id"] == nil || message["method"] == nil { exchange.respond(202) }
    }

    private func headerObjection(_ head: RawHead, _ message: JSON) -> String? {
        let method = message["method"]?.string ?? ""
        let params = message["params"] ?? .emptyObject
        let name = method == "resources/read" ? params["uri"]?.string : params["name"]?.string
        let wanted: [(String, String?)] = [
            ("mcp-protocol-version", server.revision.rawValue), ("mcp-method", method),
            ("mcp-name", ["tools/call", "resources/read", "prompts/get"].contains(method) ? name : nil),
            ("mcp-param-topic", method == "tools/call" ? params["arguments"]?["topic"]?.string : nil),
            ("mcp-session-id", nil), ("last-event-id", nil),
        ]
        for (header, value) in wanted where head.first(header) != value {
            return "\(header) of \(method) is \(head.first(header) ?? "missing")"
        }
        return nil
    }

    // MARK: 2025-03-26 to 2025-11-25

    private func legacy(_ exchange: RawExchange) {
        guard let message = read(exchange) else { return }
        let method = message["method"]?.string
        if method == "initialize" {
            let name = "session-\(UInt64.random(in: 0 ... .max))"
            let conversation = Conversation()
            sessions.withLock { $0[name] = conversation }
            return server.take(
                message, in: conversation, reply(exchange, headers: [("Mcp-Session-Id", name)]))
        }
        guard let name = exchange.head.first("mcp-session-id") else {
            let id = message["id"] ?? .null
            if method != "server/discover" { server.breach("\(message) without a session") }
            return exchange.respond(
                400, headers: [("Content-Type", "application/json")],
                body: Array(ScriptedServer.failure(id, -32600, "Bad Request: Missing session ID").bytes))
        }
        guard let conversation = sessions.withLock({ $0[name] }) else { return exchange.respond(404) }
        let version = exchange.head.first("mcp-protocol-version")
        if server.revision >= .v2025_06_18, version != server.revision.rawValue {
            server.breach("MCP-Protocol-Version of \(method ?? "an answer") is \(version ?? "missing")")
        }
        for header in ["mcp-method", "mcp-name"] where exchange.head.first(header) != nil {
            server.breach("\(header) came with 2026-07-28")
        }
        server.take(message, in: conversation, reply(exchange))
        if message["id"] == nil || method == nil { exchange.respond(202) }
    }

    private func openStream(_ exchange: RawExchange) {
        let name = exchange.head.first("mcp-session-id") ?? ""
        guard sessions.withLock({ $0[name] != nil }) else { return exchange.respond(404) }
        exchange.stream([])
        let number = server.watch {
            exchange.stream(EventText.bytes(ScriptedServer.note("notifications/tools/list_changed")))
        }
        exchange.onClose { [server] in server.unwatch(number) }
    }
}

/// A server behind HTTP+SSE of 2024-11-05.
final class ServerOverEvents: Sendable {
    private let server: any ServerCore
    private let streams = Mutex<[String: (conversation: Conversation, exchange: RawExchange)]>([:])

    init(_ server: any ServerCore) { self.server = server }

    func handle(_ exchange: RawExchange) {
        switch (exchange.method, exchange.path.split(separator: "?").first) {
        case ("GET", "/sse"): open(exchange)
        case ("POST", "/post"): post(exchange)
        default: exchange.respond(405)
        }
    }

    private func open(_ exchange: RawExchange) {
        let name = "s\(UInt64.random(in: 0 ... .max))"
        let conversation = Conversation()
        streams.withLock { $0[name] = (conversation, exchange) }
        exchange.stream(Array("event: endpoint\ndata: /post?name=\(name)\n\n".utf8))
        let number = server.watch {
            guard conversation.isInitialized else { return }
            exchange.stream(EventText.bytes(ScriptedServer.note("notifications/tools/list_changed")))
        }
        exchange.onClose { [server] in
            server.unwatch(number)
            conversation.cancelAll(.closedStream)
        }
    }

    private func post(_ exchange: RawExchange) {
        let name = exchange.path.split(separator: "=").last.map(String.init) ?? ""
        guard let stream = streams.withLock({ $0[name] }), let message = try? JSON(validating: exchange.body)
        else { return exchange.respond(404) }
        for header in ["mcp-session-id", "mcp-protocol-version", "mcp-method"]
        where exchange.head.first(header) != nil { server.breach("\(header) came after 2024-11-05") }
        exchange.respond(202)
        let say: @Sendable (JSON) -> Void = { stream.exchange.stream(EventText.bytes($0)) }
        server.take(message, in: stream.conversation, Reply(say: say, end: say))
    }
}

/// A server at the far end of a child's pipes.
enum ServerOverLines {
    static func begin(_ server: any ServerCore, _ line: LineChannel) -> @Sendable ([UInt8]?) -> Void {
        let conversation = Conversation()
        let say: @Sendable (JSON) -> Void = { line.say($0) }
        if server.wire.era == .legacy {
            _ = server.watch {
                guard conversation.isInitialized else { return }
                say(ScriptedServer.note("notifications/tools/list_changed"))
            }
        }
        return { bytes in
            guard let bytes else { return conversation.cancelAll(.closedStream) }
            guard let message = try? JSON(validating: bytes) else {
                return server.breach("a line that is no JSON")
            }
            server.take(message, in: conversation, Reply(say: say, end: say))
        }
    }
}
