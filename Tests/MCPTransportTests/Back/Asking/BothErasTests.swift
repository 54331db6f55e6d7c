import HTTPWire
import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// Servers that speak both eras, called for clients of either (decision 17).
@Suite(.timeLimit(.minutes(1)))
struct BothErasTests {
    private static let legacy = ClientFacts(capabilities: AskingServer.form, era: .legacy)
    private static let modern = ClientFacts(capabilities: AskingServer.form)

    private func with(
        _ service: MCPService = FrontRig.sample,
        admits: @escaping @Sendable (HTTPExchange) -> Bool = { _ in true },
        _ body: (BackendRig) async throws -> Void
    ) async throws {
        try await FrontRig.with(service, admits: admits) { front in
            let target = BackendTarget.http(url: front.url("/mcp"), headers: [])
            try await BackendRig.with(target, seal: AskingServer.seal) { rig in
                let listing = try await rig.listing()
                #expect(listing.era == .modern)
                try await body(rig)
            }
        }
    }

    /// Says in which era it was called, and asks nothing.
    private static func parrot(
        _ answer: @escaping @Sendable (ClientFacts) -> CallEvent = {
            .result([
                "resultType": "complete", "content": [["type": "text", "text": .string($0.era.rawValue)]],
            ])
        }
    ) -> MCPService {
        var service = FrontRig.sample
        service.list = { _, _, kind, _ in
            let names = kind == .tools ? ["x", "y"] : []
            return .success(
                ListPage(items: names.map { ["name": .string($0), "inputSchema": ["type": "object"]] }))
        }
        service.call = { call, sink in
            sink(answer(call.client))
            return .finished
        }
        return service
    }

    @Test func `a legacy client that can be asked is served in its own era, any other in the modern one`()
        async throws
    {
        try await with(Self.parrot()) { rig in
            #expect(await rig.tool("x", client: Self.legacy).text == "legacy")
            #expect(await rig.tool("x", client: Self.modern).text == "modern")
            #expect(await rig.tool("x", client: ClientFacts(era: .legacy)).text == "modern")
            var task = Self.legacy
            task.capabilities = TasksExtension.declared(in: task.capabilities)
            #expect(await rig.tool("x", client: task).text == "modern")
        }
    }

    @Test func `what a server lists in the modern era alone is called there`() async throws {
        var service = Self.parrot()
        let asked = Mutex(0)
        let all = service.list
        // The modern era lists first; sessions are opened for calls.
        service.list = { endpoint, caller, kind, cursor in
            guard kind == .tools,
                asked.withLock({ count in
                    count += 1
                    return count > 1
                })
            else { return all(endpoint, caller, kind, cursor) }
            return .success(ListPage(items: [["name": "x", "inputSchema": ["type": "object"]]]))
        }
        try await with(service) { rig in
            #expect(await rig.tool("y", client: Self.legacy).text == "modern")
            #expect(await rig.tool("x", client: Self.legacy).text == "legacy")
            #expect(await rig.tool("y", client: Self.legacy).text == "modern")
        }
    }

    @Test func `what a session asks is answered in the next leg`() async throws {
        try await with { rig in
            let asked = await rig.tool("confirm", ["question": "Sure?"], client: Self.legacy)
            #expect(asked.result?["requestState"]?.string?.hasPrefix(RequestState.prefix) == true)
            let retry: JSON = [
                "name": "confirm", "arguments": ["question": "Sure?"],
                "requestState": asked.result?["requestState"] ?? .null,
                "inputResponses": ["elicitation-1": ["action": "accept", "content": ["ok": true]]],
            ]
            let done = await rig.call("tools/call", retry, client: Self.legacy)
            #expect(done.text == "The user confirmed.")
        }
    }

    @Test func `where no session is to be had, legacy clients are served as modern ones`() async throws {
        let admits = { @Sendable (exchange: HTTPExchange) in
            exchange.headers.first("mcp-protocol-version") == "2026-07-28"
        }
        try await with(Self.parrot(), admits: admits) { rig in
            #expect(await rig.tool("x", client: Self.legacy).text == "modern")
            #expect(await rig.tool("y", client: Self.legacy).text == "modern")
        }
    }

    @Test(arguments: [
        (-32603, "Handler returned an invalid result"),
        (-32602, "Tool 'x' returned an InputRequiredResult to …"),
    ])
    func `a tool that no session has words for is asked in the modern way from then on`(
        code: Int, message: String
    ) async throws {
        let inSessions = Mutex(0)
        let service = Self.parrot { client in
            guard client.era == .legacy else {
                return .result(["resultType": "input_required", "requestState": "its own"])
            }
            inSessions.withLock { $0 += 1 }
            return .error(["code": .number(code), "message": .string(message)])
        }
        try await with(service) { rig in
            for _ in 1...2 {
                let asked = await rig.tool("x", client: Self.legacy)
                #expect(asked.result?["requestState"]?.string == "its own")
            }
            let retry: JSON = ["name": "x", "arguments": [:], "requestState": "its own"]
            #expect(await rig.call("tools/call", retry, client: Self.legacy).result != nil)
        }
        #expect(inSessions.withLock { $0 } == 1)
    }

    @Test(arguments: [
        (-32603, "Internal error: the disk is full"), (-32603, "Step 3: invalid result of the disk"),
        (-32602, "there is no tool x"), (-32000, "no"),
    ])
    func `any other error in a session is the answer`(code: Int, message: String) async throws {
        let calls = Mutex(0)
        let service = Self.parrot { _ in
            calls.withLock { $0 += 1 }
            return .error(["code": .number(code), "message": .string(message)])
        }
        try await with(service) { rig in
            let outcome = await rig.tool("x", client: Self.legacy)
            #expect(outcome.error?["message"]?.string == message)
        }
        #expect(calls.withLock { $0 } == 1)
    }

    @Test func `a question on the stream of the session is heard though its call is the first there`()
        async throws
    {
        var limits = BackendRig.limits
        limits.attentionMax = .seconds(20)  // so that only the stream ends the wait
        try await AskingServer.withHTTP(onOwnStream: true) { target in
            try await BackendRig.with(target, limits: limits, seal: AskingServer.seal) { rig in
                _ = try await rig.listing()
                let asked = await rig.tool("x", ["message": "Sure?"], client: Self.legacy)
                let question = asked.result?["inputRequests"]?["elicitation-1"]
                #expect(question?["params"]?["message"]?.string == "Sure?")
            }
        }
    }
}
