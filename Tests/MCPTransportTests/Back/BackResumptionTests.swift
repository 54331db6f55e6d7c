import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// Legacy backends whose streams break.
@Suite(.timeLimit(.minutes(1)))
struct BackResumptionTests {
    /// What a backend does with one connection that carries a call.
    enum Act: Sendable {
        /// Ends the connection after these events.
        case events([SSEEvent])
        case refusal(Int)
    }

    /// A backend that plays one act for the call itself, and the next for each attempt to resume it.
    private final class Script: Sendable {
        private struct State: Sendable {
            var acts: [Act]
            var resumed: [String] = []
            var cameAt: [ContinuousClock.Instant] = []
            var callID: JSON = .null
            var calls = 0
        }

        private let state: Mutex<State>

        init(_ acts: [Act]) { state = Mutex(State(acts: acts)) }

        /// The `Last-Event-ID` of each attempt.
        var resumed: [String] { state.withLock { $0.resumed } }
        var calls: Int { state.withLock { $0.calls } }
        var waits: [Duration] {
            state.withLock { state in zip(state.cameAt, state.cameAt.dropFirst()).map { $0.duration(to: $1) }
            }
        }

        func handle(_ exchange: HTTPExchange) {
            if exchange.method == "GET" {
                guard let last = exchange.headers.first("last-event-id") else {
                    return exchange.respond(status: 405)
                }
                state.withLock { $0.resumed.append(last) }
                return play(exchange)
            }
            guard let message = try? JSON(validating: exchange.body), let id = message["id"] else {
                return exchange.respond(status: 202)
            }
            switch message["method"]?.string {
            case Method.initialize:
                answer(
                    exchange, id,
                    [
                        "protocolVersion": "2025-11-25", "capabilities": ["tools": [:]],
                        "serverInfo": ["name": "script", "version": "1"],
                    ])
            case Method.toolsList: answer(exchange, id, ["tools": []])
            case Method.toolsCall:
                state.withLock { state in
                    state.callID = id
                    state.calls += 1
                }
                play(exchange)
            default:
                let error: JSON = ["code": -32601, "message": "no"]
                say(exchange, ["jsonrpc": "2.0", "id": id, "error": error])
            }
        }

        private func answer(_ exchange: HTTPExchange, _ id: JSON, _ result: JSON) {
            say(exchange, ["jsonrpc": "2.0", "id": id, "result": result])
        }

        private func say(_ exchange: HTTPExchange, _ message: JSON) {
            exchange.respond(
                status: 200, headers: [("Content-Type", "application/json"), ("Mcp-Session-Id", "s")],
                body: Array(message.bytes))
        }

        private func play(_ exchange: HTTPExchange) {
            let (act, id) = state.withLock { state in
                state.cameAt.append(.now)
                return (state.acts.isEmpty ? .refusal(500) : state.acts.removeFirst(), state.callID)
            }
            switch act {
            case .refusal(let status): exchange.respond(status: status)
            case .events(let events):
                exchange.startStream(status: 200, headers: [("Content-Type", "text/event-stream")])
                for var event in events {
                    let text = event.text.replacing("ID", with: id.text)
                    event.data = Array(text.utf8)
                    exchange.write(event.bytes)
                }
                exchange.end()
            }
        }
    }

    private static func primed(_ id: String, retry: Int? = 100) -> SSEEvent {
        SSEEvent(data: [], id: id, retry: retry)
    }

    private static func progress(_ value: Int, _ id: String?) -> SSEEvent {
        let text = """
            {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":\(value)}}
            """
        return SSEEvent(data: Array(text.utf8), id: id)
    }

    private static let answer = SSEEvent(
        data: Array(#"{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"whole"}]}}"#.utf8))

    private func play(_ acts: [Act]) async throws -> (BackendRig.Outcome, Script) {
        let script = Script(acts)
        var outcome = BackendRig.Outcome()
        try await FrontRig.with(admits: { exchange in
            script.handle(exchange)
            return false
        }) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: [])) { rig in
                _ = try await rig.listing()
                outcome = await rig.tool("x", client: ClientFacts(wantsProgress: true))
            }
        }
        return (outcome, script)
    }

    @Test func `a stream that ends early is resumed where it ended, until the answer is there`() async throws
    {
        let (outcome, script) = try await play([
            .events([Self.primed("a"), Self.progress(1, "b")]), .events([Self.progress(2, "c")]), .events([]),
            .events([Self.progress(3, nil), Self.answer]),
        ])
        #expect(outcome.text == "whole")
        #expect(outcome.notifications.compactMap { $0["params"]?["progress"]?.int } == [1, 2, 3])
        #expect(script.resumed == ["b", "c", "c"] && script.calls == 1)
    }

    @Test func `the wait that a server asks for is kept`() async throws {
        let (outcome, script) = try await play([
            .events([Self.primed("a", retry: 400)]), .events([Self.answer]),
        ])
        #expect(outcome.text == "whole")
        #expect(script.waits.allSatisfy { $0 >= .milliseconds(400) } && script.waits.count == 1)
    }

    @Test func `a server that never goes on is given up after so many attempts`() async throws {
        let (outcome, script) = try await play([.events([Self.primed("a")])])
        #expect(outcome.failure?.reason == .outcomeUnknown)
        #expect(script.resumed.count == StreamPlace.attemptsMax && script.calls == 1)
    }

    @Test(arguments: [400, 404, 405])
    func `a server that refuses to go on leaves the outcome unknown, and is not called again`(
        status: Int
    ) async throws {
        let (outcome, script) = try await play([.events([Self.primed("a")]), .refusal(status)])
        #expect(outcome.failure?.reason == .outcomeUnknown)
        #expect(script.resumed == ["a"] && script.calls == 1)
    }

    @Test(arguments: [nil, "", "ü"])
    func `without an id to come back with, a broken stream is lost`(id: String?) async throws {
        let (outcome, script) = try await play([.events([Self.progress(1, id)])])
        #expect(outcome.failure?.reason == .outcomeUnknown)
        #expect(script.resumed.isEmpty && script.calls == 1)
    }

    @Test(arguments: [(0, 100), (250, 250), (3_600_000, 30_000), (.max, 30_000)])
    func `a wait stays within its bounds`(asked: Int, milliseconds: Int) {
        var place = StreamPlace()
        #expect(place.wait == StreamPlace.waitUsual)
        place.advance(to: "a", retry: asked)
        #expect(place.wait == .milliseconds(milliseconds) && place.hasAdvanced && !place.again.hasAdvanced)
        #expect(place.again.lastEventID == "a")
    }
}
