import HTTPWire
import JSONSlice
import MCPModel
import MartletTestKit
import Synchronization
import Testing

@testable import MCPTransport

/// What servers say of tasks without being asked, from the backend to the caller whose task it is.
@Suite(.timeLimit(.minutes(1)))
struct ToldTaskTests {
    private static let able = ClientFacts(capabilities: TasksExtension.required)
    private static let askable = ClientFacts(
        capabilities: TasksExtension.declared(in: ["elicitation": ["form": [:]]]))
    private static let mallory = Caller(issuer: "key", subject: "mallory")

    /// What one listener hears.
    private final class Heard: Sendable {
        private let events = Mutex<[CallEvent]>([])

        func take(_ event: CallEvent) { events.withLock { $0.append(event) } }

        var tasks: [JSON] {
            events.withLock { events in
                events.compactMap { if case .notification(Method.tasks, let task) = $0 { task } else { nil } }
            }
        }
        var isAcknowledged: Bool {
            events.withLock { events in
                events.contains {
                    if case .notification(Method.subscriptionsAcknowledged, _) = $0 { true } else { false }
                }
            }
        }
        var failure: CallFailure? {
            events.withLock { events in
                events.lazy.compactMap { if case .failure(let failure) = $0 { failure } else { nil } }.first
            }
        }
        var isOver: Bool { events.withLock { $0.contains(where: \.isFinal) } }
    }

    private func until(_ condition: () async -> Bool) async throws {
        while !(await condition()) {
            try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
        }
    }

    private func listen(
        _ rig: BackendRig, _ id: String, _ heard: Heard, caller: Caller = .anonymous,
        timeLeft: Duration = .seconds(20)
    ) -> CallHandle {
        rig.backend.call(
            BackendRig.request(
                Method.subscriptionsListen, TaskSubscription.params(taskID: id), client: Self.able,
                caller: caller, timeLeft: timeLeft), heard.take)
    }

    private func withChild(_ body: (BackendRig) async throws -> Void) async throws {
        try await BackendRig.with(LegacyTaskServer.target, limits: BackendRig.limits, seal: AskingServer.seal)
        {
            rig in
            _ = try await rig.listing()
            try await body(rig)
        }
    }

    @Test func `a legacy server's word on a task goes to the caller whose it is, and to no other`()
        async throws
    {
        try await withChild { rig in
            for _ in 1...2 { _ = await rig.tool("job", client: Self.able) }
            let (mine, other, foreign) = (Heard(), Heard(), Heard())
            let handle = listen(rig, "t1", mine)
            _ = listen(rig, "t2", other)
            _ = listen(rig, "t1", foreign, caller: Self.mallory)
            #expect(mine.isAcknowledged && foreign.failure?.reason == .unknownEntry)
            _ = await rig.tool("move", ["id": "t1", "text": "half way"])
            try await until { !mine.tasks.isEmpty }
            #expect(mine.tasks.first?["statusMessage"] == "half way" && mine.tasks.first?["ttlMs"] == 60_000)
            _ = await rig.tool("end", ["id": "t1", "text": "done"])
            try await until { mine.tasks.last?.pointer("/result/content/0/text") == "done" }
            #expect(other.tasks.isEmpty && foreign.tasks.isEmpty)
            handle.cancel()
            #expect(rig.backend.taskListeners.count == 1)
        }
    }

    private func make(_ rig: BackendRig, _ client: ClientFacts, _ caller: Caller) async -> JSON? {
        await rig.call(
            Method.toolsCall, ["name": "must", "arguments": [:]], client: client, caller: caller
        ).result?["taskId"]
    }

    @Test func `what is said in one session is not said of another caller's task of the same id`()
        async throws
    {
        let server = HTTPTaskServer(tells: true)
        try await server.with { rig in
            let (mine, other) = (Heard(), Heard())
            // The first session, and one at which it was declared that a caller can be asked.
            #expect(await make(rig, Self.able, .anonymous) == "t1")
            #expect(await make(rig, Self.askable, Self.mallory) == "t1")
            _ = listen(rig, "t1", mine)
            _ = listen(rig, "t1", other, caller: Self.mallory)
            try await until { server.listening == ["s1", "s2"] }
            server.tell("hers", of: "t1", in: "s2")
            try await until { !other.tasks.isEmpty }
            server.tell("mine", of: "t1", in: "s1")
            try await until { !mine.tasks.isEmpty }
            #expect(other.tasks.map { $0["statusMessage"] } == ["hers"])
            #expect(mine.tasks.map { $0["statusMessage"] } == ["mine"])
        }
    }

    @Test func `nobody is told what may be another's, or comes from a link that is gone`() async throws {
        let server = HTTPTaskServer(tells: true)
        try await server.with { rig in
            let (mine, other) = (Heard(), Heard())
            #expect(await make(rig, Self.able, .anonymous) == "t1")
            _ = listen(rig, "t1", mine)
            let generation = try #require(rig.backend.state.withLock { $0.connection?.generation })
            let (here, word): (TaskOrigin, JSON) = (
                .first(generation: generation, session: 1), ["taskId": "t1", "status": "working"]
            )
            for (generation, session) in [(generation - 1, 1), (generation, 2)] {
                rig.backend.heard(ofTask: word, at: .first(generation: generation, session: session))
            }
            #expect(mine.tasks.isEmpty)
            rig.backend.heard(ofTask: word, at: here)
            #expect(mine.tasks.count == 1)
            #expect(await make(rig, Self.able, Self.mallory) == "t1")
            _ = listen(rig, "t1", other, caller: Self.mallory)
            rig.backend.heard(ofTask: word, at: here)
            #expect(mine.tasks.count == 1 && other.isAcknowledged && other.tasks.isEmpty)
        }
    }

    @Test func `what a legacy server's task asks is told`() async throws {
        try await withChild { rig in
            let heard = Heard()
            #expect(await rig.tool("job", client: Self.askable).result?["taskId"] == "t1")
            _ = listen(rig, "t1", heard)
            _ = await rig.tool("move", ["id": "t1", "text": "Sure?", "ask": true])
            try await until { !heard.tasks.isEmpty }
            #expect(heard.tasks.first?["status"] == "input_required")
            #expect(heard.tasks.first?.pointer("/inputRequests/input-1/params/message") == "Sure?")
        }
    }

    @Test func `a listen ends with its time, and listeners are bounded`() async throws {
        var limits = BackendRig.limits
        limits.taskListenersMax = 1
        try await BackendRig.with(LegacyTaskServer.target, limits: limits) { rig in
            _ = try await rig.listing()
            _ = await rig.tool("job", client: Self.able)
            let (first, second) = (Heard(), Heard())
            _ = listen(rig, "t1", first, timeLeft: .milliseconds(200))
            _ = listen(rig, "t1", second)
            #expect(second.failure?.reason == .limited)
            try await until { first.isOver }
            #expect(first.failure == nil && rig.backend.taskListeners.count == 0)
        }
    }

    /// How a server ends a listen.
    enum Ending: CaseIterable, Sendable { case result, error, cut }

    @Test(arguments: Ending.allCases)
    func `a listener whose server tells no more is told to begin again`(ending: Ending) async throws {
        let server = TaskServer()
        let front = MCPFront(service: server.service, log: FrontRig.log)
        let handle = { @Sendable (exchange: HTTPExchange) in
            guard let message = try? JSON(validating: exchange.body), let id = message["id"],
                message["method"]?.string == Method.subscriptionsListen,
                TaskSubscription.taskID(in: message["params"] ?? .emptyObject) != nil
            else { return front.handle(exchange) }
            let outcome: (String, JSON)
            switch ending {
            case .result: outcome = ("result", ["resultType": "complete"])
            case .error: outcome = ("error", ["code": -32601, "message": "no"])
            case .cut:
                exchange.startStream(status: 200, headers: [("Content-Type", "text/event-stream")])
                return exchange.end()
            }
            exchange.respond(
                status: 200, headers: [("Content-Type", "application/json")],
                body: Array(JSON.object([("jsonrpc", "2.0"), ("id", id), outcome]).bytes))
        }
        try await HTTPTaskServer.listening(handle) { target in
            try await BackendRig.with(target) { rig in
                _ = try await rig.listing()
                #expect(await rig.tool("job", client: Self.able).result?["taskId"] == "t/1")
                let heard = Heard()
                _ = listen(rig, "t/1", heard)
                try await until { heard.isOver }
                #expect(heard.isAcknowledged && heard.failure == nil)
                #expect(rig.backend.taskListeners.count == 0)
                try await until { rig.backend.state.withLock { $0.tasksAwaited } == 0 }
            }
        }
        front.close()
    }

    @Test func `a modern server is listened to for whoever listens`() async throws {
        let server = TaskServer(pollMilliseconds: 10)
        try await FrontRig.with(server.service) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: [])) { rig in
                _ = try await rig.listing()
                #expect(await rig.tool("job", client: Self.able).result?["taskId"] == "t/1")
                let heard = Heard()
                let handle = listen(rig, "t/1", heard)
                #expect(heard.isAcknowledged && rig.backend.state.withLock { $0.tasksAwaited } == 1)
                // What the server was asked before it was listened to is no news.
                try await until { server.last(Method.tasksGet) != nil }
                server.complete("t/1", "done")
                try await until { heard.tasks.last?["status"] == "completed" }
                #expect(heard.tasks.last?["_meta"] == nil)
                handle.cancel()
                try await until { rig.backend.state.withLock { $0.tasksAwaited } == 0 }
            }
        }
    }
}
