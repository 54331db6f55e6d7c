import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import MCPTransport

/// Tasks of 2025-11-25 before a server that has those of 2026-07-28.
@Suite(.timeLimit(.minutes(1)))
struct LegacyTaskFrontTests {
    private let server = TaskServer()

    private struct Client {
        let front: FrontRig
        let session: String
        var revision = ProtocolRevision.v2025_11_25

        func ask(_ method: String, _ params: JSON = [:]) async throws -> JSON {
            try await front.legacy(method, params, session: session, revision: revision).json
        }

        func call(_ tool: String, task: JSON? = nil) async throws -> JSON {
            let params: JSON = ["name": .string(tool), "arguments": [:]]
            return try await ask(Method.toolsCall, task.map { params.setting("task", to: $0) } ?? params)
        }
    }

    private func with(
        _ revision: ProtocolRevision = .v2025_11_25, capabilities: JSON = [:],
        limits: FrontLimits = .standard, _ body: (Client, JSON) async throws -> Void
    ) async throws {
        try await FrontRig.with(server.service, limits: limits) { front in
            let (answer, session) = try await front.initialize(revision, capabilities: capabilities)
            try await body(
                Client(front: front, session: session, revision: revision),
                answer.json["result"]?["capabilities"] ?? .null)
        }
    }

    @Test func `tasks are offered to 2025-11-25, with the tools that may become some`() async throws {
        try await with { client, capabilities in
            #expect(
                capabilities["tasks"]?.text == #"{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#)
            #expect(capabilities["extensions"] == nil)
            let tools = try await client.ask(Method.toolsList)["result"]?["tools"]?.elements ?? []
            #expect(tools.count == TaskServer.tools.count)
            #expect(tools.allSatisfy { $0["execution"]?["taskSupport"] == "optional" })
        }
    }

    @Test(arguments: [ProtocolRevision.v2025_03_26, .v2025_06_18])
    func `older revisions hear nothing of tasks`(revision: ProtocolRevision) async throws {
        try await with(revision) { client, capabilities in
            #expect(capabilities["tasks"] == nil)
            let tools = try await client.ask(Method.toolsList)["result"]?["tools"]?.elements ?? []
            #expect(tools.allSatisfy { $0["execution"] == nil })
            let refused = try await client.ask(Method.tasksGet, ["taskId": "t/1"])
            #expect(refused["error"]?["code"] == -32601)
            // What they may send nevertheless means nothing, here and at the server.
            let answer = try await client.call("job", task: [:])
            #expect(answer.pointer("/result/content/0/text") == "at once")
            #expect(server.last(Method.toolsCall)?.params["task"] == nil)
        }
    }

    @Test func `a call that wants a task gets one, whose result is there when it has ended`() async throws {
        try await with { client, _ in
            let made = try await client.call("job", task: ["ttl": 60_000])
            let task = made.pointer("/result/task")
            #expect(task?["status"] == "working" && task?["ttl"] == 600_000 && task?["pollInterval"] == 10)
            #expect(made["result"]?["resultType"] == nil && task?["ttlMs"] == nil)
            let got = try await client.ask(Method.tasksGet, ["taskId": "t/1"])["result"]
            #expect(got?["taskId"] == "t/1" && got?["status"] == "working" && got?["resultType"] == nil)
            async let result = client.ask(Method.tasksResult, ["taskId": "t/1"])
            let looks = server.calls.count
            while server.calls.count < looks + 3 {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            server.complete("t/1", "done")
            let ended = try await result
            #expect(ended.pointer("/result/content/0/text") == "done")
            #expect(
                ended["result"]?["_meta"]?["io.modelcontextprotocol/related-task"]?["taskId"] == "t/1")
            #expect(ended["result"]?["resultType"] == nil)
        }
    }

    @Test func `where the server answered at once, the task is over and its result kept`() async throws {
        try await with { client, _ in
            let made = try await client.call("greet", task: [:])
            #expect(made.pointer("/result/task/status") == "completed")
            let id = try #require(made.pointer("/result/task/taskId")?.string)
            let got = try await client.ask(Method.tasksGet, ["taskId": .string(id)])
            #expect(got["result"]?["status"] == "completed" && got["result"]?["result"] == nil)
            let result = try await client.ask(Method.tasksResult, ["taskId": .string(id)])
            #expect(result.pointer("/result/content/0/text") == "hello")
            let cancelled = try await client.ask(Method.tasksCancel, ["taskId": .string(id)])
            #expect(cancelled["error"]?["code"] == -32602)
        }
    }

    @Test func `a tool that runs only as a task is waited for by clients that want none`() async throws {
        for revision in [ProtocolRevision.v2025_06_18, .v2025_11_25] {
            try await with(revision) { client, _ in
                let before = server.taskIDs.count
                async let answer = client.call("must")
                while server.taskIDs.count == before {
                    try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
                }
                server.complete("t/\(before + 1)", "done")
                let ended = try await answer
                #expect(ended.pointer("/result/content/0/text") == "done", "\(ended.text)")
                #expect(ended["result"]?["task"] == nil)
            }
        }
    }

    @Test func `what a task asks is asked on the stream of the request that waits for its result`()
        async throws
    {
        try await with(capabilities: ["elicitation": ["form": [:]]]) { client, _ in
            let made = try await client.call("ask", task: [:])
            #expect(made.pointer("/result/task/status") == "input_required", "\(made.text)")
            let waiting = try client.front.stream(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(client.session, client.revision),
                body: FrontRig.legacyBody(Method.tasksResult, ["taskId": "t/1"], id: 7))
            var ids: [JSON] = []
            for _ in 0..<2 {
                let asked = try #require(try await waiting.next())
                #expect(asked["method"] == "elicitation/create")
                #expect(
                    asked["params"]?["_meta"]?["io.modelcontextprotocol/related-task"]?["taskId"] == "t/1")
                ids.append(try #require(asked["id"]))
            }
            for id in ids {
                let answer: JSON = ["jsonrpc": "2.0", "id": id, "result": ["action": "decline"]]
                _ = try await client.front.send(
                    "POST", "/mcp", headers: FrontRig.legacyHeaders(client.session, client.revision),
                    body: Array(answer.bytes))
            }
            let ended = try #require(try await waiting.next())
            #expect(ended["id"] == 7)
            #expect(
                ended.pointer("/result/content/0/text")
                    == #"{"first":{"action":"decline"},"second":{"action":"decline"}}"#)
        }
    }

    @Test(arguments: ["cancel", "leave"])
    func `a task that nobody else knows of goes with its call, though it has asked something`(
        how: String
    ) async throws {
        try await with(capabilities: ["elicitation": ["form": [:]]]) { client, _ in
            let headers = FrontRig.legacyHeaders(client.session, client.revision)
            let events = try client.front.stream(
                "POST", "/mcp", headers: headers,
                body: FrontRig.legacyBody(Method.toolsCall, ["name": "must", "arguments": [:]], id: 7))
            while server.taskIDs.isEmpty {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            let form: JSON = [
                "method": "elicitation/create",
                "params": ["mode": "form", "message": "Sure?", "requestedSchema": ["type": "object"]],
            ]
            server.set("t/1", ["status": "input_required", "inputRequests": ["first": form]])
            #expect(try await events.next()?["method"] == "elicitation/create")
            if how == "leave" {
                _ = try await client.front.send("DELETE", "/mcp", headers: headers)
            } else {
                let cancelled: JSON = [
                    "jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": 7],
                ]
                _ = try await client.front.send(
                    "POST", "/mcp", headers: headers, body: Array(cancelled.bytes))
            }
            while server.last(Method.tasksCancel) == nil {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            #expect(server.last(Method.tasksCancel)?.params["taskId"] == "t/1")
        }
    }

    @Test func `a task that is named when its client has taken the call back is cancelled`() async throws {
        try await with { client, _ in
            let headers = FrontRig.legacyHeaders(client.session, client.revision)
            let params: JSON = ["name": "slow", "arguments": [:], "task": [:]]
            let stream = try client.front.stream(
                "POST", "/mcp", headers: headers,
                body: FrontRig.legacyBody(Method.toolsCall, params, id: 7))
            while server.last(Method.toolsCall) == nil {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            let cancelled: JSON = [
                "jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": 7],
            ]
            _ = try await client.front.send("POST", "/mcp", headers: headers, body: Array(cancelled.bytes))
            while server.cancelledCalls == 0 {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            server.nameSlowTasks()
            #expect(server.last(Method.tasksCancel)?.params["taskId"] == "t/1")
            stream.close()
        }
    }

    @Test func `a session lists what it made, each as it is now`() async throws {
        try await with { client, _ in
            for tool in ["job", "greet", "job"] { _ = try await client.call(tool, task: [:]) }
            server.complete("t/1", "done")
            let listed = try await client.ask(Method.tasksList)["result"]?["tasks"]?.elements ?? []
            #expect(listed.map { $0["status"] } == ["completed", "completed", "working"])
            #expect(listed.first?["taskId"] == "t/1" && listed.last?["taskId"] == "t/2")
            #expect(listed.allSatisfy { $0["result"] == nil && $0["ttlMs"] == nil && $0["ttl"] != nil })
            let (_, other) = try await client.front.initialize(.v2025_11_25)
            let none = try await Client(front: client.front, session: other).ask(Method.tasksList)
            #expect(none["result"]?["tasks"] == [])
        }
    }

    @Test func `to cancel gives the task back, once`() async throws {
        try await with { client, _ in
            _ = try await client.call("job", task: [:])
            let cancelled = try await client.ask(Method.tasksCancel, ["taskId": "t/1"])["result"]
            #expect(cancelled?["taskId"] == "t/1" && cancelled?["status"] == "cancelled")
            #expect(server.last(Method.tasksCancel) != nil)
            let again = try await client.ask(Method.tasksCancel, ["taskId": "t/1"])
            #expect(again["error"]?["code"] == -32602)
            let result = try await client.ask(Method.tasksResult, ["taskId": "t/1"])
            #expect(result["error"]?["data"]?["reason"] == "cancelled")
        }
    }

    @Test func `a task that nobody knows is an invalid parameter`() async throws {
        try await with { client, _ in
            for method in [Method.tasksGet, Method.tasksResult, Method.tasksCancel] {
                let refused = try await client.ask(method, ["taskId": "t/9"])
                #expect(refused["error"]?["code"] == -32602)
            }
        }
    }

    @Test func `the wait for a result has an end`() async throws {
        var limits = FrontLimits()
        limits.taskWaitMax = .milliseconds(50)
        try await with(limits: limits) { client, _ in
            _ = try await client.call("job", task: [:])
            let late = try await client.ask(Method.tasksResult, ["taskId": "t/1"])
            #expect(late["error"]?["data"]?["reason"] == "deadline_exceeded")
            // A tool that was called without a wish for a task leaves none behind.
            let must = try await client.call("must")
            #expect(must["error"]?["data"]?["reason"] == "deadline_exceeded")
            #expect(server.last(Method.tasksCancel)?.params["taskId"] == "t/2")
        }
    }
}
