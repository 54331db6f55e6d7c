import JSONSlice
import MCPModel
import MartletTestKit
import Synchronization
import Testing

@testable import MCPTransport

/// Tasks that are asked after in another life of the gateway than the one in which they were handed out.
@Suite(.timeLimit(.minutes(1)))
struct RememberedTaskTests {
    /// What is kept between two lives.
    private final class Disk: Sendable {
        private let kept = Mutex<[TaskBook.Key: TaskMemory.Entry]>([:])

        var entries: [TaskMemory.Entry] { kept.withLock { Array($0.values) } }

        /// As after a crash: what was noted since is not there.
        func restore(_ entries: [TaskMemory.Entry]) {
            kept.withLock { kept in
                kept = [:]
                for entry in entries { kept[TaskBook.Key(id: entry.id, caller: entry.caller)] = entry }
            }
        }

        var memory: TaskMemory {
            TaskMemory(entries: entries) { [self] changes in
                kept.withLock { kept in
                    for change in changes {
                        switch change {
                        case .keep(let entry): kept[TaskBook.Key(id: entry.id, caller: entry.caller)] = entry
                        case .forget(let id, let caller): kept[TaskBook.Key(id: id, caller: caller)] = nil
                        }
                    }
                }
            }
        }
    }

    private static let able = ClientFacts(capabilities: TasksExtension.required)
    private static let mallory = Caller(issuer: "key", subject: "mallory")
    private let disk = Disk()

    private func life(_ target: BackendTarget, _ body: (BackendRig) async throws -> Void) async throws {
        try await BackendRig.with(
            target, limits: BackendRig.limits, seal: AskingServer.seal, memory: disk.memory
        ) { rig in
            _ = try await rig.listing()
            try await body(rig)
        }
    }

    private func ask(
        _ rig: BackendRig, _ method: String, _ id: JSON, caller: Caller = .anonymous
    ) async -> BackendRig.Outcome {
        await rig.call(method, ["taskId": id], client: Self.able, caller: caller)
    }

    @Test func `a modern server's task is found again by its caller, and by nobody else`() async throws {
        let server = TaskServer()
        try await FrontRig.with(server.service) { front in
            let target = BackendTarget.http(url: front.url("/mcp"), headers: [])
            try await life(target) {
                #expect(await $0.tool("job", client: Self.able).result?["taskId"] == "t/1")
            }
            server.complete("t/1", "done")
            try await life(target) { rig in
                #expect(
                    await ask(rig, Method.tasksGet, "t/1", caller: Self.mallory).failure?.reason
                        == .unknownEntry)
                let done = await ask(rig, Method.tasksGet, "t/1")
                #expect(done.result?.pointer("/result/content/0/text") == "done", "\(done)")
                #expect(await ask(rig, Method.tasksGet, "t/2").failure?.reason == .unknownEntry)
            }
        }
    }

    @Test(arguments: [Method.tasksGet, Method.tasksCancel])
    func `a legacy server's task over HTTP is taken up again with the first question about it`(
        first: String
    ) async throws {
        let server = HTTPTaskServer([.hold, .answer("done")])
        try await HTTPTaskServer.listening({ server.handle($0) }) { target in
            try await life(target) { rig in
                #expect(await rig.tool("must", client: Self.able).result?["taskId"] == "t1")
                while !server.isHolding {
                    try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
                }
            }
            try await life(target) { rig in
                #expect(await ask(rig, first, "t1", caller: Self.mallory).failure?.reason == .unknownEntry)
                _ = await ask(rig, first, "t1")
                if first == Method.tasksCancel { return #expect(server.cancelled == ["t1"]) }
                while await ask(rig, Method.tasksGet, "t1").result?.pointer("/result/content/0/text")
                    != "done"
                {
                    try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
                }
                #expect(rig.backend.state.withLock { $0.tasksAwaited } == 0)
            }
        }
        #expect(server.calls == 1)
    }

    @Test func `a task that a caller without tasks waited for is cancelled after a crash`() async throws {
        let server = HTTPTaskServer([.hold, .hold])
        try await HTTPTaskServer.listening({ server.handle($0) }) { target in
            var crashed: [TaskMemory.Entry] = []
            try await life(target) { rig in
                let call = rig.backend.call(BackendRig.request(Method.toolsCall, ["name": "must"])) { _ in }
                while !server.isHolding || disk.entries.isEmpty {
                    try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
                }
                crashed = disk.entries
                call.cancel()
                while !disk.entries.isEmpty {
                    try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
                }
            }
            #expect(crashed.map(\.id) == ["t1"] && crashed.allSatisfy(\.isHidden))
            #expect(server.cancelled == ["t1"], "by its caller, who went")
            disk.restore(crashed)
            try await life(target) { _ in
                while !disk.entries.isEmpty {
                    try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
                }
            }
            #expect(server.cancelled == ["t1", "t1"], "by the next life, and before any call")
            #expect(server.calls == 1)
        }
    }

    @Test func `one that ended, or whose result was lost, leaves nothing to cancel later`() async throws {
        // The result is awaited once; that its stream ends without it is told to the caller.
        let server = HTTPTaskServer([.answer("done"), .cut])
        try await HTTPTaskServer.listening({ server.handle($0) }) { target in
            try await life(target) { rig in
                #expect(await rig.tool("must").text == "done")
                #expect(server.cancelled.isEmpty && disk.entries.isEmpty)
                let lost = await rig.tool("must")
                #expect(lost.failure != nil, "\(lost)")
                try await eventually("the task whose result was lost is cancelled, and forgotten") {
                    let (cancelled, kept) = (server.cancelled, disk.entries.map(\.id))
                    guard cancelled == ["t2"], kept.isEmpty else {
                        throw TestRefusal("cancelled \(cancelled), kept \(kept)")
                    }
                    return true
                }
            }
        }
    }

    @Test func `a task that its legacy server has forgotten is unknown, and forgotten here`() async throws {
        let server = HTTPTaskServer(knowsTasks: false)
        try await HTTPTaskServer.listening({ server.handle($0) }) { target in
            try await life(target) { rig in _ = await rig.tool("must", client: Self.able) }
            #expect(disk.entries.map(\.id) == ["t1"])
            try await life(target) { rig in
                #expect(await ask(rig, Method.tasksGet, "t1").failure?.reason == .unknownEntry)
                // Its place is free when the link is done with the answer, a moment after that is here.
                while rig.backend.state.withLock({ $0.tasksAwaited }) > 0 {
                    try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
                }
            }
        }
        #expect(disk.entries.isEmpty)
    }

    @Test func `a child's task is lost with it, and its caller is told so`() async throws {
        try await life(LegacyTaskServer.target) { rig in
            #expect(await rig.tool("job", client: Self.able).result?["taskId"] == "t1")
        }
        try await life(LegacyTaskServer.target) { rig in
            let lost = await ask(rig, Method.tasksGet, "t1").failure
            #expect(lost?.reason == .unknownEntry && lost?.detail.contains("has lost task t1") == true)
            let foreign = await ask(rig, Method.tasksGet, "t1", caller: Self.mallory).failure
            #expect(foreign?.detail.contains("has no task t1") == true)
            // The new child begins to count again, and its task is one like any other.
            #expect(await rig.tool("job", client: Self.able).result?["taskId"] == "t1")
            #expect(await ask(rig, Method.tasksGet, "t1").result?["status"] == "working")
        }
    }
}
