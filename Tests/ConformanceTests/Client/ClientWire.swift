import JSONSlice
import MCPModel
import Synchronization

/// What comes to a client, and by which way.
enum Heard: Sendable {
    enum Way: Hashable, Sendable {
        /// The answer to the request of that id: its body, or its stream.
        case answer(to: JSON)
        /// The session's own stream, or a pipe.
        case session
    }

    case message(JSON, Way)
    /// No more comes that way.
    case ended(Way)
    case breach(String)
}

/// How the messages of a client travel.
protocol ClientWire: Sendable {
    /// Sends one message; returns when the other side has it.
    func say(_ message: JSON) async throws
    /// Opens the way for what belongs to no request, where that is no matter of course.
    func openSessionStream() async throws
    /// Stops listening to the answer of a request.
    func hangUp(_ id: JSON)
    func close() async
}

/// Streamable HTTP, of both eras.
final class ClientOverHTTP: ClientWire {
    private struct State: Sendable {
        var session: String?
        var open: [JSON: RawRequest] = [:]
        /// Requests whose connections we closed: their end is our own doing.
        var left: Set<JSON> = []
        var stream: RawRequest?
        /// Headers that the schema of a tool asks for: tool, argument, header.
        var mirrored: [(tool: String, argument: String, header: String)] = []
    }

    private let port: Int
    private let path: String
    private let revision: ProtocolRevision
    private let hear: @Sendable (Heard) -> Void
    private let state = Mutex(State())

    init(port: Int, path: String, revision: ProtocolRevision, hear: @escaping @Sendable (Heard) -> Void) {
        self.port = port
        self.path = path
        self.revision = revision
        self.hear = hear
    }

    var session: String? { state.withLock { $0.session } }

    private var isModern: Bool { revision.era == .modern }

    func headers(of message: JSON) -> [(String, String)] {
        var headers = [
            ("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"),
        ]
        let params = message["params"] ?? .emptyObject
        let method = message["method"]?.string ?? ""
        guard isModern else { return headers + sessionHeaders(isFirst: method == "initialize") }
        headers += [("MCP-Protocol-Version", revision.rawValue), ("Mcp-Method", method)]
        switch method {
        case "tools/call", "prompts/get":
            headers.append(("Mcp-Name", params["name"]?.string ?? ""))
            for mirror in state.withLock({ $0.mirrored }) where mirror.tool == params["name"]?.string {
                guard let value = params["arguments"]?[mirror.argument]?.string else { continue }
                headers.append(("Mcp-Param-\(mirror.header)", value))
            }
        case "resources/read": headers.append(("Mcp-Name", params["uri"]?.string ?? ""))
        default: break
        }
        return headers
    }

    private func sessionHeaders(isFirst: Bool) -> [(String, String)] {
        guard !isFirst else { return [] }
        let session = state.withLock { $0.session }
        return (session.map { [("Mcp-Session-Id", $0)] } ?? [])
            // The header came with 2025-06-18.
            + (revision >= .v2025_06_18 ? [("MCP-Protocol-Version", revision.rawValue)] : [])
    }

    /// Has the headers sent from now on that the schemas of these tools ask for.
    func learn(_ tools: [JSON]) {
        let found = tools.flatMap { tool in
            (tool["inputSchema"]?["properties"]?.members ?? []).compactMap { argument, schema in
                schema["x-mcp-header"]?.string.map { (tool["name"]?.string ?? "", argument, $0) }
            }
        }
        state.withLock { $0.mirrored = found }
    }

    func say(_ message: JSON) async throws {
        let headers = headers(of: message)
        guard let id = message["id"], message["method"] != nil else {
            let (status, _, body) = try await RawRequest.collect(
                "POST", path, port: port, headers: headers, body: Array(message.bytes))
            guard status == 202, body.isEmpty else {
                throw Breach(
                    "\(message) was answered with \(status) \(String(decoding: body, as: UTF8.self))")
            }
            return
        }
        let reader = AnswerReading(
            id: id, isFirst: message["method"]?.string == "initialize", era: revision.era
        ) {
            [hear, weak self] heard, session in
            if let session { self?.state.withLock { $0.session = session } }
            if let heard, self?.state.withLock({ $0.left.contains(id) }) == false { hear(heard) }
        }
        let request = try await RawRequest.send(
            "POST", path, port: port, headers: headers, body: Array(message.bytes)
        ) { reader.take($0) }
        state.withLock { $0.open[id] = request }
    }

    /// Posts what is no message of its own, a batch, and waits for the whole answer.
    func collect(_ batch: JSON) async throws -> (status: Int, body: [UInt8]) {
        let (status, _, body) = try await RawRequest.collect(
            "POST", path, port: port, headers: headers(of: batch), body: Array(batch.bytes))
        return (status, body)
    }

    /// Sends a request whose answer is read event by event; `place`: where a stream that broke is to go on.
    func openEvents(
        _ method: String, _ message: JSON?, after place: String? = nil
    ) async throws -> (request: RawRequest, events: AsyncStream<EventText.Event>) {
        let (events, feed) = AsyncStream.makeStream(of: EventText.Event.self)
        let parser = Mutex(EventText())
        var headers =
            message.map { self.headers(of: $0) }
            ?? ([("Accept", "text/event-stream")] + sessionHeaders(isFirst: false))
        if let place { headers.append(("Last-Event-ID", place)) }
        let request = try await RawRequest.send(
            method, path, port: port, headers: headers, body: message.map { Array($0.bytes) } ?? []
        ) { answer in
            switch answer {
            case .head: break
            case .body(let bytes): for event in parser.withLock({ $0.take(bytes) }) { feed.yield(event) }
            case .end: feed.finish()
            }
        }
        return (request, events)
    }

    func openSessionStream() async throws {
        guard !isModern else { throw Breach("2026-07-28 has no stream of a session") }
        let parser = Mutex(EventText())
        let opened = AsyncStream.makeStream(of: Int.self)
        let request = try await RawRequest.send(
            "GET", path, port: port,
            headers: [("Accept", "text/event-stream")] + sessionHeaders(isFirst: false)
        ) { [hear] answer in
            switch answer {
            case .head(let status, let head):
                opened.continuation.yield(
                    head.first("content-type")?.hasPrefix("text/event-stream") == true ? status : 0)
            case .body(let bytes):
                for event in parser.withLock({ $0.take(bytes) }) where !event.data.isEmpty {
                    hear(AnswerReading.message(event.data, .session))
                }
            case .end: hear(.ended(.session))
            }
        }
        state.withLock { $0.stream = request }
        for await status in opened.stream {
            guard status == 200 else { throw Breach("the stream of the session was answered with \(status)") }
            return
        }
    }

    func hangUp(_ id: JSON) {
        let request = state.withLock { state in
            state.left.insert(id)
            return state.open.removeValue(forKey: id)
        }
        request?.close()
    }

    func close() async {
        let (open, stream, session) = state.withLock { ($0.open, $0.stream, $0.session) }
        for request in open.values { request.close() }
        stream?.close()
        guard session != nil else { return }
        _ = try? await RawRequest.collect(
            "DELETE", path, port: port, headers: sessionHeaders(isFirst: false))
    }
}

/// Reads the answer to one POST, and holds it to the rules of its era.
private final class AnswerReading: Sendable {
    private struct State: Sendable {
        var status = 0
        var isStream = false
        var events = EventText()
        var body: [UInt8] = []
    }

    private let way: Heard.Way
    private let isFirst: Bool
    private let era: Era
    private let hear: @Sendable (Heard?, _ session: String?) -> Void
    private let state = Mutex(State())

    init(id: JSON, isFirst: Bool, era: Era, hear: @escaping @Sendable (Heard?, String?) -> Void) {
        way = .answer(to: id)
        self.isFirst = isFirst
        self.era = era
        self.hear = hear
    }

    static func message(_ text: String, _ way: Heard.Way) -> Heard {
        guard let message = try? JSON(validating: text) else { return .breach("no JSON: \(text)") }
        return .message(message, way)
    }

    func take(_ answer: RawAnswer) {
        switch answer {
        case .head(let status, let head):
            let type = head.first("content-type") ?? ""
            state.withLock { state in
                state.status = status
                state.isStream = type.hasPrefix("text/event-stream")
            }
            let session = head.first("mcp-session-id")
            if era == .modern, session != nil { hear(.breach("2026-07-28 has no sessions"), nil) }
            if isFirst { hear(nil, session) }
            if era == .legacy, status != 200 { hear(.breach("HTTP \(status)"), nil) }
        case .body(let bytes):
            let events: [EventText.Event] = state.withLock { state in
                guard state.isStream else {
                    state.body += bytes
                    return []
                }
                return state.events.take(bytes)
            }
            for event in events where !event.data.isEmpty { hear(Self.message(event.data, way), nil) }
        case .end(let isWhole):
            let (isStream, status, body) = state.withLock { ($0.isStream, $0.status, $0.body) }
            if !isWhole { hear(.breach("the connection broke in an answer"), nil) }
            if !isStream, !body.isEmpty {
                let heard = Self.message(String(decoding: body, as: UTF8.self), way)
                if case .message(let message, _) = heard, let objection = objection(to: message, status) {
                    hear(.breach(objection), nil)
                }
                hear(heard, nil)
            }
            hear(.ended(way), nil)
        }
    }

    /// The status and the code of an error belong together.
    private func objection(to message: JSON, _ status: Int) -> String? {
        guard era == .modern else { return nil }
        let wanted: Set<Int>
        switch message["error"]?["code"]?.int {
        case nil: wanted = [200]
        case -32601: wanted = [404]
        case -32020, -32021, -32022, -32700, -32600: wanted = [400]
        case -32602: wanted = [200, 400]
        default: wanted = [200]
        }
        return wanted.contains(status) ? nil : "HTTP \(status) with \(message)"
    }
}

/// HTTP+SSE of 2024-11-05.
final class ClientOverEvents: ClientWire {
    private let port: Int
    private let place: String
    private let stream: RawRequest

    private init(_ port: Int, _ place: String, _ stream: RawRequest) {
        self.port = port
        self.place = place
        self.stream = stream
    }

    /// Opens the stream; its first event says where to post.
    static func open(
        port: Int, path: String, hear: @escaping @Sendable (Heard) -> Void
    ) async throws -> ClientOverEvents {
        let parser = Mutex(EventText())
        let opened = AsyncStream.makeStream(of: String.self)
        let stream = try await RawRequest.send(
            "GET", path, port: port, headers: [("Accept", "text/event-stream")]
        ) { answer in
            switch answer {
            case .head(let status, _): if status != 200 { opened.continuation.yield("HTTP \(status)") }
            case .body(let bytes):
                for event in parser.withLock({ $0.take(bytes) }) {
                    switch event.type {
                    case "endpoint": opened.continuation.yield(event.data)
                    case "message": hear(AnswerReading.message(event.data, .session))
                    default: hear(.breach("an event \(event.type)"))
                    }
                }
            case .end: hear(.ended(.session))
            }
        }
        for await place in opened.stream {
            guard place.hasPrefix("/") else { throw Breach("the first event was \(place)") }
            return ClientOverEvents(port, place, stream)
        }
        throw Breach("the stream did not say where to post")
    }

    func say(_ message: JSON) async throws {
        let (status, _, _) = try await RawRequest.collect(
            "POST", place, port: port, headers: [("Content-Type", "application/json")],
            body: Array(message.bytes))
        guard status == 202 else { throw Breach("\(message) was answered with \(status)") }
    }

    func openSessionStream() async throws {}
    func hangUp(_ id: JSON) {}
    func close() async { stream.close() }
}

/// Pipes.
final class ClientOverLines: ClientWire {
    private let line: LineChannel

    init(_ line: LineChannel) { self.line = line }

    static func open(
        input: CInt, output: CInt, hear: @escaping @Sendable (Heard) -> Void
    ) async throws -> ClientOverLines {
        ClientOverLines(
            try await LineChannel.open(input: input, output: output) { bytes in
                guard let bytes else { return hear(.ended(.session)) }
                hear(AnswerReading.message(String(decoding: bytes, as: UTF8.self), .session))
            })
    }

    func say(_ message: JSON) async throws { line.say(message) }
    func openSessionStream() async throws {}
    func hangUp(_ id: JSON) {}
    func close() async { line.close() }
}
