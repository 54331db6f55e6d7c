import HTTPWire
import JSONSlice
import MCPModel
import Synchronization

@testable import MCPTransport

/// A server of 2025-11-25 over Streamable HTTP whose only tool runs as a task.
final class HTTPTaskServer: Sendable {
    /// What becomes of one `tasks/result`.
    enum Wait: Sendable {
        case refuse(status: Int)
        /// Its stream stays open and silent until the task is cancelled.
        case hold
        /// Its stream ends without an answer.
        case cut
        case answer(String)
    }

    private struct State: Sendable {
        var waits: [Wait]
        var sessions = 0
        var calls = 0
        var closed = 0
        var cancelled: [String] = []
        var held: [String: [(exchange: HTTPExchange, id: JSON)]] = [:]
        var unnamed: [(exchange: HTTPExchange, id: JSON, task: String)] = []
        var toldToCancel = 0
        /// By session.
        var streams: [String: HTTPExchange] = [:]
    }

    private let forgets: Int
    private let isSlow: Bool
    private let knowsTasks: Bool
    private let tells: Bool
    private let state: Mutex<State>

    /// - Parameters:
    ///   - forgets: so many calls find their session gone.
    ///   - knowsTasks: whether it can be asked after them.
    ///   - tells: whether sessions have streams of their own (``tell(_:of:in:)``); then all tasks are called `t1`.
    ///   - isSlow: whether tasks are named only by ``nameTasks()``.
    init(
        _ waits: [Wait] = [], forgets: Int = 0, isSlow: Bool = false, knowsTasks: Bool = true,
        tells: Bool = false
    ) {
        self.knowsTasks = knowsTasks
        self.tells = tells
        self.forgets = forgets
        self.isSlow = isSlow
        state = Mutex(State(waits: waits))
    }

    var calls: Int { state.withLock { $0.calls } }
    /// Streams that the gateway has closed.
    var closed: Int { state.withLock { $0.closed } }
    var isHolding: Bool { state.withLock { !$0.held.isEmpty } }
    var cancelled: [String] { state.withLock { $0.cancelled } }
    /// `notifications/cancelled` that came.
    var toldToCancel: Int { state.withLock { $0.toldToCancel } }

    /// Sessions whose own stream is open.
    var listening: Set<String> { state.withLock { Set($0.streams.keys) } }

    /// Says how a task is, on a session's own stream.
    func tell(_ text: String, of id: String, in session: String) {
        let message: JSON = [
            "jsonrpc": "2.0", "method": "notifications/tasks/status",
            "params": Self.task(id, "working").setting("statusMessage", to: .string(text)),
        ]
        state.withLock { $0.streams[session] }?.write(SSEEvent(data: Array(message.bytes)).bytes)
    }

    /// Answers the calls that wait to become tasks.
    func nameTasks() {
        let unnamed = state.withLock { state in
            defer { state.unnamed = [] }
            return state.unnamed
        }
        for call in unnamed {
            say(call.exchange, call.id, ("result", ["task": Self.task(call.task, "working")]))
        }
    }

    func with(
        limits: BackendLimits = BackendRig.limits, _ body: (BackendRig) async throws -> Void
    ) async throws {
        try await Self.listening({ [self] in handle($0) }) { target in
            try await BackendRig.with(target, limits: limits, seal: AskingServer.seal) { rig in
                _ = try await rig.listing()
                try await body(rig)
            }
            // What was open may close now.
            let isHolding = isHolding
            while isHolding, closed == 0, cancelled.isEmpty {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
        }
    }

    /// A server of its own, which may keep its streams open.
    static func listening(
        _ handle: @escaping @Sendable (HTTPExchange) -> Void, _ body: (BackendTarget) async throws -> Void
    ) async throws {
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: FrontRig.loops, handler: handle)
        do {
            try await body(.http(url: "http://127.0.0.1:\(listener.address.port)/mcp", headers: []))
        } catch {
            await listener.close()
            throw error
        }
        await listener.close()
    }

    func handle(_ exchange: HTTPExchange) {
        let session = exchange.headers.first("mcp-session-id") ?? ""
        if tells, exchange.method == "GET" {
            exchange.startStream(status: 200, headers: [("Content-Type", "text/event-stream")])
            return state.withLock { $0.streams[session] = exchange }
        }
        guard let message = try? JSON(validating: exchange.body) else {
            return exchange.respond(status: exchange.method == "DELETE" ? 200 : 405)
        }
        guard let id = message["id"], let method = message["method"]?.string else {
            if message["method"] == "notifications/cancelled" { state.withLock { $0.toldToCancel += 1 } }
            return exchange.respond(status: 202)
        }
        let task = message["params"]?["taskId"]?.string ?? ""
        switch method {
        case Method.initialize:
            let number = state.withLock { state in
                state.sessions += 1
                return state.sessions
            }
            let result: JSON = [
                "protocolVersion": "2025-11-25", "serverInfo": ["name": "tasks", "version": "1"],
                "capabilities": [
                    "tools": [:], "tasks": ["cancel": [:], "requests": ["tools": ["call": [:]]]],
                ],
            ]
            say(exchange, id, ("result", result), [("Mcp-Session-Id", "s\(number)")])
        case Method.toolsList:
            let tool: JSON = [
                "name": "must", "inputSchema": ["type": "object"], "execution": ["taskSupport": "required"],
            ]
            say(exchange, id, ("result", ["tools": [tool]]))
        case Method.toolsCall:
            let number = state.withLock { state in
                state.calls += 1
                return state.calls
            }
            guard number > forgets else { return exchange.respond(status: 404) }
            guard !isSlow else {
                return state.withLock { $0.unnamed.append((exchange, id, "t\(number)")) }
            }
            say(exchange, id, ("result", ["task": Self.task(tells ? "t1" : "t\(number)", "working")]))
        case Method.tasksGet where !knowsTasks:
            say(exchange, id, ("error", ["code": -32602, "message": "no"]))
        case Method.tasksGet: say(exchange, id, ("result", Self.task(task, "working")))
        case Method.tasksCancel:
            let held = state.withLock { state in
                state.cancelled.append(task)
                return state.held.removeValue(forKey: session + task)
            }
            for held in held ?? [] {
                let error: JSON = ["code": -32000, "message": "cancelled"]
                let answer: JSON = ["jsonrpc": "2.0", "id": held.id, "error": error]
                held.exchange.write(SSEEvent(data: Array(answer.bytes)).bytes)
                held.exchange.end()
            }
            say(exchange, id, ("result", Self.task(task, "cancelled")))
        case Method.tasksResult: wait(exchange, id, for: session + task)
        default: say(exchange, id, ("error", ["code": -32601, "message": "no"]))
        }
    }

    private func wait(_ exchange: HTTPExchange, _ id: JSON, for task: String) {
        switch state.withLock({ $0.waits.isEmpty ? .hold : $0.waits.removeFirst() }) {
        case .refuse(let status): exchange.respond(status: status)
        case .answer(let text):
            say(exchange, id, ("result", ["content": [["type": "text", "text": .string(text)]]]))
        case .cut:
            exchange.startStream(status: 200, headers: [("Content-Type", "text/event-stream")])
            exchange.end()
        case .hold:
            state.withLock { $0.held[task, default: []].append((exchange, id)) }
            exchange.startStream(status: 200, headers: [("Content-Type", "text/event-stream")])
            exchange.onClose { [weak self] in self?.state.withLock { $0.closed += 1 } }
        }
    }

    private static func task(_ id: String, _ status: String) -> JSON {
        [
            "taskId": .string(id), "status": .string(status), "createdAt": "2025-11-25T10:00:00Z",
            "lastUpdatedAt": "2025-11-25T10:00:00Z", "ttl": .null, "pollInterval": 10,
        ]
    }

    private func say(
        _ exchange: HTTPExchange, _ id: JSON, _ outcome: (String, JSON), _ headers: [(String, String)] = []
    ) {
        let message = JSON.object([("jsonrpc", "2.0"), ("id", id), outcome])
        exchange.respond(
            status: 200, headers: [("Content-Type", "application/json")] + headers,
            body: Array(message.bytes))
    }
}
