import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Synchronization
import Testing

/// The stream of 2025-11-25 that begins with an event to come back by: Fixtures/mcp/2025-11-25/resumption.txt.
///
/// Replaced are the ids of events, which are the server's to choose, and the id of the request at the back.
@Suite(.timeLimit(.minutes(1))) struct ResumptionReplayTests {
    /// A line of the file: its first word, and the rest.
    private struct Step {
        var word: Substring
        var rest: Substring

        /// The message behind the id of an event; `nil`: an event without data.
        var message: JSON? {
            let parts = rest.split(separator: " ", maxSplits: 1)
            return parts.count > 1 ? try? JSON(validating: String(parts[1])) : nil
        }
    }

    private let steps: [Step]
    private let exchange: GoldenExchange

    init() throws {
        steps = try Fixture.text("mcp/2025-11-25/resumption.txt").split(separator: "\n").map { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            return Step(word: parts[0], rest: parts.count > 1 ? parts[1] : "")
        }
        exchange = try GoldenExchange("tools-call", .v2025_11_25)
    }

    private var request: JSON {
        get throws { try JSON(validating: String(try #require(steps.first { $0.word == "POST" }).rest)) }
    }

    private var response: JSON { get throws { try #require(steps.last { $0.message != nil }?.message) } }

    @Test func `a front lets a client come back for the answer`() async throws {
        let held = Mutex<CallSink?>(nil)
        var service = try GoldenService(exchange).service
        service.call = { _, sink in
            held.withLock { $0 = sink }
            return .finished
        }
        try await GoldenFront.with(service, .http2025November) { way, heard in
            let http = try #require(way as? ClientOverHTTP)
            var heard = heard.makeAsyncIterator()
            try await way.say(exchange.handshake[0].message)
            _ = await heard.next()
            try await way.say(exchange.handshake[2].message)

            let first = try await http.openEvents("POST", try request)
            var events = first.events.makeAsyncIterator()
            let priming = try #require(await events.next())
            #expect(priming.data.isEmpty)
            let place = try #require(priming.id)
            #expect(!place.isEmpty)
            first.request.close()
            let sink = try #require(held.withLock { $0 })
            sink(.result((try response)["result"] ?? .null))

            let second = try await http.openEvents("GET", nil, after: place)
            events = second.events.makeAsyncIterator()
            let answer = try #require(await events.next())
            #expect(answer.data == (try response).text)
            #expect(answer.id?.isEmpty == false && answer.id != place)
            #expect(await events.next() == nil)
            second.request.close()
        }
    }

    @Test func `a back comes back for the answer`() async throws {
        let server = GoldenServer(exchange, .http2025November)
        let behind = ServerOverHTTP(server)
        let asked = Mutex<JSON?>(nil)
        let returned = Mutex<[String]>([])
        let (request, response) = (try request, try response)
        let listener = try await RawHTTPServer.start { exchange in
            let message = (try? JSON(validating: exchange.body)) ?? .null
            if message["method"]?.string == "tools/call" {
                asked.withLock { $0 = message }
                exchange.stream(Array("id: e1\nretry: 20\ndata:\n\n".utf8))
                exchange.end()
            } else if exchange.method == "GET", let place = exchange.head.first("last-event-id") {
                returned.withLock { $0.append(place) }
                let id = asked.withLock { $0 }?["id"] ?? .null
                exchange.stream(EventText.bytes(response.setting("id", to: id), id: "e2"))
                exchange.end()
            } else if exchange.method == "GET" {
                exchange.respond(405)
            } else {
                behind.handle(exchange)
            }
        }
        let target = BackendTarget.http(url: "http://127.0.0.1:\(listener.port)/mcp", headers: [])
        try await GoldenBack.with(target) { backend, told in
            var listings = told.makeAsyncIterator()
            _ = await listings.next()
            var random = SystemRandomNumberGenerator()
            let call = CallRequest(
                id: CallID(using: &random), method: "tools/call", params: request["params"] ?? .null,
                client: ClientFacts(), caller: .anonymous, timeLeft: .seconds(20))
            let ended = AsyncStream.makeStream(of: JSON?.self)
            _ = backend.call(call) { event in
                if case .result(let result) = event {
                    ended.continuation.yield(result)
                } else {
                    ended.continuation.yield(nil)
                }
            }
            var results = ended.stream.makeAsyncIterator()
            let result = try #require(await results.next() ?? nil)
            #expect(result.removing("resultType").text == response["result"]?.text)
        }
        await listener.stop()
        #expect(asked.withLock { $0 }?["params"]?.text == request["params"]?.text)
        #expect(returned.withLock { $0 } == ["e1"])
        #expect(server.breaches.isEmpty)
    }
}
