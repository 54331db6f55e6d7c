import Glibc
import JSONSlice
import MCPModel
import MartletTestKit
import Synchronization
import Testing

@testable import MCPTransport

/// Calls that nobody wants any more before their server has said which task it made of them.
@Suite(.timeLimit(.minutes(1)))
struct UnnamedTaskTests {
    /// How a caller waits for a call that is to become a task.
    enum Way: CaseIterable, Sendable {
        /// It is handed the task.
        case handed
        /// It knows of no tasks.
        case hidden
        /// It knows of no tasks, and can be asked for something.
        case asked
        /// It is handed the task, and can be asked for something.
        case askedAndHanded

        var client: ClientFacts {
            switch self {
            case .handed: ClientFacts(capabilities: TasksExtension.required)
            case .hidden: ClientFacts()
            case .asked: ClientFacts(capabilities: AskingServer.form)
            case .askedAndHanded: ClientFacts(capabilities: TasksExtension.declared(in: AskingServer.form))
            }
        }
    }

    private func until(_ condition: () async -> Bool) async throws {
        while !(await condition()) {
            try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
        }
    }

    private func begin(_ rig: BackendRig, _ tool: String, _ client: ClientFacts) -> CallHandle {
        rig.backend.call(
            BackendRig.request(
                Method.toolsCall, ["name": .string(tool), "arguments": [:]], client: client)
        ) { _ in }
    }

    @Test(arguments: Way.allCases)
    func `a child that names the task late is told to cancel it, and not the call`(way: Way) async throws {
        try await BackendRig.with(LegacyTaskServer.target, limits: BackendRig.limits, seal: AskingServer.seal)
        {
            rig in
            _ = try await rig.listing()
            let call = begin(rig, "slow", way.client)
            _ = try await rig.line(containing: "call slow")
            call.cancel()
            #expect(await rig.tool("plain").text == "plain")
            _ = try await rig.line(containing: "cancelled t1")
            #expect(!rig.backend.recentLines.contains { $0.contains("told to cancel") })
        }
    }

    @Test(arguments: Way.allCases)
    func `a server over HTTP that names the task late is told to cancel it, and not the call`(
        way: Way
    ) async throws {
        let server = HTTPTaskServer(isSlow: true)
        try await server.with { rig in
            let call = begin(rig, "must", way.client)
            try await until { server.calls == 1 }
            call.cancel()
            server.nameTasks()
            try await until { server.cancelled == ["t1"] }
            #expect(server.toldToCancel == 0)
        }
    }

    @Test(arguments: Way.allCases)
    func `the name is not waited for for ever: then the call is cancelled`(way: Way) async throws {
        var limits = BackendRig.limits
        limits.taskNamingMax = .milliseconds(20)
        let server = HTTPTaskServer(isSlow: true)
        try await server.with(limits: limits) { rig in
            let call = begin(rig, "must", way.client)
            try await until { server.calls == 1 }
            call.cancel()
            try await until { server.toldToCancel == 1 }
            // Its place is free again.
            #expect(rig.backend.state.withLock { $0.tasksAwaited } == 0)
            server.nameTasks()
        }
    }

    @Test func `so is a call whose time is over`() async throws {
        try await BackendRig.with(LegacyTaskServer.target, limits: BackendRig.limits) { rig in
            _ = try await rig.listing()
            let outcome = await rig.call(
                Method.toolsCall, ["name": "slow", "arguments": [:]], timeLeft: .milliseconds(500))
            #expect(outcome.failure?.reason == .deadlineExceeded)
            #expect(await rig.tool("plain").text == "plain")
            _ = try await rig.line(containing: "cancelled t1")
        }
    }

    private static let able = ClientFacts(capabilities: TasksExtension.required)

    private func modern(
        _ patience: Duration, _ body: (TaskServer, BackendRig) async throws -> Void
    ) async throws {
        let server = TaskServer()
        var limits = BackendRig.limits
        limits.modernTaskNamingMax = patience
        try await FrontRig.with(server.service) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: []), limits: limits) { rig in
                _ = try await rig.listing()
                try await body(server, rig)
            }
        }
    }

    @Test func `a modern server that names the task late is told to cancel it, and not the call`()
        async throws
    {
        try await modern(.seconds(30)) { server, rig in
            let call = begin(rig, "slow", Self.able)
            try await until { server.last(Method.toolsCall) != nil }
            call.cancel()
            server.nameSlowTasks()
            try await until { server.last(Method.tasksCancel)?.params["taskId"] == "t/1" }
            #expect(server.cancelledCalls == 0)
        }
    }

    @Test func `a modern server that names the task while its caller goes is told to cancel it`() async throws
    {
        try await modern(.seconds(30)) { server, rig in
            // On the thread of whoever cancels, between the end of the call and the word to the link.
            let call = rig.backend.call(
                BackendRig.request(
                    Method.toolsCall, ["name": "slow", "arguments": [:]], client: Self.able)
            ) { _ in
                server.nameSlowTasks()
                let deadline = ContinuousClock.now + .seconds(5)
                while server.last(Method.tasksCancel) == nil, ContinuousClock.now < deadline {
                    usleep(2_000)  // a condition with a deadline
                }
            }
            try await until { server.last(Method.toolsCall) != nil }
            call.cancel()
            #expect(server.last(Method.tasksCancel)?.params["taskId"] == "t/1")
            #expect(server.calls.count { $0.method == Method.tasksCancel } == 1)
        }
    }

    @Test func `a hidden task whose name crosses with the caller's word is cancelled, and not waited for`()
        throws
    {
        let held = HeldLink()
        let link = TaskingLink(
            link: held, nextNumber: { 2 }, loop: FrontRig.loops.next(), cancelTime: .seconds(1),
            namingTime: .seconds(1))
        let done = Mutex(0)
        var request = LinkRequest(number: 1, method: Method.toolsCall)
        request.whenDone = { done.withLock { $0 += 1 } }
        let handle = link.send(request) { _ in Issue.record("nobody waits for this") }
        let first = try #require(held.sent.withLock { $0.first })
        handle.cancel()
        first.sink(.result(["task": ["taskId": "t1", "status": "working"]]))
        first.request.whenDone?()
        #expect(held.sent.withLock { $0.map(\.request.method) } == [Method.toolsCall, Method.tasksCancel])
        #expect(done.withLock { $0 } == 1)
    }

    /// An order as the mesh gives it, for a task of `.anonymous`.
    private func abandon(_ id: String, at rig: BackendRig) {
        rig.backend.abandonTask(
            BackendRig.request(Method.tasksCancel, ["taskId": .string(id)], client: Self.able))
    }

    @Test(arguments: [true, false])
    func `a task whose name reached nobody is cancelled, and not one that its caller asks after`(
        isKnown: Bool
    ) async throws {
        try await modern(.seconds(1)) { server, rig in
            _ = await rig.tool("job", client: Self.able)
            if isKnown {
                _ = await rig.call(Method.tasksGet, ["taskId": "t/1"], client: Self.able)
            }
            abandon("t/1", at: rig)
            abandon("t/1", at: rig)
            abandon("t/7", at: rig)
            // The same of one more: what was ordered before has come by then.
            _ = await rig.tool("job", client: Self.able)
            abandon("t/2", at: rig)
            try await until { server.calls.contains { $0.params["taskId"] == "t/2" } }
            let cancelled = server.calls.filter { $0.method == Method.tasksCancel }
                .compactMap { $0.params["taskId"]?.string }
            #expect(cancelled == (isKnown ? ["t/2"] : ["t/1", "t/2"]))
        }
    }

    @Test func `so is a task of a legacy server, and its place is free`() async throws {
        let server = HTTPTaskServer([.hold])
        try await server.with { rig in
            #expect(await rig.tool("must", client: Self.able).result?["taskId"] == "t1")
            try await until { server.isHolding }
            abandon("t1", at: rig)
            try await until { server.cancelled == ["t1"] }
            #expect(rig.backend.state.withLock { $0.tasksAwaited } == 0)
            let gone = await rig.call(Method.tasksGet, ["taskId": "t1"], client: Self.able)
            #expect(gone.failure?.reason == .unknownEntry)
        }
    }

    @Test func `a call at a modern server is cancelled a moment later where it might become a task`()
        async throws
    {
        try await modern(.milliseconds(20)) { server, rig in
            let call = begin(rig, "slow", Self.able)
            try await until { server.last(Method.toolsCall) != nil }
            call.cancel()
            try await until { server.cancelledCalls == 1 }
        }
    }

    @Test func `a call that cannot become a task is cancelled at once`() async throws {
        try await modern(.seconds(30)) { server, rig in
            let call = begin(rig, "slow", ClientFacts())
            try await until { server.last(Method.toolsCall) != nil }
            call.cancel()
            try await until { server.cancelledCalls == 1 }
        }
    }

    @Test func `an answer that crosses with the word that nobody waits is not lost on a shared channel`() {
        let heard = Mutex<[JSON]>([])
        let requests = OpenRequests(on: FrontRig.loops.next(), BackendRig.limits, news: { _ in }) { _ in }
        var request = LinkRequest(number: 1, method: Method.toolsCall)
        request.naming = TaskNaming(patience: .seconds(1)) { result in heard.withLock { $0.append(result) } }
        _ = requests.admit(request) { _ in Issue.record("nobody waits for this") }
        requests.cancel(1)
        let answer: JSON = ["jsonrpc": "2.0", "id": 1, "result": ["resultType": "task", "taskId": "t"]]
        for _ in 1...2 { requests.take(Array(answer.bytes)) }
        #expect(heard.withLock { $0 } == [["resultType": "task", "taskId": "t"]])
    }

    @Test func `no more calls are waited for on behalf of nobody than may be`() async throws {
        let server = TaskServer()
        var limits = BackendRig.limits
        limits.modernTaskNamingMax = .seconds(30)
        let count = LateAnswers.countMax + 3
        try await FrontRig.with(server.service) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: []), limits: limits) { rig in
                _ = try await rig.listing()
                for number in 1...count {
                    let call = begin(rig, "slow", Self.able)
                    try await until { server.calls.count { $0.method == Method.toolsCall } == number }
                    call.cancel()
                }
                try await until { server.cancelledCalls == 3 }
                server.nameSlowTasks()
                try await until {
                    server.calls.count { $0.method == Method.tasksCancel } >= LateAnswers.countMax
                }
            }
        }
    }
}
