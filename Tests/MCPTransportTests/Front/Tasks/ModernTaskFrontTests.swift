import JSONSlice
import MCPModel
import MartletTestKit
import Synchronization
import Testing

@testable import MCPTransport

/// What a front asks of a client of 2026-07-28 before a task's server hears of it.
@Suite(.timeLimit(.minutes(1)))
struct ModernTaskFrontTests {
    private let server = TaskServer()

    private func send(
        _ front: FrontRig, _ method: String, _ params: JSON, name: String?,
        capabilities: JSON = TasksExtension.required
    ) async throws -> FrontRig.Answer {
        try await front.send(
            "POST", "/mcp", headers: FrontRig.modernHeaders(method, name: name),
            body: FrontRig.modernBody(method, params, capabilities: capabilities))
    }

    private static let requests: [(String, JSON)] = [
        (Method.tasksGet, ["taskId": "t/1"]), (Method.tasksCancel, ["taskId": "t/1"]),
        (Method.tasksUpdate, ["taskId": "t/1", "inputResponses": [:]]),
    ]

    @Test(arguments: requests)
    func `without the extension declared on the request itself it is refused`(
        method: String, params: JSON
    ) async throws {
        try await FrontRig.with(server.service) { front in
            let refused = try await send(front, method, params, name: "t/1", capabilities: [:])
            #expect(refused.status == 400)
            #expect(refused.json["error"].map(TasksExtension.isRequired) == true)
            #expect(server.calls.isEmpty)
        }
    }

    @Test(arguments: requests)
    func `where no server has tasks the method does not exist`(method: String, params: JSON) async throws {
        try await FrontRig.with { front in
            let refused = try await send(front, method, params, name: "t/1")
            #expect(refused.status == 404 && refused.json["error"]?["code"]?.int == -32601)
        }
    }

    @Test(arguments: requests)
    func `Mcp-Name must be the task's id`(method: String, params: JSON) async throws {
        try await FrontRig.with(server.service) { front in
            for name in ["t/2", nil] {
                let refused = try await send(front, method, params, name: name)
                #expect(refused.status == 400 && refused.json["error"]?["code"]?.int == -32020)
            }
        }
    }

    @Test func `a task that is named when its client has gone is cancelled`() async throws {
        try await FrontRig.with(server.service) { front in
            let stream = try front.stream(
                "POST", "/mcp", headers: FrontRig.modernHeaders(Method.toolsCall, name: "slow"),
                body: FrontRig.modernBody(
                    Method.toolsCall, ["name": "slow", "arguments": [:]],
                    capabilities: TasksExtension.required))
            while server.last(Method.toolsCall) == nil {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            stream.close()
            while server.cancelledCalls == 0 {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            server.nameSlowTasks()
            #expect(server.last(Method.tasksCancel)?.params["taskId"] == "t/1")
        }
    }

    @Test func `so is one that was handed on, and did not reach the client whole`() {
        let call = EndpointCall(
            endpoint: .all, principal: .anonymous, method: Method.toolsCall,
            params: ["name": "job", "arguments": [:]],
            client: ClientFacts(capabilities: TasksExtension.required))
        let heard = Mutex(0)
        let handle = server.service.callMindingTasks(call) { _ in heard.withLock { $0 += 1 } }
        #expect(heard.withLock { $0 } == 1 && server.last(Method.tasksCancel) == nil)
        for _ in 1...2 { handle.cancel() }
        #expect(server.calls.map(\.method) == [Method.toolsCall, Method.tasksCancel])
        #expect(server.last(Method.tasksCancel)?.params["taskId"] == "t/1")
    }

    @Test func `a task that the client has is left alone when its connection closes`() async throws {
        try await FrontRig.with(server.service) { front in
            let made = try await send(
                front, Method.toolsCall, ["name": "job", "arguments": [:]], name: "job")
            #expect(made.json.pointer("/result/taskId") == "t/1")
        }
        #expect(!server.calls.contains { $0.method == Method.tasksCancel })
    }

    private static let empty: [(String, JSON)] = [
        (Method.tasksGet, [:]), (Method.tasksGet, ["taskId": 5]), (Method.tasksUpdate, ["taskId": "t/1"]),
        (Method.tasksUpdate, ["taskId": "t/1", "inputResponses": []]),
    ]

    @Test(arguments: empty)
    func `params that name nothing are invalid`(method: String, params: JSON) async throws {
        try await FrontRig.with(server.service) { front in
            let refused = try await send(front, method, params, name: params["taskId"]?.string)
            #expect(refused.json["error"]?["code"]?.int == -32602)
            #expect(server.calls.isEmpty)
        }
    }

    @Test(arguments: [Method.tasksList, Method.tasksResult])
    func `what 2025-11-25 had is gone`(method: String) async throws {
        try await FrontRig.with(server.service) { front in
            let refused = try await send(front, method, ["taskId": "t/1"], name: nil)
            #expect(refused.status == 404 && refused.json["error"]?["code"]?.int == -32601)
        }
    }

    @Test func `a task is made, found at once, and ends`() async throws {
        try await FrontRig.with(server.service) { front in
            let made = try await send(front, Method.toolsCall, ["name": "job"], name: "job")
            let id = try #require(made.json["result"]?["taskId"]?.string)
            #expect(made.json["result"]?["resultType"]?.string == "task")
            server.complete(id, "done")
            let got = try await send(front, Method.tasksGet, ["taskId": .string(id)], name: id)
            #expect(got.json.pointer("/result/result/content/0/text")?.string == "done")
            #expect(got.json["result"]?["resultType"]?.string == "complete")
        }
    }

    @Test func `to listen for tasks takes the extension too`() async throws {
        try await FrontRig.with(server.service) { front in
            let refused = try await send(
                front, Method.subscriptionsListen, ["notifications": ["taskIds": ["t/1"]]], name: nil,
                capabilities: [:])
            #expect(refused.status == 400)
            #expect(refused.json["error"].map(TasksExtension.isRequired) == true)
        }
    }

    @Test func `a listener hears of its tasks until they have ended, and of nobody else's`() async throws {
        try await FrontRig.with(server.service) { front in
            for _ in 0..<2 { _ = try await send(front, Method.toolsCall, ["name": "job"], name: "job") }
            let wanted: JSON = ["notifications": ["taskIds": ["t/1", "t/9", "t/2", "t/1"]]]
            let stream = try front.stream(
                "POST", "/mcp", headers: FrontRig.modernHeaders(Method.subscriptionsListen),
                body: FrontRig.modernBody(
                    Method.subscriptionsListen, wanted, capabilities: TasksExtension.required))
            let first = try await stream.next()
            #expect(first?["method"]?.string == Method.subscriptionsAcknowledged)
            #expect(first?.pointer("/params/notifications")?.text == #"{"taskIds":["t/1","t/2"]}"#)
            server.set("t/2", ["statusMessage": "half way"])
            let half = try await stream.next()
            #expect(half?["method"]?.string == "notifications/tasks")
            #expect(half?.pointer("/params/taskId") == "t/2")
            #expect(half?.pointer("/params/statusMessage") == "half way")
            #expect(half?.pointer("/params/resultType") == nil)
            #expect(half?.pointer("/params/_meta") != nil)
            server.complete("t/2", "done")
            let done = try await stream.next()
            #expect(done?.pointer("/params/status") == "completed")
            #expect(done?.pointer("/params/result/content/0/text") == "done")
            // What has ended is not asked after any more.
            let looks = {
                server.calls.count { $0.method == Method.tasksGet && $0.params["taskId"] == "t/2" }
            }
            let before = (looks(), server.calls.count)
            while server.calls.count < before.1 + 5 {
                try await Task.sleep(for: .milliseconds(2))  // a condition, within the suite's time limit
            }
            #expect(looks() == before.0)
            stream.close()
        }
    }

    @Test func `a task that has ended before anybody listened is told of once`() async throws {
        try await FrontRig.with(server.service) { front in
            _ = try await send(front, Method.toolsCall, ["name": "job"], name: "job")
            server.complete("t/1", "done")
            let stream = try front.stream(
                "POST", "/mcp", headers: FrontRig.modernHeaders(Method.subscriptionsListen),
                body: FrontRig.modernBody(
                    Method.subscriptionsListen, ["notifications": ["taskIds": ["t/1"]]],
                    capabilities: TasksExtension.required))
            #expect(try await stream.next()?["method"]?.string == Method.subscriptionsAcknowledged)
            #expect(try await stream.next()?.pointer("/params/status") == "completed")
            stream.close()
        }
    }
}
