import JSONSlice
import MCPModel
import MartletTestKit
import Synchronization
import Testing

@testable import MCPTransport

/// What a server says of a task unasked, on its way to the client whose task it is.
@Suite(.timeLimit(.minutes(1)))
struct ToldTaskFrontTests {
    /// A server that tells of tasks when the test says so.
    private final class TellingServer: Sendable {
        let tasks = TaskServer(pollMilliseconds: 10_000)
        private let listeners = Mutex<[(id: String, sink: CallSink)]>([])
        private let cancelled = Mutex(0)

        var listening: [String] { listeners.withLock { $0.map(\.id) } }
        var ended: Int { cancelled.withLock { $0 } }

        var service: MCPService {
            var service = tasks.service
            let call = service.call
            service.call = { [self] request, sink in
                guard request.method == Method.subscriptionsListen,
                    let id = TaskSubscription.taskID(in: request.params)
                else { return call(request, sink) }
                listeners.withLock { $0.append((id, sink)) }
                sink(TaskSubscription.acknowledged(taskID: id))
                return CallHandle { [self] in cancelled.withLock { $0 += 1 } }
            }
            return service
        }

        func tell(_ id: String, _ status: String) {
            tasks.set(id, ["status": .string(status)])
            let task: JSON = [
                "taskId": .string(id), "status": .string(status), "createdAt": "2026-07-28T10:00:00Z",
                "lastUpdatedAt": "2026-07-28T10:00:01Z", "ttlMs": 600_000,
            ]
            let sinks = listeners.withLock { $0.filter { $0.id == id }.map(\.sink) }
            for sink in sinks { sink(.notification(method: Method.tasks, params: task)) }
        }
    }

    private let server = TellingServer()

    private func until(_ condition: () async -> Bool) async throws {
        while !(await condition()) {
            try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
        }
    }

    @Test func `a client of 2025-11-25 is told on its session's stream`() async throws {
        try await FrontRig.with(server.service) { front in
            let (_, session) = try await front.initialize(.v2025_11_25)
            let make: JSON = ["name": "job", "arguments": [:], "task": [:]]
            let made = try await front.legacy(
                Method.toolsCall, make, session: session, revision: .v2025_11_25)
            #expect(made.json.pointer("/result/task/taskId") == "t/1")
            try await until { server.listening == ["t/1"] }
            // What comes while there is no stream waits, the last word of each task.
            server.tell("t/1", "working")
            server.tell("t/1", "input_required")
            let stream = try front.stream(
                "GET", "/mcp", headers: FrontRig.legacyHeaders(session, .v2025_11_25))
            let first = try await stream.next()
            #expect(first?["method"] == "notifications/tasks/status")
            #expect(first?["params"]?["status"] == "input_required" && first?["params"]?["taskId"] == "t/1")
            #expect(first?["params"]?["ttl"] == 600_000 && first?["params"]?["ttlMs"] == nil)
            server.tell("t/1", "completed")
            #expect(try await stream.next()?["params"]?["status"] == "completed")
            // Nothing follows, so nobody listens any more.
            try await until { server.ended == 1 }
            stream.close()
        }
    }

    @Test func `a session's listens end with it, and no more are open than may be`() async throws {
        var limits = FrontLimits.standard
        limits.sessionTasksHeardMax = 2
        try await FrontRig.with(server.service, limits: limits) { front in
            let (_, session) = try await front.initialize(.v2025_11_25)
            let make: JSON = ["name": "job", "arguments": [:], "task": [:]]
            for number in 1...3 {
                _ = try await front.legacy(Method.toolsCall, make, session: session, revision: .v2025_11_25)
                try await until { server.listening.count == number }
            }
            try await until { server.ended == 1 }
            _ = try await front.send(
                "DELETE", "/mcp", headers: FrontRig.legacyHeaders(session, .v2025_11_25))
            try await until { server.ended == 3 }
        }
    }

    @Test(arguments: [true, false])
    func `a listen that ends begins again after a pause, however often the task is asked after`(
        isLong: Bool
    ) async throws {
        let asked = Mutex(0)
        let listens = Mutex(0)
        let watch = TaskWatch(
            "t1",
            pace: TaskWalk.Pace(usual: .milliseconds(1), least: .milliseconds(1), most: .milliseconds(1)),
            listenPause: isLong ? .seconds(3_600) : .milliseconds(2), on: FrontRig.loops.next(),
            ask: { method, _, sink in
                if method == Method.subscriptionsListen {
                    listens.withLock { $0 += 1 }
                    sink(.result(["resultType": "complete"]))
                } else {
                    asked.withLock { $0 += 1 }
                    sink(.result(["taskId": "t1", "status": "working", "resultType": "complete"]))
                }
                return .finished
            }, settled: { _ in }, changed: { _ in })
        let token = watch.begin()
        try await until { asked.withLock { $0 } >= 20 && (isLong || listens.withLock { $0 } >= 3) }
        token.cancel()
        #expect(!isLong || listens.withLock { $0 } == 1)
    }

    @Test func `a modern listener hears of news long before the task would be asked after again`()
        async throws
    {
        try await FrontRig.with(server.service) { front in
            _ = try await front.modern(
                Method.toolsCall, ["name": "job", "arguments": [:]],
                capabilities: TasksExtension.required)
            let params: JSON = ["notifications": ["taskIds": ["t/1"]]]
            let stream = try front.stream(
                "POST", "/mcp", headers: FrontRig.modernHeaders(Method.subscriptionsListen, name: nil),
                body: FrontRig.modernBody(
                    Method.subscriptionsListen, params, capabilities: TasksExtension.required))
            #expect(try await stream.next()?["method"] == "notifications/subscriptions/acknowledged")
            try await until { server.listening == ["t/1"] }
            let begun = ContinuousClock.now
            server.tell("t/1", "cancelled")
            let told = try await stream.next()
            #expect(told?["method"] == "notifications/tasks" && told?["params"]?["status"] == "cancelled")
            #expect(begun.duration(to: .now) < .seconds(8), "the server wants to be asked every ten")
            stream.close()
        }
    }
}
