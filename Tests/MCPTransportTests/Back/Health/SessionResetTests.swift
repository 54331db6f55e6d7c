import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// A legacy server over HTTP that forgets its sessions while calls are under way there.
@Suite(.timeLimit(.minutes(1)))
struct SessionResetTests {
    private final class Forgetful: Sendable {
        struct State: Sendable {
            var sessions: Set<String> = []
            var initialized = 0
            var ended: [String] = []
            /// Calls of the first session, which are answered when the test says so.
            var held: [HTTPExchange] = []
        }

        let state = Mutex(State())

        func handle(_ exchange: HTTPExchange) {
            let message = (try? JSON(validating: exchange.body)) ?? .null
            let session = exchange.headers.first("mcp-session-id")
            switch exchange.method == "POST" ? message["method"]?.string ?? "" : exchange.method {
            case "DELETE":
                state.withLock { state in
                    state.ended.append(session ?? "")
                    state.sessions.remove(session ?? "")
                }
                exchange.respond(status: 200)
            case "GET": exchange.respond(status: 405)
            case "initialize":
                let fresh = state.withLock { state in
                    state.initialized += 1
                    state.sessions.insert("s\(state.initialized)")
                    return "s\(state.initialized)"
                }
                let result: JSON = [
                    "protocolVersion": "2025-06-18", "capabilities": ["tools": [:]], "serverInfo": [:],
                ]
                answer(exchange, message, result, [("Mcp-Session-Id", fresh)])
            case _ where session == nil: exchange.respond(status: 400)
            case "tools/list":
                let tool: JSON = ["name": "stamp", "inputSchema": ["type": "object"]]
                answer(exchange, message, ["tools": [tool]])
            case "tools/call" where session == "s1": state.withLock { $0.held.append(exchange) }
            case "tools/call": answer(exchange, message, ["content": []])
            case "ping": answer(exchange, message, [:])
            default: exchange.respond(status: 202)
            }
        }

        private func answer(
            _ exchange: HTTPExchange, _ message: JSON, _ result: JSON, _ headers: [(String, String)] = []
        ) {
            let body: JSON = ["jsonrpc": "2.0", "id": message["id"] ?? .null, "result": result]
            exchange.respond(
                status: 200, headers: [("Content-Type", "application/json")] + headers,
                body: Array(body.bytes))
        }

        /// Says of a call's session that it is gone.
        func forget(_ call: Int) {
            let exchange = state.withLock { state in
                state.sessions.remove("s1")
                return state.held[call]
            }
            exchange.respond(status: 404)
        }

        func until(_ isSo: @Sendable (State) -> Bool) async throws {
            while !state.withLock({ isSo($0) }) {
                try Task.checkCancellation()
                try await Task.sleep(for: .milliseconds(2))  // a condition with the suite's deadline
            }
        }
    }

    @Test func `two calls that find their session gone, one after the other, leave one session`() async throws
    {
        let server = Forgetful()
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: FrontRig.loops
        ) { server.handle($0) }
        let url = "http://127.0.0.1:\(listener.address.port)/mcp"
        try await BackendRig.with(.http(url: url, headers: [])) { rig in
            _ = try await rig.listing()
            async let first = rig.tool("stamp")
            async let second = rig.tool("stamp")
            try await server.until { $0.held.count == 2 }
            server.forget(0)
            try await server.until { $0.initialized == 2 }
            _ = try await rig.listing()
            server.forget(1)
            let outcomes = await [first, second]
            #expect(outcomes.allSatisfy { $0.result != nil }, "\(outcomes)")
            // What was posted before this is answered is taken in by now.
            rig.backend.recheck()
            _ = try await rig.listing()
            server.state.withLock { state in
                #expect(state.initialized == 2)
                #expect(state.sessions == ["s2"])
                #expect(state.ended == ["s1"], "a server that is several may have forgotten it at one only")
            }
        }
        await listener.close()
    }
}
