import HTTPWire
import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

@Suite(.timeLimit(.minutes(1)))
struct ModernFrontTests {
    @Test func `discover says what the endpoint is and can do`() async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.modern("server/discover")
            #expect(answer.status == 200)
            let result = try #require(answer.json["result"])
            #expect(result["resultType"]?.string == "complete")
            #expect(result["supportedVersions"]?.elements.map(\.string) == ["2026-07-28"])
            #expect(result["capabilities"]?["tools"] != nil)
            #expect(result["cacheScope"]?.string == "private")
            #expect(result["ttlMs"]?.int == 3_600_000)
            #expect(
                result["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"]?.string == "martlet-sample")
        }
    }

    @Test(arguments: [
        ("tools/list", "tools", 5), ("resources/list", "resources", 1),
        ("resources/templates/list", "resourceTemplates", 0), ("prompts/list", "prompts", 1),
    ])
    func `a list is served with its items`(method: String, member: String, count: Int) async throws {
        try await FrontRig.with { rig in
            let result = try #require(try await rig.modern(method, path: "/servers/any/mcp").json["result"])
            #expect(result[member]?.elements.count == count)
            #expect(result["resultType"]?.string == "complete")
            #expect(result["ttlMs"] != nil)
        }
    }

    @Test func `an array is no message to a revision without batches`() async throws {
        try await FrontRig.with { rig in
            let batch = [UInt8(ascii: "[")] + FrontRig.modernBody("tools/list") + [UInt8(ascii: "]")]
            let answer = try await rig.send(
                "POST", "/mcp", headers: FrontRig.modernHeaders("tools/list"), body: batch)
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["code"]?.int == -32600)
        }
    }

    @Test func `a bad cursor is invalid params`() async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.modern("tools/list", ["cursor": "x"])
            #expect(answer.json["error"]?["code"]?.int == -32602)
        }
    }

    @Test(arguments: [
        (#"{"name":"echo","arguments":{"text":"hé"}}"#, "hé"),
        (#"{"name":"add","arguments":{"a":1,"b":2.5}}"#, "3.5"),
        (#"{"name":"add","arguments":{"a":1,"b":2}}"#, "3"),
        (#"{"name":"now","arguments":{}}"#, "2026-07-28T00:53:20Z"),
    ])
    func `a tool answers as JSON`(params: String, text: String) async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.modern("tools/call", try JSON(validating: params))
            #expect(answer.status == 200)
            #expect(answer.headers.first("content-type") == "application/json")
            let result = try #require(answer.json["result"])
            #expect(result["content"]?[0]?["text"]?.string == text)
            #expect(result["resultType"]?.string == "complete")
            #expect(result["structuredContent"]?.kind == .object)
        }
    }

    @Test func `a resource is read, and one that is not there is named`() async throws {
        try await FrontRig.with { rig in
            let about = try await rig.modern("resources/read", ["uri": "sample://about"])
            #expect(about.json["result"]?["contents"]?[0]?["text"]?.string?.contains("Martlet") == true)
            let missing = try await rig.modern("resources/read", ["uri": "sample://x"])
            #expect(missing.json["error"]?["code"]?.int == -32602)
            #expect(missing.json["error"]?["data"]?["uri"]?.string == "sample://x")
        }
    }

    @Test func `a prompt is filled in`() async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.modern("prompts/get", ["name": "greet", "arguments": ["name": "Ada"]])
            let text = answer.json["result"]?["messages"]?[0]?["content"]?["text"]?.string
            #expect(text?.contains("Ada") == true)
        }
    }

    @Test(arguments: ["initialize", "ping", "logging/setLevel", "resources/subscribe", "no/such"])
    func `a method that the revision does not have is 404`(method: String) async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.modern(method)
            #expect(answer.status == 404)
            #expect(answer.json["error"]?["code"]?.int == -32601)
            #expect(answer.json["id"]?.int == 1)
        }
    }

    @Test(arguments: [
        ([("MCP-Protocol-Version", "2026-07-28")], -32020),  // no Mcp-Method
        ([("Mcp-Method", "tools/call"), ("Mcp-Name", "echo")], -32020),  // no version
        (
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "Echo")],
            -32020
        ),
        (
            [("MCP-Protocol-Version", "2027-01-01"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "echo")],
            -32020
        ),
    ])
    func `headers that differ from the body are refused`(
        headers: [(String, String)], code: Int
    ) async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.send(
                "POST", "/mcp", headers: headers + [("Content-Type", "application/json")],
                body: FrontRig.modernBody(
                    "tools/call", ["name": "echo", "arguments": ["text": "x"]], id: "q"))
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["code"]?.int == code)
            #expect(answer.json["id"]?.string == "q")
        }
    }

    @Test func `an unknown version is told which there are`() async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.send(
                "POST", "/mcp", headers: FrontRig.modernHeaders("tools/list", version: "2027-01-01"),
                body: FrontRig.modernBody("tools/list", version: "2027-01-01"))
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["code"]?.int == -32022)
            #expect(answer.json["error"]?["data"]?["supported"]?.elements.map(\.string) == ["2026-07-28"])
        }
    }

    @Test func `a request without _meta is invalid params`() async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.send(
                "POST", "/mcp", headers: FrontRig.modernHeaders("tools/list"),
                body: Array(#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.utf8))
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["code"]?.int == -32602)
        }
    }

    @Test func `a header that mirrors an argument must agree with it`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let headers = FrontRig.modernHeaders("tools/call", name: "where")
            let answer = try await rig.send(
                "POST", "/mcp", headers: headers + [("Mcp-Param-Host", "nas2")],
                body: FrontRig.modernBody("tools/call", ["name": "where", "arguments": ["host": "nas1"]]))
            #expect(answer.json["error"]?["code"]?.int == -32020)
            #expect(probe.lastCall == nil)
        }
    }

    @Test(arguments: [#""tok""#, "7"])
    func `progress comes as a stream with the client's own token`(token: String) async throws {
        try await FrontRig.with { rig in
            let events = try rig.stream(
                "POST", "/mcp", headers: FrontRig.modernHeaders("tools/call", name: "countdown"),
                body: FrontRig.modernBody(
                    "tools/call", ["name": "countdown", "arguments": ["steps": 3, "delayMs": 1]], id: 9,
                    token: try JSON(validating: token)))
            for step in 1...2 {
                let message = try #require(try await events.next())
                #expect(message["method"]?.string == "notifications/progress")
                #expect(message["params"]?["progressToken"]?.text == token)
                #expect(message["params"]?["progress"]?.int == step)
            }
            let last = try #require(try await events.next())
            #expect(last["id"]?.int == 9)
            #expect(last["result"]?["resultType"]?.string == "complete")
            #expect(try await events.next() == nil)
        }
    }

    @Test func `a client that takes no stream gets the answer alone`() async throws {
        try await FrontRig.with { rig in
            var headers = FrontRig.modernHeaders("tools/call", name: "countdown")
            headers[1] = ("Accept", "application/json")
            let answer = try await rig.send(
                "POST", "/mcp", headers: headers,
                body: FrontRig.modernBody(
                    "tools/call", ["name": "countdown", "arguments": ["steps": 2, "delayMs": 1]], token: 1))
            #expect(answer.json["result"]?["resultType"]?.string == "complete")
        }
    }

    @Test func `closing the stream cancels the call`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let events = try rig.stream(
                "POST", "/mcp", headers: FrontRig.modernHeaders("tools/call", name: "x"),
                body: FrontRig.modernBody("tools/call", ["name": "x"]))
            await probe.wait(for: "call")
            events.close()
            await probe.wait(for: "cancel")
            #expect(probe.cancelled == 1)
        }
    }

    @Test func `the call carries the client's params and facts, and nothing of the connection`() async throws
    {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            var headers = FrontRig.modernHeaders("tools/call", name: "x")
            headers[1] = ("Accept", "text/event-stream")
            let events = try rig.stream(
                "POST", "/servers/a--b/mcp", headers: headers,
                body: FrontRig.modernBody(
                    "tools/call", ["name": "x", "arguments": ["n": 1.50]], capabilities: ["roots": [:]],
                    token: 3))
            await probe.wait(for: "call")
            let call = try #require(probe.lastCall)
            #expect(call.endpoint == .server("a--b"))
            #expect(call.params["_meta"] == nil)
            #expect(call.client.capabilities["roots"] != nil)
            #expect(call.client.wantsProgress)
            probe.answer(.failure(CallFailure(.denied, "no", node: "n1")))
            let answer = try #require(try await events.next())
            #expect(answer["error"]?["data"]?["reason"]?.string == "denied")
        }
    }

    @Test func `a call that needs an answer of the user comes back for it`() async throws {
        try await FrontRig.with { rig in
            let question: JSON = ["name": "confirm", "arguments": ["question": "Sure?"]]
            let elicits: JSON = ["elicitation": ["form": [:]]]
            let first = try await rig.modern("tools/call", question, capabilities: elicits)
            #expect(first.json["result"]?["resultType"]?.string == "input_required")
            let asked = first.json["result"]?["inputRequests"]?["confirm"]
            #expect(asked?["method"]?.string == "elicitation/create")
            let retry = question.setting(
                "inputResponses", to: ["confirm": ["action": "accept", "content": ["ok": true]]])
            let second = try await rig.modern("tools/call", retry, capabilities: elicits)
            #expect(second.json["result"]?["content"]?[0]?["text"]?.string == "The user confirmed.")
        }
    }

    @Test func `a client that cannot be asked is told what it lacks`() async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.modern(
                "tools/call", ["name": "confirm", "arguments": ["question": "Sure?"]])
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["code"]?.int == -32021)
            #expect(
                answer.json["error"]?["data"]?["requiredCapabilities"]?["elicitation"]?["form"] != nil)
        }
    }

    @Test(arguments: [(-32021, 400), (-32601, 200), (-32602, 200)])
    func `what a backend refuses has the status that goes with it`(code: Int, status: Int) async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            async let answer = rig.modern("tools/call", ["name": "x", "arguments": [:]])
            await probe.wait(for: "call")
            probe.answer(.error(["code": .number(code), "message": "no"]))
            let given = try await answer
            #expect(given.status == status)
            #expect(given.json["error"]?["code"]?.int == code)
        }
    }

    @Test func `a listen is acknowledged first and tells only what was asked and can be`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let events = try rig.stream(
                "POST", "/mcp", headers: FrontRig.modernHeaders("subscriptions/listen"),
                body: FrontRig.modernBody(
                    "subscriptions/listen",
                    ["notifications": ["toolsListChanged": true, "promptsListChanged": true]], id: "s1"))
            let acknowledgement = try #require(try await events.next())
            #expect(acknowledgement["method"]?.string == "notifications/subscriptions/acknowledged")
            let params = try #require(acknowledgement["params"])
            #expect(params["notifications"] == ["toolsListChanged": true])
            #expect(params["_meta"]?["io.modelcontextprotocol/subscriptionId"]?.text == #""s1""#)
            probe.change(.resources)
            probe.change(.tools)
            let change = try #require(try await events.next())
            #expect(change["method"]?.string == "notifications/tools/list_changed")
            #expect(change["params"]?["_meta"]?["io.modelcontextprotocol/subscriptionId"]?.text == #""s1""#)
            events.close()
        }
    }

    @Test func `a listen ends with a result when the front closes`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let events = try rig.stream(
                "POST", "/mcp", headers: FrontRig.modernHeaders("subscriptions/listen"),
                body: FrontRig.modernBody(
                    "subscriptions/listen", ["notifications": ["toolsListChanged": true]], id: 8))
            #expect(
                try await events.next()?["method"]?.string
                    == "notifications/subscriptions/acknowledged")
            rig.front.close()
            let last = try #require(try await events.next())
            #expect(last["id"]?.int == 8 && last["result"]?["resultType"]?.string == "complete")
            #expect(try await events.next() == nil)
        }
    }

    @Test func `who is refused hears why and what to send`() async throws {
        try await FrontRig.with(ServiceProbe().service) { rig in
            let answer = try await rig.send(
                "POST", "/mcp",
                headers: FrontRig.modernHeaders("tools/list") + [("Authorization", "Bearer wrong")],
                body: FrontRig.modernBody("tools/list"))
            #expect(answer.status == 401)
            #expect(answer.headers.first("www-authenticate") == "Bearer realm=\"test\"")
            #expect(answer.json["error"]?.string == "a key, please")
        }
    }

    @Test(arguments: [("/servers/nothing/mcp", 404), ("/else", 404), ("/healthz", 200), ("/readyz", 200)])
    func `a path is what it is`(path: String, status: Int) async throws {
        try await FrontRig.with(ServiceProbe().service) { rig in
            let answer = try await rig.send("GET", path)
            #expect(answer.status == status)
        }
    }

    @Test(arguments: [
        ("text/plain", "{}", 415), ("application/json", "{", 400), ("application/json", "[]", 400),
        ("application/json", "{}", 400), ("application/json; charset=utf-8", "7", 400),
    ])
    func `a body that is no message is refused`(type: String, body: String, status: Int) async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.send(
                "POST", "/mcp", headers: [("Content-Type", type), ("MCP-Protocol-Version", "2026-07-28")],
                body: Array(body.utf8))
            #expect(answer.status == status)
            #expect(answer.json["error"] != nil)
        }
    }

    private final class Exchanges: Sendable {
        private struct Weak: Sendable {
            weak let exchange: HTTPExchange?
        }
        private let all = Mutex<[Weak]>([])

        func note(_ exchange: HTTPExchange) { all.withLock { $0.append(Weak(exchange: exchange)) } }
        var count: Int { all.withLock { $0.count } }
        var alive: Int { all.withLock { $0.count { $0.exchange != nil } } }
    }

    @Test func `a request that was answered is held by nobody`() async throws {
        let exchanges = Exchanges()
        try await FrontRig.with(admits: {
            exchanges.note($0)
            return true
        }) { rig in
            for _ in 0..<8 {
                #expect(
                    try await rig.modern("tools/call", ["name": "add", "arguments": ["a": 1, "b": 2]]).status
                        == 200)
            }
            #expect(exchanges.count == 8)
            let deadline = ContinuousClock.now + .seconds(10)
            while exchanges.alive > 0 {
                try #require(ContinuousClock.now < deadline, "\(exchanges.alive) of 8 are held still")
                try await Task.sleep(for: .milliseconds(5))  // a poll with a deadline
            }
        }
    }
}
