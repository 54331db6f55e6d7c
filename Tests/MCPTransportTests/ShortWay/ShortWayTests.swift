import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import Synchronization
import Testing

@testable import MCPTransport

/// Calls by the short way end as they would by the long way (docs/decisions/0039-the-short-way.md).
@Suite(.timeLimit(.minutes(1)))
struct ShortWayTests {
    /// What a server may answer.
    enum Manner: String, CaseIterable, Sendable {
        case text, failed, link, named, chunked, large, largeChunked
        case largeNoJSON, largeUntyped
        case untyped, error, inputRequired, stream, twoHundredAndTwo, fiveHundred, unauthorized, forbidden,
            otherID,
            noJSON, cutOff, notFound, mismatch

        /// Whether it is refused on the short way.
        var isRefused: Bool { [.error, .mismatch, .fiveHundred].contains(self) }

        /// Whether the short way carries its result to the end.
        var isPlain: Bool { [.text, .failed, .link, .named, .chunked, .large, .largeChunked].contains(self) }
    }

    /// More than is read on a loop.
    private static let long = String(repeating: "long ", count: LargeAnswers.onLoopMax / 4)

    static func serve(_ tool: String, _ id: JSON, _ exchange: HTTPExchange) {
        let json = [("Content-Type", "application/json")]
        func raw(_ text: String, status: Int = 200, headers: [(String, String)]? = nil) {
            exchange.respond(status: status, headers: headers ?? json, body: Array(text.utf8))
        }
        switch Manner(rawValue: tool) {
        case .text: exchange.say(id, #""content":[{"type":"text","text":"hé"}]"#)
        case .failed: exchange.say(id, #""content":[],"isError":true"#)
        case .link: exchange.say(id, #""content":[{"type":"resource_link","uri":"a:b","name":"n"}]"#)
        case .named:
            exchange.say(
                id,
                #""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"it","version":"2"}},"content":[]"#)
        case .chunked:
            exchange.startStream(status: 200, headers: json)
            exchange.write(Array(#"{"jsonrpc":"2.0","id":\#(id.text),"result":{"resultType":"#.utf8))
            exchange.write(Array(#""complete","content":[]}}"#.utf8))
            exchange.end()
        case .large: exchange.say(id, #""content":[{"type":"text","text":"\#(Self.long)"}]"#)
        case .largeChunked:
            exchange.startStream(status: 200, headers: json)
            exchange.write(
                Array(
                    #"{"jsonrpc":"2.0","id":\#(id.text),"result":{"resultType":"complete","content":["#.utf8))
            exchange.write(Array(#"{"type":"text","text":"\#(Self.long)"}]}}"#.utf8))
            exchange.end()
        case .largeNoJSON: raw(#"{"jsonrpc":"2.0","result":"\#(Self.long)"#)
        case .largeUntyped:
            raw(#"{"jsonrpc":"2.0","id":\#(id.text),"result":{"content":[],"a":"\#(Self.long)"}}"#)
        case .untyped: raw(#"{"jsonrpc":"2.0","id":\#(id.text),"result":{"content":[]}}"#)
        case .error:
            raw(#"{"jsonrpc":"2.0","id":\#(id.text),"error":{"code":-32000,"message":"no","data":[1]}}"#)
        case .inputRequired:
            raw(
                #"{"jsonrpc":"2.0","id":\#(id.text),"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{}}}}}}}"#
            )
        case .stream:
            exchange.startStream(status: 200, headers: [("Content-Type", "text/event-stream")])
            exchange.write(
                SSEEvent(
                    message: ["jsonrpc": "2.0", "method": "notifications/vendor", "params": ["a": 1]]
                ).bytes)
            exchange.write(
                SSEEvent(
                    message: [
                        "jsonrpc": "2.0", "id": id, "result": ["resultType": "complete", "content": []],
                    ]
                ).bytes)
            exchange.end()
        case .twoHundredAndTwo: raw("", status: 202)
        case .fiveHundred: raw("{}", status: 500)
        case .unauthorized: raw("{}", status: 401)
        case .forbidden: raw("{}", status: 403)
        case .notFound: raw("{}", status: 404)
        case .otherID: raw(#"{"jsonrpc":"2.0","id":99999,"result":{"resultType":"complete"}}"#)
        case .noJSON: raw("<html>")
        case .mismatch:
            raw(#"{"jsonrpc":"2.0","id":\#(id.text),"error":{"code":-32021,"message":"x"}}"#, status: 400)
        case .cutOff:
            exchange.startStream(status: 200, headers: json)
            // Let go of without an end, which cuts it.
            exchange.write(Array(#"{"jsonrpc":"2.0","#.utf8))
        case nil: break  // for ever
        }
    }

    @Test(arguments: Manner.allCases)
    func `a call that goes the short way ends as the one before it did`(manner: Manner) async throws {
        try await ShortWayRig.with(Self.serve) { rig in
            let long = try await rig.call(manner.rawValue)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 0)
            let short = try await rig.call(manner.rawValue)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1, "it went the long way")
            #expect(short.0 == long.0 && short.1 == long.1, "\(short) is not \(long)")
            #expect(rig.ends.answered == (manner.isPlain ? 1 : 0))
            #expect(rig.ends.refused == (manner.isRefused ? 1 : 0))
            #expect(try await rig.isQuiet())
        }
    }

    @Test func `ten calls over one connection are ten requests to the server, in order`() async throws {
        let heard = Mutex<[String]>([])
        try await ShortWayRig.with { _, id, exchange in
            heard.withLock { $0.append("\(exchange.remotePort ?? 0)") }
            exchange.say(id, #""content":[]"#)
        } _: { rig in
            for _ in 0..<10 {
                let status = try await rig.call("text").0
                #expect(status == 200)
            }
            let ports = heard.withLock { $0 }
            #expect(ports.count == 10)
            // The loop of the client's connection opens one of its own; the first call may have found another's.
            #expect(Set(ports.dropFirst()).count == 1)
            #expect(rig.ends.answered == 9)
        }
    }

    @Test func `a client that goes ends its call at the server, and gives its place back, by either way`()
        async throws
    {
        let hangs = Mutex(true)
        let (asked, isAsked) = AsyncStream.makeStream(of: Void.self)
        let (gone, isGone) = AsyncStream.makeStream(of: Void.self)
        try await ShortWayRig.with { _, id, exchange in
            guard hangs.withLock({ $0 }) else { return exchange.say(id, #""content":[]"#) }
            exchange.onClose { isGone.yield() }
            isAsked.yield()
            // Held until then: an exchange that is let go of is answered.
            exchange.eventLoop.scheduleTask(in: .seconds(30)) { exchange.respond(status: 500) }
        } _: { rig in
            try await rig.leave("text", when: asked)
            for await _ in gone { break }
            #expect(try await rig.isQuiet())
            #expect(rig.backend.state.withLock { $0.shortCalls } == 0)
            hangs.withLock { $0 = false }
            _ = try await rig.call("text")
            hangs.withLock { $0 = true }
            try await rig.leave("text", when: asked)
            for await _ in gone { break }
            #expect(try await rig.isQuiet())
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
            #expect(rig.ends.cancelled == 1 && rig.ends.answered == 0)
        }
    }

    @Test func `silence ends it as it ends any call`() async throws {
        var limits = BackendRig.limits
        limits.silenceMax = .milliseconds(300)
        let hangs = Mutex(false)
        let asked = Mutex(0)
        let (gone, isGone) = AsyncStream.makeStream(of: Void.self)
        try await ShortWayRig.with(limits: limits) { _, id, exchange in
            guard hangs.withLock({ $0 }) else { return exchange.say(id, #""content":[]"#) }
            exchange.onClose { isGone.yield() }
            asked.withLock { $0 += 1 }
            exchange.eventLoop.scheduleTask(in: .seconds(30)) { exchange.respond(status: 500) }
        } _: { rig in
            _ = try await rig.call("text")
            hangs.withLock { $0 = true }
            let silent = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
            #expect(silent.1[0]?["error"]?["data"]?["reason"]?.string == "deadline_exceeded")
            // On a busy machine the time may be over before there is a connection; a server that was asked is told.
            if asked.withLock({ $0 }) > 0 { for await _ in gone { break } }
            #expect(try await rig.isQuiet())
        }
    }

    @Test func `what nobody may do any more goes the long way, which says so`() async throws {
        try await ShortWayRig.with(Self.serve) { rig in
            _ = try await rig.call("text")
            _ = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
            rig.isGood.set(false)
            _ = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
            rig.isGood.set(true)
            _ = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 2)
        }
    }

    @Test func `a tool some of whose arguments stand in headers, too, is held against them each time`()
        async throws
    {
        try await ShortWayRig.with { _, id, exchange in
            exchange.say(id, #""content":[]"#)
        } _: { rig in
            for (value, status) in [("eu", 200), ("eu", 200), ("us", 400), ("eu", 200)] {
                let answer = try await rig.call(
                    "mirrored", headers: [("Mcp-Param-A", "eu")], arguments: ["a": .string(value)])
                #expect(answer.0 == status, "\(answer)")
            }
            #expect(rig.backend.state.withLock { $0.shortCalls } == 0)
        }
    }

    @Test func `a call more than the server's places goes the long way`() async throws {
        try await ShortWayRig.with(Self.serve) { rig in
            _ = try await rig.call("text")
            for _ in 0..<rig.places.max { #expect(rig.places.enter()) }
            _ = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 0)
            for _ in 0..<rig.places.max { rig.places.leave(after: nil) }
            _ = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
        }
    }
}
