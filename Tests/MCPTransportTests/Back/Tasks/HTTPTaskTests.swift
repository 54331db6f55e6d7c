import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

/// Tasks of a server of 2025-11-25 whose ways break.
@Suite(.timeLimit(.minutes(1)))
struct HTTPTaskTests {
    private static let callers: [JSON] = [[:], AskingServer.form]

    private static func able(_ capabilities: JSON) -> ClientFacts {
        ClientFacts(capabilities: TasksExtension.declared(in: capabilities))
    }

    private func until(_ condition: () async -> Bool) async throws {
        while !(await condition()) {
            try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
        }
    }

    @Test(arguments: callers)
    func `a call whose task was made is not made again where the wait for its result finds the session gone`(
        capabilities: JSON
    ) async throws {
        let server = HTTPTaskServer([.refuse(status: 404)])
        try await server.with { rig in
            let outcome = await rig.tool("must", client: ClientFacts(capabilities: capabilities))
            #expect(outcome.failure?.reason == .outcomeUnknown, "\(outcome)")
        }
        #expect(server.calls == 1)
    }

    @Test(arguments: [BackendFault.Kind.sessionGone, .notReached, .lost, .timedOut])
    func `no fault of the wait for a result says that the call did not reach its backend`(
        kind: BackendFault.Kind
    ) {
        let fault = TaskingLink.fault(BackendFault(kind, "why"), afterMaking: "t1")
        #expect(fault.kind == (kind == .timedOut ? .timedOut : .lost))
        #expect(fault.detail.hasSuffix("why"))
    }

    @Test(arguments: callers)
    func `a task that no session made is made in a new one`(capabilities: JSON) async throws {
        let server = HTTPTaskServer(forgets: 1)
        try await server.with { rig in
            let made = await rig.tool("must", client: Self.able(capabilities))
            #expect(made.result?["taskId"] == "t2", "\(made)")
        }
        #expect(server.calls == 2)
    }

    @Test func `the result is asked for again where its way broke`() async throws {
        let server = HTTPTaskServer([.cut, .answer("done")])
        try await server.with { rig in
            let id = await rig.tool("must", client: Self.able([:])).result?["taskId"]
            try await until {
                let task = await rig.call(
                    Method.tasksGet, ["taskId": id ?? .null], client: Self.able([:]))
                return task.result?.pointer("/result/content/0/text") == "done"
            }
        }
        #expect(server.calls == 1)
    }

    @Test(arguments: callers)
    func `no more tasks are awaited than may be, and the end of one makes room`(
        capabilities: JSON
    ) async throws {
        var limits = BackendRig.limits
        limits.awaitedTasksMax = 1
        let server = HTTPTaskServer()
        try await server.with(limits: limits) { rig in
            let client = Self.able(capabilities)
            let id = await rig.tool("must", client: client).result?["taskId"]
            let refused = await rig.tool("must", client: client)
            #expect(refused.failure?.reason == .limited && server.calls == 1)
            try await until { server.isHolding }
            _ = await rig.call(Method.tasksCancel, ["taskId": id ?? .null], client: client)
            try await until { await rig.tool("must", client: client).result?["taskId"] == "t2" }
            try await until { server.isHolding }
        }
    }

    @Test func `a task is cancelled when nobody can ask after it any more`() async throws {
        var limits = BackendRig.limits
        limits.taskLifeMax = .milliseconds(50)
        let server = HTTPTaskServer()
        try await server.with(limits: limits) { rig in
            #expect(await rig.tool("must", client: Self.able([:])).result?["taskId"] == "t1")
            try await until { server.cancelled == ["t1"] }
        }
    }

    @Test func `a stream that may stay silent is closed with its link`() async throws {
        let server = HTTPTaskServer([.hold])
        try await server.with { rig in
            _ = await rig.tool("must", client: Self.able([:]))
            try await until { server.isHolding }
        }
        #expect(server.closed == 1 && server.cancelled.isEmpty)
    }
}
