import HTTPWire
import JSONSlice
import MCPModel
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

/// Requests for lists that are known again are answered as those before them were (docs/decisions/0039-the-short-way.md).
@Suite(.timeLimit(.minutes(1)))
struct KnownListTests {
    /// A front with two pages of tools, and a client that keeps one connection to it.
    struct Rig {
        /// One loop, so that each request goes over the connection of the one before.
        private static let loop = MultiThreadedEventLoopGroup(numberOfThreads: 1)

        final class Node: Sendable {
            let looks = Mutex(0)
            let isUnchanged = Mutex(true)
            let lasts = Mutex(true)
            let page = Mutex<WrittenPage?>(WrittenPage(WrittenRoom()))

            func looked() -> Int { looks.withLock { $0 } }
        }

        let front: FrontRig
        let node: Node
        let client: HTTPClient

        /// - Parameter size: of each tool's description.
        static func with(size: Int = 10, _ body: (Rig) async throws -> Void) async throws {
            let node = Node()
            let tools: [JSON] = (0..<20).map { number in
                [
                    "name": .string("tool-\(number)"), "inputSchema": ["type": "object"],
                    "description": .string(String(repeating: "ø", count: size)), "icons": [["src": "a"]],
                ]
            }
            var service = FrontRig.sample
            service.door = FrontDoor(
                admit: { _, _, decided in
                    decided(
                        node.lasts.withLock { $0 }
                            ? .allowed(.anonymous) : .refused(status: 401, challenge: nil, message: "no"))
                }, lasting: { _ in { node.lasts.withLock { $0 } } })
            service.list = { _, _, kind, cursor in
                node.looks.withLock { $0 += 1 }
                guard kind == .tools else { return .success(ListPage(items: [])) }
                guard cursor == nil || cursor == "more" else {
                    return .failure(.invalidParams("no such cursor"))
                }
                let items = cursor == nil ? tools : Array(tools.dropFirst(3))
                return .success(
                    ListPage(items: items, written: cursor == nil ? node.page.withLock { $0 } : nil))
            }
            service.unchanged = { { node.isUnchanged.withLock { $0 } } }
            try await FrontRig.with(service) { front in
                // Its connection is kept, however slow the machine is.
                var kept = HTTPClientLimits.standard
                kept.idleLife = .seconds(60)
                let client = HTTPClient(group: loop, limits: kept)
                try await body(Rig(front: front, node: node, client: client))
                await client.shutdown()
            }
        }

        func send(_ headers: [(String, String)], _ body: [UInt8]) async throws -> (Int, [UInt8]) {
            let answer = try await client.collect(
                HTTPClientRequest(
                    HTTPURL(front.url("/mcp")), method: "POST", headers: headers, body: body,
                    timeout: .seconds(20)))
            return (answer.head.status, answer.body)
        }

        func modern(_ id: JSON = 1, _ params: JSON = [:], accept: String? = nil) async throws -> (
            Int, [UInt8]
        ) {
            let headers = FrontRig.modernHeaders("tools/list").map {
                $0.0 == "Accept" && accept != nil ? ($0.0, accept ?? "") : $0
            }
            return try await send(headers, FrontRig.modernBody("tools/list", params, id: id))
        }

        func legacy(
            _ session: String, _ revision: ProtocolRevision, _ id: JSON = 1, method: String = "tools/list"
        ) async throws -> (Int, [UInt8]) {
            try await send(
                FrontRig.legacyHeaders(session, revision), FrontRig.legacyBody(method, [:], id: id))
        }
    }

    private static func text(_ answer: (Int, [UInt8])) -> String { String(decoding: answer.1, as: UTF8.self) }

    @Test(arguments: [10, 5_000])
    func `the same request again costs no look, and is answered the same but for its id`(size: Int)
        async throws
    {
        try await Rig.with(size: size) { rig in
            let first = try await rig.modern(1)
            #expect(first.0 == 200 && rig.node.looked() == 1)
            for id in [2, 3, "a" as JSON] {
                let again = try await rig.modern(id)
                #expect(again.0 == 200)
                #expect(
                    Self.text(again)
                        == Self.text(first).replacing(
                            #""id":1,"#, with: #""id":\#(id.text),"#, maxReplacements: 1))
            }
            // The last has an id of another length, and so another head.
            #expect(rig.node.looked() == 2)
        }
    }

    @Test(arguments: [ProtocolRevision.v2025_03_26, .v2025_06_18, .v2025_11_25])
    func `in a session too, which is used by it`(revision: ProtocolRevision) async throws {
        try await Rig.with { rig in
            let (_, session) = try await rig.front.initialize(revision)
            let looks = rig.node.looked()
            let first = try await rig.legacy(session, revision, 1)
            let before = ContinuousClock.now
            let again = try await rig.legacy(session, revision, 2)
            #expect(rig.node.looked() == looks + 1)
            #expect(first.0 == 200 && again.0 == 200)
            #expect(
                Self.text(again)
                    == Self.text(first).replacing(#""id":1,"#, with: #""id":2,"#, maxReplacements: 1))
            // Heard since then, so not idle.
            let idle = rig.front.front.limits.sessionIdle
            rig.front.front.tick(at: before + idle)
            #expect(try await rig.legacy(session, revision, 3).0 == 200)
            // A ping has the same head where it has the same length; here it has another.
            #expect(try await rig.legacy(session, revision, 4, method: "ping").0 == 200)
            _ = try await rig.front.send(
                "DELETE", "/mcp", headers: FrontRig.legacyHeaders(session, revision))
            #expect(try await rig.legacy(session, revision, 5).0 == 404)
        }
    }

    @Test func `what changed is looked up`() async throws {
        try await Rig.with { rig in
            func asks(_ count: Int, looks: Int) async throws {
                for _ in 0..<count { #expect(try await rig.modern().0 == 200) }
                #expect(rig.node.looked() == looks)
            }
            try await asks(3, looks: 1)
            rig.node.isUnchanged.withLock { $0 = false }
            try await asks(2, looks: 3)
            rig.node.isUnchanged.withLock { $0 = true }
            try await asks(2, looks: 3)
            // The page is gone, and what was written of it with it.
            rig.node.page.withLock { $0 = nil }
            try await asks(2, looks: 5)
        }
    }

    @Test func `who may not ask any more is refused`() async throws {
        try await Rig.with { rig in
            for (lasts, status) in [(true, 200), (true, 200), (false, 401), (true, 200)] {
                rig.node.lasts.withLock { $0 = lasts }
                let answer = try await rig.modern()
                #expect(answer.0 == status)
            }
            #expect(rig.node.looked() == 2)
        }
    }

    @Test func `another page, or another form, is another answer`() async throws {
        try await Rig.with { rig in
            let whole = Self.text(try await rig.modern())
            for _ in 0..<2 {
                #expect(Self.text(try await rig.modern(1, ["cursor": "more"])) != whole)
                #expect(Self.text(try await rig.modern(1, ["cursor": "none"])).contains("no such cursor"))
                #expect(Self.text(try await rig.modern()) == whole)
                #expect(Self.text(try await rig.modern(accept: "text/event-stream")).contains("data:"))
            }
        }
    }

    @Test func `a body that only looks like it is refused as ever`() async throws {
        try await Rig.with { rig in
            _ = try await rig.modern(10)
            _ = try await rig.modern(11)
            for id in ["01", "1,", "{}", "-1", "1."] {
                let body = String(decoding: FrontRig.modernBody("tools/list", id: 10), as: UTF8.self)
                    .replacing(#""id":10"#, with: #""id":\#(id)"#)
                let answer = try await rig.send(FrontRig.modernHeaders("tools/list"), Array(body.utf8))
                #expect(answer.0 == (id == "-1" ? 200 : 400), "\(id)")
            }
        }
    }
}
