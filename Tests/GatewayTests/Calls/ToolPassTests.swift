import Catalog
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Policy
import Testing

@testable import Gateway

/// For which calls everything is decided beforehand, and until when (docs/decisions/0039-the-short-way.md).
struct ToolPassTests {
    private static let alice = Principal(Caller(issuer: "key", subject: "alice"))
    private static let bob = Principal(Caller(issuer: "key", subject: "bob"))

    /// Alice may call everything; of Bob's calls the amount decides, and `stamp` is kept from him.
    private static let rules = """
        access:
          rules:
            - {name: alice, allow: all, who: ["key:alice"]}
            - {name: bob, allow: [call], who: ["key:bob"], entries: [pay], when: {argument: /amount, below: 100}}
            - {name: looks, allow: [see], who: ["key:bob"]}
        """

    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let local = LocalServers()
    private let forwarded = Box<ForwardedCall>()

    init() throws {
        board.publish(try Self.snapshot("pay", "stamp"))
    }

    private static func snapshot(_ tools: String...) throws -> CatalogSnapshot {
        try CatalogSnapshot.sample().with("press", try tools.reduce([]) { $0 + (try [Entry].tools($1)) })
            .with("desk", on: .there, .tools("pay") + .tools("stamp"))
    }

    private func router(
        _ rules: String = "access: {}", panes: @escaping @Sendable () -> UInt64 = { 0 }
    ) throws -> CallRouter {
        CallRouter(
            board: board, local: local, access: try AccessDeskTests.desk(rules, board), label: { "here" },
            paneVersion: panes
        ) { [forwarded] call, sink in
            forwarded.add(call)
            sink(.result(["resultType": "complete", "content": []]))
            return .finished
        }
    }

    private func far(_ pass: ToolPass?) -> FarTool? {
        if case .far(let tool)? = pass?.way { tool } else { nil }
    }

    @Test func `a plain call reaches the other node as one that is not`() throws {
        let router = try router(Self.rules)
        let tool = try #require(far(router.toolPass(.all, Self.alice, "there--desk__pay")))
        let order = FarTool.Order(
            id: .random(), params: ["name": "pay", "arguments": ["amount": 5]], capabilities: [:],
            clientInfo: nil)
        let call = EndpointCall(
            endpoint: .all, principal: Self.alice, method: Method.toolsCall,
            params: ["name": "there--desk__pay", "arguments": ["amount": 5]], client: ClientFacts())
        let (one, other) = (Heard(), Heard())
        _ = tool.send(order, one.sink)
        _ = router.call(call, other.sink)
        #expect(one.result != nil && one.result == other.result)
        let sent = forwarded.values
        #expect(sent.count == 2)
        #expect(sent[0].request.params == sent[1].request.params && sent[0].hash == sent[1].hash)
        #expect(sent[0].server == "desk" && sent[0].caller == Self.alice.caller)
        #expect(sent[0].request.id == order.id && tool.name.text == "\"pay\"")
        // Its own trace is written where the header is.
        #expect(sent[0].moulds != nil && sent[1].moulds == nil)
    }

    @Test func `who asks as somebody else is decided on each time, or at least made whole each time`() throws
    {
        var assumed = Self.alice
        assumed.assumedBy = Caller(issuer: "local", subject: "admin")
        #expect(far(try router(Self.rules).toolPass(.all, assumed, "there--desk__pay")) == nil)
    }

    @Test func `what depends on arguments, or is refused, is decided each time`() throws {
        let router = try router(Self.rules)
        for tool in ["there--desk__pay", "there--desk__stamp", "there--desk__none"] {
            #expect(router.toolPass(.all, Self.bob, tool) == nil, "\(tool)")
        }
        #expect(router.toolPass(.all, Self.alice, "there--desk__none") == nil)
        #expect(router.toolPass(.server("nowhere"), Self.alice, "pay") == nil)
    }

    @Test func `a server without a connection is asked for a pass again`() throws {
        local.put("press", StillBackend.make("press"), concurrency: 1)
        #expect(try router().toolPass(.all, Self.alice, "press__pay") == nil)
    }

    @Test func `another snapshot, another server or another pane is the end of a pass`() throws {
        let panes = Box<UInt64>()
        let router = try router(panes: { UInt64(panes.values.count) })
        func pass() throws -> ToolPass {
            let pass = try #require(router.toolPass(.all, Self.alice, "there--desk__pay"))
            #expect(pass.isGood())
            return pass
        }
        let first = try pass()
        board.publish(try Self.snapshot("pay", "stamp", "more"))
        #expect(!first.isGood())
        let second = try pass()
        local.put("press", StillBackend.make("press"), concurrency: 1)
        #expect(!second.isGood())
        let third = try pass()
        local.remove("press")
        #expect(!third.isGood())
        let fourth = try pass()
        panes.add(1)
        #expect(!fourth.isGood())
    }

    @Test func `all connections of a caller share a pass, for as long as it is good`() throws {
        let router = try router()
        func pass(_ principal: Principal) throws -> ToolPass {
            try #require(router.toolPass(.all, principal, "there--desk__pay"))
        }
        let first = try pass(Self.alice)
        #expect(try pass(Self.alice) === first)
        #expect(try pass(Self.bob) !== first)
        board.publish(try Self.snapshot("pay", "stamp", "more"))
        let second = try pass(Self.alice)
        #expect(second !== first && second.isGood())
    }

    @Test func `a pass that nobody holds makes room when there is none`() throws {
        let shelf = ToolPassShelf()
        func made() -> ToolPass { ToolPass(isGood: { true }, way: .settled { _, _ in .finished }) }
        let kept = try #require(shelf.pass(.all, Self.alice, "kept") { made() })
        for number in 1..<ToolPassShelf.countMax { _ = shelf.pass(.all, Self.alice, "\(number)") { made() } }
        #expect(shelf.count == ToolPassShelf.countMax)
        let one = try #require(shelf.pass(.all, Self.alice, "one") { made() })
        #expect(shelf.count == 2)
        #expect(shelf.pass(.all, Self.alice, "kept") { nil } === kept)
        #expect(shelf.pass(.all, Self.alice, "one") { nil } === one)
    }

    @Test func `what is shown counts as changed by another snapshot, another pane, another name of the node`()
        throws
    {
        let panes = Box<UInt64>()
        let names = Box<String>()
        let router = CallRouter(
            board: board, local: local, label: { names.values.last ?? "here" },
            paneVersion: { UInt64(panes.values.count) }
        ) { _, _ in .finished }
        for change in [
            { board.publish(try Self.snapshot("pay")) }, { panes.add(1) }, { names.add("there") },
        ] as [() throws -> Void] {
            let isUnchanged = router.unchanged()
            #expect(isUnchanged())
            try change()
            #expect(!isUnchanged())
        }
    }

    @Test func `a panes' keeper counts every change`() {
        let glass = Glass(board: board)
        var seen = [glass.version]
        glass.expect("press", under: .manual)
        seen.append(glass.version)
        glass.remove("press")
        seen.append(glass.version)
        #expect(seen == seen.sorted() && Set(seen).count == 3)
    }
}
