import HTTPWire
import JSONSlice
import Logging
import MCPModel
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

/// A front on a loopback port, and a client that talks to it.
struct FrontRig {
    struct Answer {
        var status: Int
        var headers: HTTPHeaders
        var json: JSON
        var session: String? { headers.first("mcp-session-id") }
    }

    static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    static let client = HTTPClient(group: loops)
    static let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static let sample = SampleServer(now: { 1_785_200_000 }, loops: loops).service

    let front: MCPFront
    let port: Int
    /// Open ones, at the listener.
    let connectionCount: @Sendable () -> Int

    /// - Parameter admits: what the front gets to see; others are answered 400 without a body.
    static func with(
        _ service: MCPService = sample, limits: FrontLimits = .standard, http: HTTPLimits = .standard,
        admits: @escaping @Sendable (HTTPExchange) -> Bool = { _ in true }, refusal: Int = 400,
        _ body: (FrontRig) async throws -> Void
    ) async throws {
        let front = MCPFront(service: service, limits: limits, log: log)
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: loops, limits: http
        ) { exchange in
            admits(exchange) ? front.handle(exchange) : exchange.respond(status: refusal)
        }
        do {
            try await body(
                FrontRig(front: front, port: listener.address.port) { listener.connectionCount })
        } catch {
            front.close()
            await listener.close()
            throw error
        }
        front.close()
        await listener.close()
    }

    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    func send(
        _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8] = []
    ) async throws -> Answer {
        let answer = try await Self.client.collect(
            HTTPClientRequest(
                HTTPURL(url(path)), method: method, headers: headers, body: body, timeout: .seconds(20)))
        return Answer(
            status: answer.head.status, headers: answer.head.headers,
            json: (try? JSON(validating: answer.body)) ?? Self.response(in: answer.body) ?? .null)
    }

    /// The response at the end of a stream: an answer that takes a while comes as one, on a busy machine any.
    private static func response(in body: [UInt8]) -> JSON? {
        var parser = SSEParser()
        let messages = (try? parser.push(body[...]))?.compactMap { try? JSON(validating: $0.data) }
        return messages?.last { $0["method"] == nil }
    }

    func stream(
        _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8] = []
    ) throws -> EventReader {
        try EventReader(
            HTTPClientRequest(HTTPURL(url(path)), method: method, headers: headers, body: body))
    }

    // MARK: Modern

    static func modernHeaders(
        _ method: String, name: String? = nil, version: String = "2026-07-28"
    ) -> [(String, String)] {
        [
            ("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", version), ("Mcp-Method", method),
        ] + (name.map { [("Mcp-Name", $0)] } ?? [])
    }

    static func modernBody(
        _ method: String, _ params: JSON = [:], id: JSON = 1, capabilities: JSON = [:], token: JSON? = nil,
        version: String = "2026-07-28"
    ) -> [UInt8] {
        var meta: JSON = .object([
            ("io.modelcontextprotocol/protocolVersion", .string(version)),
            ("io.modelcontextprotocol/clientCapabilities", capabilities),
        ])
        if let token { meta = meta.setting("progressToken", to: token) }
        let message: JSON = [
            "jsonrpc": "2.0", "id": id, "method": .string(method),
            "params": params.setting("_meta", to: meta),
        ]
        return Array(message.bytes)
    }

    func modern(
        _ method: String, _ params: JSON = [:], path: String = "/mcp", capabilities: JSON = [:]
    ) async throws -> Answer {
        let name = params["name"]?.string ?? params["uri"]?.string
        return try await send(
            "POST", path, headers: Self.modernHeaders(method, name: name),
            body: Self.modernBody(method, params, capabilities: capabilities))
    }

    // MARK: Legacy

    static func legacyHeaders(_ session: String?, _ revision: ProtocolRevision? = nil) -> [(String, String)] {
        var headers = [
            ("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"),
        ]
        if let session { headers.append(("Mcp-Session-Id", session)) }
        if let revision, revision >= .v2025_06_18 {
            headers.append(("MCP-Protocol-Version", revision.rawValue))
        }
        return headers
    }

    func initialize(_ revision: ProtocolRevision, capabilities: JSON = [:]) async throws -> (Answer, String) {
        let answer = try await legacy(
            "initialize",
            [
                "protocolVersion": .string(revision.rawValue), "capabilities": capabilities,
                "clientInfo": ["name": "test", "version": "1"],
            ], session: nil)
        let session = try #require(answer.session)
        let done = try await send(
            "POST", "/mcp", headers: Self.legacyHeaders(session, revision),
            body: Array(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.utf8))
        #expect(done.status == 202)
        return (answer, session)
    }

    func legacy(
        _ method: String, _ params: JSON = [:], session: String?, revision: ProtocolRevision? = nil,
        id: JSON = 1, path: String = "/mcp"
    ) async throws -> Answer {
        try await send(
            "POST", path, headers: Self.legacyHeaders(session, revision),
            body: Self.legacyBody(method, params, id: id))
    }

    static func legacyBody(_ method: String, _ params: JSON, id: JSON) -> [UInt8] {
        Array((["jsonrpc": "2.0", "id": id, "method": .string(method), "params": params] as JSON).bytes)
    }
}

/// Reads a stream of events as it comes.
final class EventReader {
    private var events: AsyncStream<SSEEvent>.Iterator
    private let handle: HTTPClientHandle
    private let statusBox: StatusBox

    private final class StatusBox: Sendable {
        let status = Mutex<Int?>(nil)
    }

    init(_ request: HTTPClientRequest) {
        let (stream, continuation) = AsyncStream.makeStream(of: SSEEvent.self)
        let parser = Mutex(SSEParser())
        let box = StatusBox()
        statusBox = box
        events = stream.makeAsyncIterator()
        handle = FrontRig.client.send(request) { event in
            switch event {
            case .head(let head): box.status.withLock { $0 = head.status }
            case .body(let bytes):
                for event in (try? parser.withLock({ try $0.push(bytes) })) ?? [] {
                    continuation.yield(event)
                }
            case .end, .failed: continuation.finish()
            }
        }
    }

    var status: Int? { statusBox.status.withLock { $0 } }

    func nextEvent() async -> SSEEvent? { await events.next() }

    /// The next message; `nil`: the stream has ended. Events without data carry only their id (priming).
    func next() async throws -> JSON? {
        while let event = await nextEvent() {
            if !event.data.isEmpty { return try JSON(validating: event.data) }
        }
        return nil
    }

    func close() { handle.cancel() }
}

/// A service whose calls and watches a test holds in its hands.
final class ServiceProbe: Sendable {
    private struct State: Sendable {
        var calls: [(call: EndpointCall, sink: CallSink)] = []
        var cancelled = 0
        var watchers: [@Sendable (ListChange) -> Void] = []
        var waiters: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())
    let signal = AsyncStream.makeStream(of: String.self)

    var service: MCPService {
        MCPService(
            door: FrontDoor { request in
                switch request.headers.first("authorization") {
                case "Bearer wrong":
                    .refused(status: 401, challenge: "Bearer realm=\"test\"", message: "a key, please")
                case let key?: .allowed(Principal(Caller(issuer: "key", subject: key)))
                case nil: .allowed(.anonymous)
                }
            },
            describe: { endpoint, _ in
                guard endpoint != .server("nothing") else { return nil }
                return EndpointDescription(
                    serverInfo: ["name": "probe", "version": "1"],
                    capabilities: [
                        "tools": ["listChanged": true], "prompts": ["listChanged": false],
                        "resources": ["listChanged": true],
                    ])
            },
            list: { _, _, _, _ in .success(ListPage(items: [])) },
            call: { [self] call, sink in
                state.withLock { $0.calls.append((call, sink)) }
                signal.continuation.yield("call")
                return CallHandle { [self] in
                    state.withLock { $0.cancelled += 1 }
                    signal.continuation.yield("cancel")
                }
            },
            watch: { [self] _, _, tell in
                state.withLock { $0.watchers.append(tell) }
                signal.continuation.yield("watch")
                return .none
            },
            definition: { _, _, _, _ in
                [
                    "name": "where",
                    "inputSchema": [
                        "type": "object",
                        "properties": ["host": ["type": "string", "x-mcp-header": "Host"]],
                    ],
                ]
            })
    }

    func wait(for word: String) async {
        for await heard in signal.stream where heard == word { return }
    }

    var lastCall: EndpointCall? { state.withLock { $0.calls.last?.call } }
    var cancelled: Int { state.withLock { $0.cancelled } }

    func answer(_ event: CallEvent) { state.withLock { $0.calls.last?.sink }?(event) }

    /// Answers a call by its place among all that came; one that did not come is not answered.
    func answer(_ event: CallEvent, of index: Int) {
        state.withLock { $0.calls.indices.contains(index) ? $0.calls[index].sink : nil }?(event)
    }

    func change(_ change: ListChange) {
        for tell in state.withLock({ $0.watchers }) { tell(change) }
    }
}
