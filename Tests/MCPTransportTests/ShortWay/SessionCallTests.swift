import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import Synchronization
import Testing

@testable import MCPTransport

/// Calls in legacy sessions by the short way end as they would by the long way (docs/decisions/0039-the-short-way.md).
@Suite(.timeLimit(.minutes(1)))
struct SessionCallTests {
    static let revisions: [ProtocolRevision] = [.v2025_03_26, .v2025_06_18, .v2025_11_25]

    /// A session over the rig's kept connection.
    private struct Session {
        let rig: ShortWayRig
        let id: String
        let revision: ProtocolRevision

        init(_ rig: ShortWayRig, _ revision: ProtocolRevision = .v2025_11_25, capabilities: JSON = [:])
            async throws
        {
            self.rig = rig
            self.revision = revision
            id = try await rig.front.initialize(revision, capabilities: capabilities).1
        }

        func request(_ tool: String, id number: Int = 1) throws -> HTTPClientRequest {
            try HTTPClientRequest(
                HTTPURL(rig.front.url("/mcp")), method: "POST", headers: FrontRig.legacyHeaders(id, revision),
                body: FrontRig.legacyBody(
                    "tools/call", ["name": .string(tool), "arguments": ["a": 1]], id: .number(number)),
                timeout: .seconds(20))
        }

        func call(_ tool: String, id number: Int = 1) async throws -> (Int, JSON) {
            try await rig.answer(to: request(tool, id: number))
        }

        /// Says something over another connection.
        func say(_ body: String, _ method: String = "POST") async throws -> Int {
            try await rig.front.send(
                method, "/mcp", headers: FrontRig.legacyHeaders(id, revision), body: Array(body.utf8)
            ).status
        }

        var shortCalls: Int { rig.backend.state.withLock { $0.shortCalls } }
    }

    /// No stream is opened because a machine is slow.
    private static var patient: FrontLimits {
        var limits = FrontLimits()
        limits.streamAfter = .seconds(20)
        return limits
    }

    /// A server that holds calls until it is told to answer.
    private final class Holding: Sendable {
        private let state = Mutex<(holds: Bool, held: [(JSON, HTTPExchange)])>((false, []))
        let asked: AsyncStream<Void>
        let gone: AsyncStream<Void>
        private let isAsked: AsyncStream<Void>.Continuation
        private let isGone: AsyncStream<Void>.Continuation

        init() {
            (asked, isAsked) = AsyncStream.makeStream(of: Void.self)
            (gone, isGone) = AsyncStream.makeStream(of: Void.self)
        }

        func hold() { state.withLock { $0.holds = true } }

        func serve(_ id: JSON, _ exchange: HTTPExchange) {
            let holds = state.withLock { state in
                if state.holds { state.held.append((id, exchange)) }
                return state.holds
            }
            guard holds else { return exchange.say(id, #""content":[]"#) }
            exchange.onClose { [isGone] in isGone.yield() }
            isAsked.yield()
        }

        func answer() {
            let held = state.withLock { state in
                defer { state = (false, []) }
                return state.held
            }
            for (id, exchange) in held { exchange.say(id, #""content":[]"#) }
        }
    }

    @Test func `calls of another node's tools start from what was decided, and end as the one before`()
        async throws
    {
        try await ShortWayRig.with(front: Self.patient, isFar: true, ShortWayTests.serve) { rig in
            let session = try await Session(rig)
            let first = try await session.call(ShortWayTests.Manner.text.rawValue)
            let second = try await session.call(ShortWayTests.Manner.text.rawValue)
            #expect(first.0 == 200 && second.0 == first.0 && second.1 == first.1, "\(second) is not \(first)")
            #expect(session.shortCalls == 0, "a session has none over a hop")
        }
    }

    @Test(arguments: ShortWayTests.Manner.allCases, revisions)
    func `a call that goes the short way ends as the one before it did`(
        manner: ShortWayTests.Manner, revision: ProtocolRevision
    ) async throws {
        try await ShortWayRig.with(front: Self.patient, ShortWayTests.serve) { rig in
            let session = try await Session(rig, revision)
            let long = try await session.call(manner.rawValue)
            #expect(session.shortCalls == 0)
            let short = try await session.call(manner.rawValue)
            #expect(session.shortCalls == 1, "it went the long way")
            #expect(short.0 == long.0 && short.1 == long.1, "\(short) is not \(long)")
            #expect(rig.ends.answered == (manner.isPlain ? 1 : 0))
            #expect(rig.ends.refused == (manner.isRefused ? 1 : 0))
            #expect(try await rig.isQuiet())
        }
    }

    @Test(arguments: ChildServer.Manner.allCases.filter { $0 != .death }, [Era.modern, .legacy])
    func `so does a call of a child`(manner: ChildServer.Manner, era: Era) async throws {
        try await ShortWayRig.with(
            ChildServer.target(era), limits: ChildServer.limits, front: Self.patient
        ) { rig in
            let session = try await Session(rig)
            let long = try await session.call(manner.rawValue)
            #expect(session.shortCalls == 0)
            let short = try await session.call(manner.rawValue)
            #expect(session.shortCalls == 1, "it went the long way")
            #expect(short.0 == long.0 && short.1 == long.1, "\(short) is not \(long)")
            #expect(rig.ends.answered == (manner.isPlain(in: era) ? 1 : 0))
            #expect(rig.ends.refused == (manner == .error ? 1 : 0))
            #expect(try await rig.isQuiet())
        }
    }

    @Test func `tools with heads of one length each have their pass`() async throws {
        try await ShortWayRig.with(front: Self.patient, ShortWayTests.serve) { rig in
            let session = try await Session(rig)
            for tool in ["text", "link"] { _ = try await session.call(tool) }
            #expect(session.shortCalls == 0)
            for tool in ["text", "link", "link", "text"] {
                let answer = try await session.call(tool)
                #expect(
                    answer.1[0]?["result"]?["content"]?[0]?["type"]?.string
                        == (tool == "text" ? "text" : "resource_link"))
            }
            #expect(session.shortCalls == 4)
        }
    }

    @Test
    func `a call that its client takes back ends at the server, and is answered by a stream without a word`()
        async throws
    {
        let server = Holding()
        try await ShortWayRig.with(front: Self.patient, { _, id, exchange in server.serve(id, exchange) }) {
            rig in
            let session = try await Session(rig)
            _ = try await session.call("text")
            server.hold()
            async let answer = session.call("text", id: 2)
            for await _ in server.asked { break }
            #expect(session.shortCalls == 1)
            #expect(
                try await session.say(
                    #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#) == 202)
            let ended = try await answer
            #expect(ended.0 == 200 && ended.1 == [])
            for await _ in server.gone { break }
            server.answer()
            #expect(try await rig.isQuiet())
            #expect(rig.ends.cancelled == 1 && rig.ends.answered == 0)
        }
    }

    @Test func `a session that ends takes its calls with it, and is unknown from then on`() async throws {
        let server = Holding()
        try await ShortWayRig.with(front: Self.patient, { _, id, exchange in server.serve(id, exchange) }) {
            rig in
            let session = try await Session(rig)
            _ = try await session.call("text")
            server.hold()
            async let answer = session.call("text")
            for await _ in server.asked { break }
            #expect(try await session.say("", "DELETE") == 204)
            _ = try await answer
            for await _ in server.gone { break }
            server.answer()
            #expect(try await rig.isQuiet())
            #expect(try await session.call("text").0 == 404)
            #expect(session.shortCalls == 1)
        }
    }

    @Test func `a client that goes has not cancelled`() async throws {
        let server = Holding()
        try await ShortWayRig.with(front: Self.patient, { _, id, exchange in server.serve(id, exchange) }) {
            rig in
            let session = try await Session(rig)
            _ = try await session.call("text")
            server.hold()
            let handle = rig.client.send(try session.request("text")) { _ in }
            for await _ in server.asked { break }
            let connections = rig.front.connectionCount()
            handle.cancel()
            // Once the front has seen that, too.
            try await Self.until { rig.front.connectionCount() < connections }
            #expect(rig.front.front.sessions.withLock { $0.all.first?.dialogue.isBusy } == true)
            server.answer()
            #expect(try await rig.isQuiet())
            #expect(session.shortCalls == 1)
            #expect(rig.ends.answered == 1 && rig.ends.cancelled == 0)
        }
    }

    @Test func `a call that takes a while gets a stream, and ends there`() async throws {
        let server = Holding()
        var limits = FrontLimits()
        limits.streamAfter = .milliseconds(1)
        try await ShortWayRig.with(front: limits, { _, id, exchange in server.serve(id, exchange) }) { rig in
            let session = try await Session(rig)
            _ = try await session.call("text")
            server.hold()
            let (events, isEvent) = AsyncStream.makeStream(of: HTTPClientEvent.self)
            let handle = rig.client.send(try session.request("text", id: 2)) { isEvent.yield($0) }
            defer { handle.cancel() }
            for await _ in server.asked { break }
            var parser = SSEParser()
            var seen: [SSEEvent] = []
            for await event in events {
                guard case .head(let head) = event else { break }
                #expect(head.headers.isMediaType("text/event-stream"))
                server.answer()
                break
            }
            loop: for await event in events {
                switch event {
                case .body(let bytes): seen += try parser.push(bytes)
                case .end, .failed: break loop
                case .head: break
                }
            }
            #expect(seen.first?.data.isEmpty == true && seen.first?.id != nil)
            #expect(seen.last.flatMap { try? JSON(validating: $0.data) }?["id"]?.int == 2)
            #expect(session.shortCalls == 1)
            #expect(try await rig.isQuiet())
        }
    }

    @Test func `an id that is in use is refused, as ever`() async throws {
        let server = Holding()
        try await ShortWayRig.with(front: Self.patient, { _, id, exchange in server.serve(id, exchange) }) {
            rig in
            let session = try await Session(rig)
            _ = try await session.call("text")
            server.hold()
            async let first = session.call("text", id: 5)
            for await _ in server.asked { break }
            let second = try await session.call("text", id: 5)
            #expect(second.1[0]?["error"]?["message"]?.string?.contains("still running") == true)
            server.answer()
            #expect(try await first.1[0]?["result"] != nil)
            #expect(try await rig.isQuiet())
        }
    }

    @Test func `a session that wants log messages has the long way`()
        async throws
    {
        try await ShortWayRig.with(front: Self.patient, ShortWayTests.serve) { rig in
            let session = try await Session(rig)
            for _ in 0..<2 { _ = try await session.call("text") }
            #expect(session.shortCalls == 1)
            let wish = #"{"jsonrpc":"2.0","id":9,"method":"logging/setLevel","params":{"level":"info"}}"#
            #expect(try await session.say(wish) == 200)
            #expect(try await session.call("text").0 == 200)
            #expect(session.shortCalls == 1)
        }
    }

    @Test func `what nobody may do any more goes the long way, which says so`() async throws {
        try await ShortWayRig.with(front: Self.patient, ShortWayTests.serve) { rig in
            let session = try await Session(rig)
            for _ in 0..<2 { _ = try await session.call("text") }
            #expect(session.shortCalls == 1)
            rig.isGood.set(false)
            for _ in 0..<2 { _ = try await session.call("text") }
            #expect(session.shortCalls == 1)
            rig.isGood.set(true)
            for _ in 0..<2 { _ = try await session.call("text") }
            #expect(session.shortCalls >= 2)
        }
    }

    private static func until(_ isSo: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while !isSo(), ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(5))  // a condition with a deadline
        }
        #expect(isSo())
    }
}
