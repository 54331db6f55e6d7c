import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import MCPTransport

/// What a front asks of a client of 2026-07-28 before a task's server hears of it (mcp-spec §3.8).
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
}
