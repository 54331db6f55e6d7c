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
