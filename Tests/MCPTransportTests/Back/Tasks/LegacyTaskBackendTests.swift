import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

/// Tasks of a server of 2025-11-25 in modern terms.
@Suite(.timeLimit(.minutes(1)))
struct LegacyTaskBackendTests {
    private static let able = ClientFacts(capabilities: TasksExtension.required)
    private static let askable = ClientFacts(
        capabilities: TasksExtension.declared(in: ["elicitation": ["form": [:]]]))

    private func with(
        limits: BackendLimits = BackendRig.limits, _ body: (BackendRig, BackendListing) async throws -> Void
    ) async throws {
        try await BackendRig.with(LegacyTaskServer.target, limits: limits, seal: AskingServer.seal) { rig in
            let listing = try await rig.listing()
            try await body(rig, listing)
        }
    }

    private func ask(
        _ rig: BackendRig, _ method: String, _ id: JSON?, _ more: [(String, JSON)] = [],
        client: ClientFacts = able
    ) async -> BackendRig.Outcome {
        await rig.call(method, .object([("taskId", id ?? .null)] + more), client: client)
    }

    /// The task when it is in that state.
    private func task(_ rig: BackendRig, _ id: JSON?, _ status: TaskStatus) async throws -> JSON {
        while true {
            let got = await ask(rig, Method.tasksGet, id)
            // A question that falls between a server's end and the news of it is told just that.
            if got.failure?.reason != .backendUnavailable {
                let task = try #require(got.result, "\(got)")
                if TaskStatus(of: task) == status { return task }
            }
            try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
        }
    }

    @Test func `tasks are offered as the extension`() async throws {
        try await with { _, listing in
            #expect(listing.capabilities["extensions"] == TasksExtension.required["extensions"])
            #expect(listing.capabilities["tasks"] == nil)
        }
    }

    @Test(arguments: ["job", "must"])
    func `a tool that may run as a task does for a caller who knows tasks`(tool: String) async throws {
        try await with { rig, _ in
            let made = await rig.tool(tool, client: Self.able)
            let task = try #require(made.result)
            #expect(task["resultType"] == "task" && task["status"] == "working" && task["task"] == nil)
            #expect(task["ttlMs"] == 60_000 && task["pollIntervalMs"] == 10 && task["ttl"] == nil)
            let id = task["taskId"]
            let working = await ask(rig, Method.tasksGet, id)
            #expect(working.result?["status"] == "working" && working.result?["resultType"] == "complete")
            _ = await rig.tool("end", ["id": id ?? .null, "text": "done"])
            let done = try await self.task(rig, id, .completed)
            #expect(done.pointer("/result/content/0/text") == "done")
            #expect(done["result"]?["_meta"] == nil)
            // It can be asked for again, and cancelling what is over is no fault.
            #expect(try await self.task(rig, id, .completed) == done)
            #expect(await ask(rig, Method.tasksCancel, id).result == ["resultType": "complete"])
        }
    }

    @Test func `a tool that runs only as a task is waited for on behalf of who knows none`() async throws {
        try await with { rig, _ in
            #expect(await rig.tool("must", ["ends": "done"]).text == "done")
            #expect(await rig.tool("must", ["ends": "done"]).result?["_meta"] == nil)
            let other = await rig.tool("job")
            #expect(other.text == "job")
            _ = try await rig.line(containing: "call job task=null")
        }
    }

    @Test func `who waits for a hidden task may cancel it, or run out of time`() async throws {
        try await with { rig, _ in
            // Long enough for the task to be made first, also on a busy machine.
            let call: JSON = ["name": "must", "arguments": [:]]
            let late = await rig.call("tools/call", call, timeLeft: .seconds(3))
            #expect(late.failure?.reason == .deadlineExceeded)
            _ = try await rig.line(containing: "cancelled t1")
        }
    }

    @Test func `what answers at once makes no task`() async throws {
        try await with { rig, _ in
            #expect(await rig.tool("quick", client: Self.able).text == "quick")
            #expect(await rig.tool("plain", client: Self.able).text == "plain")
            // A wish for a task in the params is legacy's, and none of a modern caller.
            let wished = await rig.call("tools/call", ["name": "job", "arguments": [:], "task": [:]])
            #expect(wished.text == "job")
        }
    }

    @Test func `a task's question is answered by an update`() async throws {
        try await with { rig, _ in
            let made = await rig.tool("ask", client: Self.askable)
            let id = made.result?["taskId"]
            let waits = try await task(rig, id, .inputRequired)
            let asked = waits["inputRequests"]?["input-1"]
            #expect(asked?["method"] == "elicitation/create" && asked?["params"]?["mode"] == "form")
            #expect(asked?["params"]?["_meta"] == nil)
            let nothing = await ask(
                rig, Method.tasksUpdate, id, [("inputResponses", ["nobody": ["action": "accept"]])])
            #expect(nothing.result == ["resultType": "complete"])
            _ = try await task(rig, id, .inputRequired)
            let answer: JSON = ["input-1": ["action": "decline"]]
            _ = await ask(rig, Method.tasksUpdate, id, [("inputResponses", answer)])
            let done = try await task(rig, id, .completed)
            #expect(done.pointer("/result/content/0/text") == #"{"action": "decline"}"#)
        }
    }

    @Test func `two tasks in one session ask each for itself`() async throws {
        try await with { rig, _ in
            let ids = [
                await rig.tool("ask", client: Self.askable), await rig.tool("ask", client: Self.askable),
            ]
            .map { $0.result?["taskId"] }
            for id in ids {
                let waits = try await task(rig, id, .inputRequired)
                #expect(waits.pointer("/inputRequests/input-1/params/message") == id)
            }
        }
    }

    @Test func `a hidden task's question suspends the call`() async throws {
        try await with { rig, _ in
            let forms = ClientFacts(capabilities: AskingServer.form)
            let asked = await rig.tool("ask", client: forms)
            #expect(asked.result?["resultType"] == "input_required", "\(asked)")
            let done = await rig.call(
                "tools/call",
                [
                    "name": "ask", "arguments": [:], "requestState": asked.result?["requestState"] ?? .null,
                    "inputResponses": ["elicitation-1": ["action": "decline"]],
                ], client: forms)
            #expect(done.text == #"{"action": "decline"}"#, "\(done)")
        }
    }

    @Test func `a cancelled task is cancelled at its server`() async throws {
        try await with { rig, _ in
            let id = await rig.tool("job", client: Self.able).result?["taskId"]
            #expect(await ask(rig, Method.tasksCancel, id).result == ["resultType": "complete"])
            _ = try await rig.line(containing: "cancelled t1")
            let cancelled = try await task(rig, id, .cancelled)
            #expect(cancelled["error"] == nil && cancelled["result"] == nil)
        }
    }

    @Test func `a task that fails, or whose server goes, has failed`() async throws {
        try await with { rig, _ in
            let first = await rig.tool("job", client: Self.able).result?["taskId"]
            _ = await rig.tool("end", ["id": first ?? .null, "error": "no such thing"])
            let failed = try await task(rig, first, .failed)
            #expect(failed["error"]?["code"] == -32602 && failed["result"] == nil)
            let second = await rig.tool("job", client: Self.able).result?["taskId"]
            _ = await rig.tool("end", ["crash": true])
            let lost = try await task(rig, second, .failed)
            #expect(lost["error"]?["data"]?["reason"]?.string != nil)
            // The first is still known here, though its server has forgotten it.
            #expect(try await task(rig, first, .failed) == failed)
        }
    }

    @Test func `another caller's task is as good as none`() async throws {
        try await with { rig, _ in
            let id = await rig.tool("job", client: Self.able).result?["taskId"]
            let foreign = await rig.call(
                Method.tasksGet, ["taskId": id ?? .null], client: Self.able,
                caller: Caller(issuer: "key", subject: "mallory"))
            #expect(foreign.failure?.reason == .unknownEntry)
        }
    }
}
