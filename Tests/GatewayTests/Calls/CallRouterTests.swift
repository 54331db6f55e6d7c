import Catalog
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Testing

@testable import Gateway

struct CallRouterTests {
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let local = LocalServers()
    private let forwarded = Box<ForwardedCall>()

    init() throws {
        board.publish(
            try CatalogSnapshot.sample().with("press", .tools("stamp"))
                .with("desk", on: .there, .tools("echo") + .resources("file:///a.txt")))
    }

    /// Routes one call; whatever goes to another node is answered with `answer`.
    private func call(
        _ params: JSON, method: String = Method.toolsCall, at endpoint: EndpointName = .all,
        id: CallID = CallID(high: 1, low: 2), answer: CallEvent = .result(["content": []])
    ) -> Heard {
        let forwarded = forwarded
        let router = CallRouter(board: board, local: local, label: { "here" }) { call, sink in
            forwarded.add(call)
            sink(answer)
            return .finished
        }
        let heard = Heard()
        _ = router.call(
            EndpointCall(
                endpoint: endpoint, principal: Principal(Caller(issuer: "key", subject: "agent")),
                method: method,
                params: params, client: ClientFacts()), id: id, heard.sink)
        return heard
    }

    @Test func `a call to this node's own server stays here`() async throws {
        let press = StillBackend.make("press")
        local.put("press", press, concurrency: 1)
        let heard = call(["name": "press__stamp", "arguments": [:]])
        #expect(forwarded.values.isEmpty)
        #expect(heard.failure?.reason == .backendUnavailable)
        #expect(heard.failure?.node == "here")
        #expect(heard.failure?.callID == CallID(high: 1, low: 2))
    }

    @Test func `a call to another node's server goes there, in that server's terms`() throws {
        let heard = call(["name": "there--desk__echo", "arguments": ["text": "hi"]])
        let sent = try #require(forwarded.values.first)
        #expect(sent.owner == .there && sent.server == "desk")
        #expect(sent.kind == .tool)
        #expect(sent.hash == (try [Entry].tools("echo").first?.hash))
        #expect(sent.caller == Caller(issuer: "key", subject: "agent"))
        #expect(sent.request.params == ["name": "echo", "arguments": ["text": "hi"]])
        #expect(heard.result != nil)
    }

    @Test func `what comes back speaks of resources as this endpoint shows them`() {
        let answer: JSON = [
            "content": [
                ["type": "resource_link", "uri": "file:///a.txt", "name": "a"],
                ["type": "text", "text": "file:///a.txt"],
            ]
        ]
        let all = call(["name": "there--desk__echo"], answer: .result(answer))
        #expect(all.result?["content"]?[0]?["uri"]?.string == "martlet://there--desk/file:///a.txt")
        #expect(all.result?["content"]?[1]?["text"]?.string == "file:///a.txt")
        let own = call(["name": "echo"], at: .server("there--desk"), answer: .result(answer))
        #expect(own.result == answer)
    }

    @Test(arguments: [("file:///a.txt", true), ("file:///not-listed.txt", false)])
    func `a resource is read at its owner, listed or not`(uri: String, isListed: Bool) throws {
        _ = call(["uri": .string("martlet://there--desk/\(uri)")], method: Method.resourcesRead)
        let sent = try #require(forwarded.values.first)
        #expect(sent.request.params["uri"]?.string == uri)
        #expect((sent.hash != nil) == isListed)
    }

    @Test func `an unknown name is refused with the nearest one`() {
        let heard = call(["name": "press__stmap"])
        #expect(heard.failure?.reason == .unknownEntry)
        #expect(heard.failure?.hint == "did you mean press__stamp?")
        #expect(heard.failure?.node == "here")
        #expect(heard.failure?.callID == CallID(high: 1, low: 2))
        #expect(heard.count == 1)
    }

    @Test func `where nothing stands nothing is called`() {
        let heard = call(["name": "echo"], at: .server("desk"))
        #expect(heard.failure?.reason == .unknownEntry)
        #expect(heard.failure?.detail.contains("/servers/desk/mcp") == true)
    }

    @Test(arguments: ["there" as String?, nil])
    func `a failure names the node where it happened, and the call`(node: String?) {
        let id = CallID(high: 7, low: 7)
        let heard = call(
            ["name": "there--desk__echo"], id: id,
            answer: .failure(CallFailure(.ownerUnreachable, "no way", node: node)))
        #expect(heard.failure?.node == node ?? "here")
        #expect(heard.failure?.callID == id)
    }

    @Test func `a backend's own error passes as it is`() {
        let error: JSON = ["code": -32050, "message": "no", "data": ["uri": "file:///a.txt"]]
        let heard = Heard()
        heard.sink(.error(error))
        let routed = call(["name": "there--desk__echo"], answer: .error(error))
        #expect(routed.count == 1 && routed.failure == nil && routed.result == nil)
    }
}
