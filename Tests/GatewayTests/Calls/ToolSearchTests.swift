import Catalog
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Testing

@testable import Gateway

@Suite(.timeLimit(.minutes(1)))
struct ToolSearchTests {
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let forwarded = Box<ForwardedCall>()

    init() throws {
        board.publish(
            try CatalogSnapshot.sample(thereIsReachable: false)
                .with("press", .tools("stamp", description: "Puts a seal on a letter"))
                .with("desk", on: .there, .tools("echo", "weather", description: "Says what it is told"))
                .with(
                    virtual: "ops",
                    [
                        "use": [["tool": "\(NodeID.there)/desk/echo", "as": "repeat"]],
                        "mode": "search",
                    ]))
    }

    private func call(_ name: String, _ arguments: JSON, at endpoint: EndpointName) async throws -> JSON {
        let forwarded = forwarded
        let router = CallRouter(board: board, local: LocalServers(), label: { "here" }) { call, sink in
            forwarded.add(call)
            sink(.result(["content": []]))
            return .finished
        }
        let heard = Heard()
        _ = router.call(
            EndpointCall(
                endpoint: endpoint, principal: Principal(Caller(issuer: "key", subject: "agent")),
                method: Method.toolsCall,
                params: ["name": .string(name), "arguments": arguments], client: ClientFacts()), heard.sink)
        let deadline = ContinuousClock.now + .seconds(20)
        while heard.count == 0, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(2))  // another thread answers
        }
        return try #require(heard.result)
    }

    private let searched = EndpointName(.all, mode: .search)

    @Test func `a search answers whole definitions, best first, under the names of the endpoint`()
        async throws
    {
        let found = try await call("search_tools", ["query": "seal a letter"], at: searched)
        let answer = try #require(found["structuredContent"])
        #expect(answer["tools"]?[0]?["name"]?.string == "press__stamp")
        #expect(answer["tools"]?[0] == board.view(.all)?.entry(.tool, named: "press__stamp")?.definition)
        #expect(found["content"]?[0]?["text"]?.string == answer.text)
        #expect(found["resultType"]?.string == "complete")
    }

    @Test func `what cannot be called now is found and marked`() async throws {
        let answer = try await call("search_tools", ["query": "there--desk__echo"], at: searched)[
            "structuredContent"]
        #expect(answer?["unavailable"]?["there--desk__echo"]?.string == "unreachable")
        #expect(answer?["unavailable"]?["press__stamp"] == nil)
        let only = try await call(
            "search_tools", ["query": "", "where": "callable = TRUE"], at: searched)["structuredContent"]
        #expect(only?["tools"]?.elements.compactMap { $0["name"]?.string } == ["press__stamp"])
    }

    @Test func `the cursor leads through all of them, each once`() async throws {
        var names: [String] = []
        var cursor: String?
        repeat {
            var arguments: JSON = ["query": "", "limit": 1]
            if let cursor { arguments = arguments.setting("cursor", to: .string(cursor)) }
            let answer = try await call("search_tools", arguments, at: searched)["structuredContent"]
            #expect(answer?["total"]?.int == 3)
            names += answer?["tools"]?.elements.compactMap { $0["name"]?.string } ?? []
            cursor = answer?["nextCursor"]?.string
        } while cursor != nil && names.count < 10
        #expect(names.sorted() == ["press__stamp", "there--desk__echo", "there--desk__weather"])
    }

    @Test func `call_tool reaches the tool as a call of its own`() async throws {
        _ = try await call(
            "call_tool", ["name": "there--desk__echo", "arguments": ["text": "hi"]], at: searched)
        let sent = try #require(forwarded.values.first)
        #expect(sent.request.params == ["name": "echo", "arguments": ["text": "hi"]])
        #expect(sent.hash != nil && sent.kind == .tool)
    }

    @Test func `arguments that do not fit call nothing`() async throws {
        let answer = try await call("call_tool", ["name": "there--desk__ecko"], at: searched)
        #expect(answer["isError"]?.bool == true && forwarded.values.isEmpty)
    }

    @Test func `a virtual server is searched by itself, in its own names`() async throws {
        let ops = EndpointName.server("ops")
        try #require(board.view(ops)?.isSearched == true)
        let answer = try await call("search_tools", ["query": "says"], at: ops)["structuredContent"]
        #expect(answer?["tools"]?.elements.compactMap { $0["name"]?.string } == ["repeat"])
        _ = try await call("call_tool", ["name": "repeat"], at: ops)
        #expect(forwarded.values.first?.request.params["name"]?.string == "echo")
    }

    @Test func `where tools are listed the two are no tools`() async throws {
        let router = CallRouter(board: board, local: LocalServers(), label: { "here" }) { _, _ in .finished }
        let heard = Heard()
        _ = router.call(
            EndpointCall(
                endpoint: .all, principal: Principal(Caller(issuer: "key", subject: "agent")),
                method: Method.toolsCall,
                params: ["name": "search_tools", "arguments": ["query": "x"]], client: ClientFacts()),
            heard.sink)
        #expect(heard.failure?.reason == .unknownEntry)
    }
}
