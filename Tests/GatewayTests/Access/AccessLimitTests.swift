import Catalog
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Testing

@testable import Gateway

struct AccessLimitTests {
    private static let alice = AccessDeskTests.alice
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let open = Box<CallSink>()

    init() throws {
        board.publish(try CatalogSnapshot.sample().with("desk", on: .there, .tools("echo", "put")))
    }

    private func router(_ limits: String, isSlow: Bool = false) throws -> CallRouter {
        let access = try AccessDeskTests.desk("access: {limits: [\(limits)]}", board)
        return CallRouter(board: board, local: LocalServers(), access: access, label: { "here" }) {
            [open] _, sink in
            if isSlow { open.add(sink) } else { sink(.result(["content": []])) }
            return .finished
        }
    }

    private func call(_ tool: String, _ router: CallRouter, as principal: Principal = alice) -> Heard {
        let heard = Heard()
        _ = router.call(
            EndpointCall(
                endpoint: .all, principal: principal, method: Method.toolsCall,
                params: ["name": .string("there--desk__\(tool)")], client: ClientFacts()), heard.sink)
        return heard
    }

    @Test func `over a rate a call is limited, and told when to come back`() throws {
        let router = try router("{name: slow, entries: [echo], rate: 2 in 10s}")
        for _ in 0..<2 { #expect(call("echo", router).result != nil) }
        let failure = try #require(call("echo", router).failure)
        #expect(failure.reason == .limited && failure.isUnsent)
        #expect(failure.detail == "key:alice has reached the limit slow" && failure.hint == "again in 5 s")
        let data = CallFailureCode.error(of: failure).json["data"]
        #expect(data?["retryAfterMs"]?.int == 5_000)
        #expect(call("put", router).result != nil, "it is about echo")
        #expect(call("echo", router, as: AccessDeskTests.bob).result != nil, "each has his own")
    }

    private func limit(_ target: StatementTarget, _ rate: CallRate?, concurrency: Int? = nil) throws {
        var snapshot = board.snapshot
        let allowance = try CallAllowance(rate: rate, concurrency: concurrency).orFail()
        snapshot.limits = StatedLimits(
            snapshot.limits.all + [
                StatedLimit(
                    target: target, signer: .there, allowance, reason: "it is old", at: 0,
                    word: ContentHash(of: []))
            ])
        board.publish(snapshot)
    }

    @Test func `an operator's limit is counted at the entry node too, of all callers together`() throws {
        let router = try router("")
        let desk = ServerKey(owner: .there, name: "desk")
        try limit(.of(EntryAddress(server: desk, kind: .tool, name: "echo")), CallRate(2, in: .seconds(10)))
        #expect(call("echo", router).result != nil)
        #expect(call("echo", router, as: AccessDeskTests.bob).result != nil)
        let failure = try #require(call("echo", router).failure)
        #expect(failure.reason == .limited && failure.rule == "limit on there--desk/echo")
        #expect(
            failure.detail
                == "there--desk/echo is called as often as the operator there lets it be, 2 in 10s (it is old)"
        )
        #expect(failure.hint == "again in 5 s")
        #expect(call("put", router).result != nil, "it is about echo")
        try limit(.node(.there), nil, concurrency: 1)
        let slow = try self.router("", isSlow: true)
        _ = call("put", slow)
        #expect(call("put", slow, as: AccessDeskTests.bob).failure?.rule == "limit on node:there")
    }

    @Test func `so many run at once, and the next when one is over`() throws {
        let router = try router("{concurrency: 2, shared: true}", isSlow: true)
        _ = call("echo", router)
        _ = call("put", router, as: AccessDeskTests.bob)
        #expect(call("echo", router).failure?.reason == .limited)
        let first = try #require(open.values.first)
        first(.result(["content": []]))
        #expect(call("echo", router).failure == nil)
        #expect(open.values.count == 3)
    }
}
