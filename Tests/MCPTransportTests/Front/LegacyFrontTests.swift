import HTTPWire
import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

@Suite(.timeLimit(.minutes(1)))
struct LegacyFrontTests {
    static let streamable: [ProtocolRevision] = [.v2025_03_26, .v2025_06_18, .v2025_11_25]

    @Test(arguments: [
        ("2025-03-26", "2025-03-26"), ("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"), ("1999-01-01", "2025-11-25"),
    ])
    func `initialize agrees on a legacy revision`(asked: String, agreed: String) async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.legacy(
                "initialize", ["protocolVersion": .string(asked), "capabilities": [:]], session: nil)
            let result = try #require(answer.json["result"])
            #expect(result["protocolVersion"]?.string == agreed)
            #expect(result["serverInfo"]?["name"]?.string == "martlet-sample")
            #expect(result["resultType"] == nil)
            #expect(try #require(answer.session).utf8.count >= 32)
        }
    }

    @Test(arguments: streamable)
    func `a session lists, calls, reads and prompts in its own revision`(
        revision: ProtocolRevision
    ) async throws {
        try await FrontRig.with { rig in
            let (_, session) = try await rig.initialize(revision)
            let ask = { (method: String, params: JSON) in
                try await rig.legacy(method, params, session: session, revision: revision).json
            }
            let tools = try #require(try await ask("tools/list", [:])["result"])
            #expect(tools["tools"]?.elements.count == 5)
            #expect(tools["ttlMs"] == nil && tools["resultType"] == nil)
            #expect((tools["tools"]?[0]?["outputSchema"] != nil) == (revision >= .v2025_06_18))
            let echo = try #require(
                try await ask("tools/call", ["name": "echo", "arguments": ["text": "hi"]])["result"])
            #expect(echo["content"]?[0]?["text"]?.string == "hi")
            #expect((echo["structuredContent"] != nil) == (revision >= .v2025_06_18))
            #expect(try await ask("resources/read", ["uri": "sample://about"])["result"]?["contents"] != nil)
            #expect(try await ask("resources/read", ["uri": "x:y"])["error"]?["code"]?.int == -32002)
            let prompt = try await ask("prompts/get", ["name": "greet", "arguments": ["name": "Ada"]])
            #expect(prompt["result"]?["messages"] != nil)
            #expect(try await ask("ping", [:])["result"] == .emptyObject)
            #expect(try await ask("logging/setLevel", ["level": "info"])["result"] == .emptyObject)
            #expect(try await ask("logging/setLevel", ["level": "loud"])["error"]?["code"]?.int == -32602)
            #expect(try await ask("no/such", [:])["error"]?["code"]?.int == -32601)
        }
    }

    @Test func `a session belongs to its caller and endpoint, and ends when told`() async throws {
        try await FrontRig.with(ServiceProbe().service) { rig in
            let (_, session) = try await rig.initialize(.v2025_06_18)
            #expect(try await rig.legacy("ping", session: nil).status == 400)
            #expect(try await rig.legacy("ping", session: "guessed").status == 404)
            #expect(try await rig.legacy("ping", session: session, path: "/servers/a/mcp").status == 404)
            let other = try await rig.send(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(session) + [("Authorization", "k2")],
                body: FrontRig.legacyBody("ping", [:], id: 1))
            #expect(other.status == 404)
            #expect(try await rig.legacy("ping", session: session).status == 200)
            let end = try await rig.send("DELETE", "/mcp", headers: [("Mcp-Session-Id", session)])
            #expect(end.status == 204)
            #expect(try await rig.legacy("ping", session: session).status == 404)
        }
    }

    @Test func `a session takes what each request's credential says, not what the first one did`()
        async throws
    {
        let probe = ServiceProbe()
        var service = probe.service
        service.door = FrontDoor { request in
            let groups = request.headers.first("x-groups") ?? ""
            return .allowed(
                Principal(Caller(issuer: "https://idp", subject: "ada"), claims: ["groups": [groups]]))
        }
        service.list = { _, principal, _, _ in
            .success(ListPage(items: [["name": .string(principal.claims["groups"]?.first ?? "")]]))
        }
        try await FrontRig.with(service) { rig in
            let (_, session) = try await rig.initialize(.v2025_06_18)
            // A renewed token of the same caller, with other claims.
            for groups in ["ops", "", "dev"] {
                let answer = try await rig.send(
                    "POST", "/mcp", headers: FrontRig.legacyHeaders(session) + [("X-Groups", groups)],
                    body: FrontRig.legacyBody("tools/list", [:], id: 1))
                #expect(answer.json["result"]?["tools"]?[0]?["name"]?.string == groups)
            }
        }
    }

    @Test func `an idle session is forgotten`() async throws {
        try await FrontRig.with { rig in
            let (_, session) = try await rig.initialize(.v2025_06_18)
            rig.front.tick(at: .now + .seconds(29 * 60))
            #expect(try await rig.legacy("ping", session: session).status == 200)
            rig.front.tick(at: .now + .seconds(31 * 60))
            #expect(try await rig.legacy("ping", session: session).status == 404)
        }
    }

    @Test(arguments: [
        (#"{"action":"accept","content":{"ok":true}}"#, "The user confirmed."),
        (#"{"action":"accept","content":{"ok":false}}"#, "The user said no."),
        (#"{"action":"decline"}"#, "The user declined to answer."),
    ])
    func `what a call asks its user becomes a real request`(answer: String, says: String) async throws {
        try await FrontRig.with { rig in
            let revision = ProtocolRevision.v2025_06_18
            let (_, session) = try await rig.initialize(revision, capabilities: ["elicitation": [:]])
            let events = try rig.stream(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(session, revision),
                body: FrontRig.legacyBody(
                    "tools/call", ["name": "confirm", "arguments": ["question": "Sure?"]], id: "c"))
            let asked = try #require(try await events.next())
            #expect(asked["method"]?.string == "elicitation/create")
            #expect(asked["params"]?["message"]?.string == "Sure?")
            #expect(asked["params"]?["mode"] == nil)
            let id = try #require(asked["id"])
            let response: JSON = ["jsonrpc": "2.0", "id": id, "result": try JSON(validating: answer)]
            let posted = try await rig.send(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(session, revision),
                body: Array(response.bytes))
            #expect(posted.status == 202)
            let result = try #require(try await events.next())
            #expect(result["id"]?.string == "c")
            #expect(result["result"]?["content"]?[0]?["text"]?.string == says)
        }
    }

    @Test func `a client that cannot be asked gets an error`() async throws {
        try await FrontRig.with { rig in
            let (_, session) = try await rig.initialize(.v2025_06_18)
            let answer = try await rig.legacy(
                "tools/call", ["name": "confirm", "arguments": ["question": "?"]], session: session)
            #expect(answer.json["error"]?["code"]?.int == -32603)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a client that takes no stream is not waited for`() async throws {
        try await FrontRig.with { rig in
            let (_, session) = try await rig.initialize(.v2025_06_18, capabilities: ["elicitation": [:]])
            let answer = try await rig.send(
                "POST", "/mcp",
                headers: [
                    ("Content-Type", "application/json"), ("Accept", "application/json"),
                    ("Mcp-Session-Id", session),
                ],
                body: FrontRig.legacyBody(
                    "tools/call", ["name": "confirm", "arguments": ["question": "?"]], id: 1))
            #expect(answer.json["error"]?["message"]?.string?.contains("text/event-stream") == true)
        }
    }

    @Test(arguments: [
        (version: "2025-06-18", status: 200), (version: "2025-11-25", status: 400),
        (version: "soon", status: 400),
    ])
    func `the version header of a session is the session's`(version: String, status: Int) async throws {
        try await FrontRig.with { rig in
            let (_, session) = try await rig.initialize(.v2025_06_18)
            let answer = try await rig.send(
                "POST", "/mcp",
                headers: FrontRig.legacyHeaders(session) + [("MCP-Protocol-Version", version)],
                body: FrontRig.legacyBody("ping", [:], id: 1))
            #expect(answer.status == status)
        }
    }

    @Test func `cancelled ends the call and its stream; a lost stream does not`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let (_, session) = try await rig.initialize(.v2025_11_25)
            let call = {
                try rig.stream(
                    "POST", "/mcp", headers: FrontRig.legacyHeaders(session),
                    body: FrontRig.legacyBody("tools/call", ["name": "x"], id: $0))
            }
            let lost = try call("lost")
            await probe.wait(for: "call")
            lost.close()
            let events = try call("kept")
            await probe.wait(for: "call")
            let cancel = try await rig.send(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(session),
                body: Array(
                    #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"kept"}}"#
                        .utf8
                ))
            #expect(cancel.status == 202)
            #expect(try await events.next() == nil)
            #expect(probe.cancelled == 1)
        }
    }

    @Test(arguments: LegacyFrontTests.streamable)
    func `a cancelled request is answered with a stream that says nothing`(
        revision: ProtocolRevision
    ) async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let (_, session) = try await rig.initialize(revision)
            let headers = FrontRig.legacyHeaders(session, revision)
            async let answer = rig.send(
                "POST", "/mcp", headers: headers,
                body: FrontRig.legacyBody("tools/call", ["name": "x"], id: "it"))
            await probe.wait(for: "call")
            _ = try await rig.send(
                "POST", "/mcp", headers: headers,
                body: Array(
                    #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"it"}}"#.utf8)
            )
            let said = try await answer
            #expect(said.status == 200 && said.headers.first("content-type") == "text/event-stream")
            #expect(said.json == .null)
        }
    }

    @Test func `list changes reach the session's own stream, those before it too`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let (_, session) = try await rig.initialize(.v2025_06_18)
            let headers = [("Accept", "text/event-stream"), ("Mcp-Session-Id", session)]
            let first = try rig.stream("GET", "/mcp", headers: headers)
            await probe.wait(for: "watch")
            probe.change(.tools)
            #expect(
                try await first.next()?["method"]?.string == "notifications/tools/list_changed")
            let second = try rig.stream("GET", "/mcp", headers: headers)
            // Only one stream carries a session's news: the new one ends the old.
            #expect(try await first.next() == nil)
            probe.change(.prompts)
            #expect(
                try await second.next()?["method"]?.string == "notifications/prompts/list_changed")
            _ = try await rig.send("DELETE", "/mcp", headers: [("Mcp-Session-Id", session)])
            #expect(try await second.next() == nil)
        }
    }

    @Test func `a batch is for 2025-03-26 alone`() async throws {
        let batch = Array(
            """
            [{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},
             {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"text":"b"}}}]
            """.utf8)
        try await FrontRig.with { rig in
            let (_, old) = try await rig.initialize(.v2025_03_26)
            let answers = try await rig.send(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(old), body: batch)
            #expect(Set(answers.json.elements.compactMap { $0["id"]?.int }) == [1, 2])
            let (_, new) = try await rig.initialize(.v2025_06_18)
            let refused = try await rig.send(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(new), body: batch)
            #expect(refused.status == 400)
        }
    }

    @Test(arguments: [("?mode=search", "&mode=search"), ("", "")])
    func `the oldest transport stays in the mode in which it was opened`(asked: String, kept: String)
        async throws
    {
        try await FrontRig.with { rig in
            let events = try rig.stream(
                "GET", "/servers/any/sse\(asked)", headers: [("Accept", "text/event-stream")])
            let endpoint = try #require(await events.nextEvent())
            let path = endpoint.text
            #expect(path.hasPrefix("/servers/any/messages?session=") && path.hasSuffix(kept))
            #expect(path.contains("mode") == !kept.isEmpty)
            let posted = try await rig.client(path, FrontRig.legacyBody("ping", [:], id: 1))
            #expect(posted == 202)
        }
    }

    @Test func `an unknown mode is refused with those that there are`() async throws {
        try await FrontRig.with { rig in
            let answer = try await rig.send(
                "POST", "/mcp?mode=serch", headers: [("Content-Type", "application/json")])
            #expect(answer.status == 400)
            #expect(answer.json["error"]?.string == "mode is one of full, search, auto")
        }
    }

    @Test func `the oldest transport carries everything on one stream`() async throws {
        try await FrontRig.with { rig in
            let events = try rig.stream(
                "GET", "/servers/any/sse", headers: [("Accept", "text/event-stream")])
            let endpoint = try #require(await events.nextEvent())
            #expect(endpoint.type == "endpoint")
            let path = endpoint.text
            let say = { (method: String, params: JSON, id: JSON) in
                let posted = try await rig.client(path, FrontRig.legacyBody(method, params, id: id))
                #expect(posted == 202)
            }
            try await say("initialize", ["protocolVersion": "2024-11-05", "capabilities": [:]], 1)
            #expect(try await events.next()?["result"]?["protocolVersion"]?.string == "2024-11-05")
            try await say("tools/list", [:], 2)
            let tool = try #require(try await events.next()?["result"]?["tools"]?[0])
            #expect(tool["name"]?.string == "echo" && tool["title"] == nil && tool["annotations"] == nil)
            try await say("tools/call", ["name": "echo", "arguments": ["text": "old"]], 3)
            let echo = try await events.next()
            #expect(echo?["id"]?.int == 3 && echo?["result"]?["content"]?[0]?["text"]?.string == "old")
            events.close()
            // The session ends with its stream, as soon as the server has seen it go.
            var status = 202
            while status == 202 {
                status = try await rig.client(path, FrontRig.legacyBody("ping", [:], id: 4))
            }
            #expect(status == 404)
        }
    }
}

extension FrontRig {
    /// Posts a message and gives the status.
    fileprivate func client(_ path: String, _ body: [UInt8]) async throws -> Int {
        try await send("POST", path, headers: [("Content-Type", "application/json")], body: body).status
    }
}
