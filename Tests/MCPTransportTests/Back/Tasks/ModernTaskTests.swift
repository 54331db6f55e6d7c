import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import MCPTransport

/// Tasks of a modern backend, from its front to the caller's sink.
@Suite(.timeLimit(.minutes(1)))
struct ModernTaskTests {
    static let able = ClientFacts(capabilities: TasksExtension.required)
    private let server = TaskServer()

    private func with(
        limits: BackendLimits = BackendRig.limits, _ body: (FrontRig, BackendRig) async throws -> Void
    ) async throws {
        try await FrontRig.with(server.service) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: []), limits: limits) { rig in
                _ = try await rig.listing()
                try await body(front, rig)
            }
        }
    }

    private func ask(
        _ rig: BackendRig, _ method: String, _ id: String, _ more: [(String, JSON)] = [],
        caller: Caller = .anonymous
    ) async -> BackendRig.Outcome {
        await rig.call(
            method, .object([("taskId", .string(id))] + more), client: Self.able, caller: caller)
    }

    @Test func `a task comes back to a caller that knows tasks, and is asked after, updated and cancelled`()
        async throws
    {
        try await with { _, rig in
            let made = await rig.tool("job", client: Self.able)
            #expect(made.result?["resultType"]?.string == "task")
            let id = try #require(made.result?["taskId"]?.string)
            #expect(await ask(rig, Method.tasksGet, id).result?["status"]?.string == "working")
            server.complete(id, "done")
            let done = await ask(rig, Method.tasksGet, id)
            #expect(done.result?["resultType"]?.string == "complete")
            #expect(done.result?.pointer("/result/content/0/text")?.string == "done")
            let cancelled = await ask(rig, Method.tasksCancel, id)
            #expect(cancelled.result?["resultType"]?.string == "complete")
            let updated = await ask(rig, Method.tasksUpdate, id, [("inputResponses", .emptyObject)])
            #expect(updated.result?["resultType"]?.string == "complete")
        }
    }

    @Test func `who does not know tasks gets the result, or the server's refusal`() async throws {
        try await with { _, rig in
            #expect(await rig.tool("job").text == "at once")
            let refused = await rig.tool("must")
            #expect(refused.error.map(TasksExtension.isRequired) == true)
            #expect(server.last(Method.toolsCall)?.client.capabilities == .emptyObject)
        }
    }

    @Test func `a task that nobody asked for is no answer`() async throws {
        try await with { _, rig in
            #expect(await rig.tool("rude").failure?.reason == .backendProtocol)
        }
    }

    @Test(arguments: [Method.tasksGet, Method.tasksUpdate, Method.tasksCancel])
    func `another caller's task is as good as none, and the server is not even asked`(
        method: String
    ) async throws {
        try await with { _, rig in
            let made = await rig.tool("job", client: Self.able)
            let id = try #require(made.result?["taskId"]?.string)
            let mallory = Caller(issuer: "key", subject: "mallory")
            let foreign = await ask(rig, method, id, caller: mallory).failure
            let missing = await ask(rig, method, "t/9").failure
            #expect(foreign?.reason == .unknownEntry)
            #expect(foreign?.detail.replacing(id, with: "t/9") == missing?.detail)
            #expect(foreign?.hint == missing?.hint)
            #expect(server.last(method) == nil)
        }
    }

    @Test func `where no more tasks may run, one more is cancelled at the server`() async throws {
        var limits = BackendRig.limits
        limits.tasksPerCallerMax = 1
        try await with(limits: limits) { _, rig in
            _ = await rig.tool("job", client: Self.able)
            #expect(await rig.tool("job", client: Self.able).failure?.reason == .limited)
            while server.last(Method.tasksCancel) == nil {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            #expect(server.last(Method.tasksCancel)?.params["taskId"]?.string == "t/2")
        }
    }

    @Test func `extensions are declared to the backend as the caller declared them`() async throws {
        try await with { _, rig in
            let declared: JSON = ["extensions": ["org.example/other": ["y": 2]]]
            #expect(await rig.tool("greet", client: ClientFacts(capabilities: declared)).text == "hello")
            #expect(server.last(Method.toolsCall)?.client.capabilities == declared)
        }
    }
}
