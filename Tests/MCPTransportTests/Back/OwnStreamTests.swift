import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// The own stream of a legacy session over Streamable HTTP.
@Suite(.timeLimit(.minutes(1)))
struct OwnStreamTests {
    @Test func `an event that is too large is left out, and what comes after it is heard`() async throws {
        var limits = BackendRig.limits
        limits.message.bytesMax = 4_096
        let streams = Mutex<[HTTPExchange]>([])
        let lists = Mutex(0)
        let handle = { @Sendable (exchange: HTTPExchange) in
            guard exchange.method != "GET" else {
                streams.withLock { $0.append(exchange) }
                exchange.startStream(status: 200, headers: [("Content-Type", "text/event-stream")])
                let change: JSON = ["jsonrpc": "2.0", "method": "notifications/tools/list_changed"]
                let large = JSON.object([
                    ("jsonrpc", "2.0"), ("method", "notifications/message"),
                    ("params", ["data": .string(String(repeating: "x", count: 10_000))]),
                ])
                for message in [large, change] {
                    exchange.write(SSEEvent(data: Array(message.bytes)).bytes)
                }
                return
            }
            guard let message = try? JSON(validating: exchange.body), let id = message["id"] else {
                return exchange.respond(status: 202)
            }
            var outcome: (String, JSON) = ("error", ["code": -32601, "message": "no"])
            switch message["method"]?.string {
            case Method.initialize:
                outcome = (
                    "result",
                    [
                        "protocolVersion": "2025-11-25", "serverInfo": ["name": "talker", "version": "1"],
                        "capabilities": ["tools": ["listChanged": true]],
                    ]
                )
            case Method.toolsList:
                let number = lists.withLock { count in
                    count += 1
                    return count
                }
                let tool: JSON = ["name": .string("t\(number)"), "inputSchema": ["type": "object"]]
                outcome = ("result", ["tools": [tool]])
            default: break
            }
            exchange.respond(
                status: 200, headers: [("Content-Type", "application/json"), ("Mcp-Session-Id", "s")],
                body: Array(JSON.object([("jsonrpc", "2.0"), ("id", id), outcome]).bytes))
        }
        try await HTTPTaskServer.listening(handle) { target in
            try await BackendRig.with(target, limits: limits) { rig in
                while lists.withLock({ $0 }) < 2 {
                    try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
                }
                _ = try await rig.line(containing: "a message of more than")
            }
        }
        #expect(streams.withLock { $0.count } == 1)
    }
}
