import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

/// What counts as a word of the backend.
@Suite(.timeLimit(.minutes(1)))
struct LifeSignTests {
    private static let able = ClientFacts(capabilities: TasksExtension.required)

    @Test func `what the gateway itself answers for a backend is no sign of life of it`() async throws {
        try await BackendRig.with(
            LegacyTaskServer.target, limits: BackendRig.limits, seal: AskingServer.seal
        ) { rig in
            _ = try await rig.listing()
            let made = await rig.tool("job", client: Self.able)
            let id = try #require(made.result?["taskId"])
            _ = await rig.tool("end", ["id": id, "text": "done"])
            let ask = { await rig.call(Method.tasksGet, ["taskId": id], client: Self.able) }
            while await ask().result?.pointer("/result/content/0/text") != "done" {
                try Task.checkCancellation()
                try await Task.sleep(for: .milliseconds(2))  // a condition with the suite's deadline
            }
            let last = try #require(rig.backend.lastAnswer)
            for _ in 1...3 { #expect(await ask().result != nil) }
            #expect(rig.backend.lastAnswer == last, "its result lies here")
            _ = await rig.tool("plain")
            #expect(try #require(rig.backend.lastAnswer) > last)
        }
    }

    @Test func `what is refused before it goes out says that it did not`() async throws {
        var limits = BackendRig.limits
        limits.callsMax = 0
        try await BackendRig.with(LegacyTaskServer.target, limits: limits) { rig in
            let failure = await rig.tool("plain").failure
            #expect(failure?.reason == .limited && failure?.isUnsent == true)
        }
    }

    @Test(arguments: [BackendFault.Kind.lost, .authNeeded, .broken, .timedOut, .refused(status: 500)])
    func `a fault says that nothing was sent only where that is sure`(kind: BackendFault.Kind) {
        let request = BackendRig.request(Method.toolsCall, [:])
        let fault = BackendFault(kind, "why")
        #expect(!fault.failure(of: request, backend: "b").isUnsent)
        let early = fault.beforeSending.failure(of: request, backend: "b")
        #expect(early.isUnsent && early.reason != .outcomeUnknown)
    }
}
