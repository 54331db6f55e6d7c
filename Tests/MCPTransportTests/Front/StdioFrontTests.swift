import Glibc
import JSONSlice
import MCPModel
import MartletTestKit
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

@Suite(.timeLimit(.minutes(1)))
struct StdioFrontTests {
    /// The client's end of the pipes of a stdio front.
    struct Client {
        let pipe: LinePipe
        var lines: AsyncStream<JSON>.Iterator

        mutating func next() async -> JSON? { await lines.next() }

        func say(_ bytes: [UInt8]) { pipe.write(bytes) }

        mutating func ask(_ method: String, _ params: JSON = [:], id: JSON = 1) async -> JSON? {
            say(FrontRig.legacyBody(method, params, id: id))
            return await next()
        }
    }

    private func with(
        _ service: MCPService = FrontRig.sample, limits: FrontLimits = .standard,
        _ body: (inout Client) async throws -> Void
    ) async throws {
        var (down, up): ([CInt], [CInt]) = ([0, 0], [0, 0])
        try #require(pipe(&down) == 0 && pipe(&up) == 0)
        let front = StdioFront(service: service, limits: limits)
        let (input, output) = (down[0], up[1])
        async let served: Void = front.serve(input: input, output: output, on: FrontRig.loops)
        let (stream, continuation) = AsyncStream.makeStream(of: JSON.self)
        let pipe = try await LinePipe.open(
            input: up[0], output: down[1], on: FrontRig.loops.next(), lineBytesMax: 1 << 20,
            backlogMax: 1 << 20,
            onLine: { line in
                if case .line(let bytes) = line, let json = try? JSON(validating: bytes) {
                    continuation.yield(json)
                }
            }, onEnd: { continuation.finish() })
        var client = Client(pipe: pipe, lines: stream.makeAsyncIterator())
        do {
            try await body(&client)
        } catch {
            pipe.close()
            throw error
        }
        pipe.close()
        try await served
    }

    @Test func `a modern client is served request by request`() async throws {
        try await with { client in
            client.say(FrontRig.modernBody("server/discover", id: "d"))
            let discovered = await client.next()
            #expect(discovered?["result"]?["supportedVersions"]?[0]?.string == "2026-07-28")
            client.say(FrontRig.modernBody("tools/call", ["name": "echo", "arguments": ["text": "a\nb"]]))
            #expect(await client.next()?["result"]?["content"]?[0]?["text"]?.string == "a\nb")
        }
    }

    @Test(arguments: [true, false])
    func `a task is the client's once it is answered, and is cancelled where the client took the call back`(
        isTakenBack: Bool
    ) async throws {
        let server = TaskServer()
        try await with(server.service) { client in
            // The one is answered at once, the other when the server says so.
            let name = isTakenBack ? "slow" : "job"
            client.say(
                FrontRig.modernBody(
                    Method.toolsCall, ["name": .string(name), "arguments": [:]], id: "c",
                    capabilities: TasksExtension.required))
            if isTakenBack {
                while server.calls.isEmpty {
                    try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
                }
            } else {
                #expect(await client.next()?.pointer("/result/taskId") == "t/1")
            }
            client.say(
                Array(
                    #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}}"#.utf8))
            client.say(FrontRig.modernBody("server/discover", id: "d"))
            #expect(await client.next()?["id"] == "d")
            server.nameSlowTasks()
        }
        let cancelled = server.calls.filter { $0.method == Method.tasksCancel }
        #expect(cancelled.map { $0.params["taskId"] } == (isTakenBack ? ["t/1"] : []))
    }

    @Test(arguments: ProtocolRevision.legacy)
    func `a legacy client initializes and calls`(revision: ProtocolRevision) async throws {
        try await with { client in
            let welcome = await client.ask(
                "initialize", ["protocolVersion": .string(revision.rawValue), "capabilities": [:]])
            #expect(welcome?["result"]?["protocolVersion"]?.string == revision.rawValue)
            client.say(Array(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.utf8))
            let sum = await client.ask("tools/call", ["name": "add", "arguments": ["a": 2, "b": 3]], id: 7)
            #expect(sum?["id"]?.int == 7)
            #expect(sum?["result"]?["content"]?[0]?["text"]?.string == "5")
        }
    }

    @Test func `a legacy client is asked on the same pipe`() async throws {
        try await with { client in
            _ = await client.ask(
                "initialize",
                ["protocolVersion": "2025-11-25", "capabilities": ["elicitation": ["form": [:]]]])
            let asked = await client.ask(
                "tools/call", ["name": "confirm", "arguments": ["question": "?"]], id: 2)
            #expect(asked?["params"]?["mode"]?.string == "form")
            let id = try #require(asked?["id"])
            client.say(
                Array(
                    (["jsonrpc": "2.0", "id": id, "result": ["action": "accept", "content": ["ok": true]]]
                        as JSON)
                        .bytes))
            #expect(await client.next()?["result"]?["content"]?[0]?["text"]?.string == "The user confirmed.")
        }
    }

    @Test func `cancelled stops a modern call, and ends a listen gracefully`() async throws {
        let probe = ServiceProbe()
        try await with(probe.service) { client in
            client.say(FrontRig.modernBody("tools/call", ["name": "x"], id: 5))
            await probe.wait(for: "call")
            client.say(
                Array(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#.utf8))
            await probe.wait(for: "cancel")
            client.say(
                FrontRig.modernBody(
                    "subscriptions/listen", ["notifications": ["toolsListChanged": true]], id: 6))
            #expect(await client.next()?["method"]?.string == "notifications/subscriptions/acknowledged")
            client.say(
                Array(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":6}}"#.utf8))
            let end = await client.next()
            #expect(end?["id"]?.int == 6)
            #expect(end?["result"]?["_meta"]?["io.modelcontextprotocol/subscriptionId"]?.int == 6)
        }
    }

    @Test func `lines that are no messages are answered and harm nobody`() async throws {
        var limits = FrontLimits()
        limits.message.bytesMax = 200
        try await with(limits: limits) { client in
            client.say(Array("not json".utf8))
            #expect(await client.next()?["error"]?["code"]?.int == -32700)
            client.say(Array(repeating: UInt8(ascii: "x"), count: 300))
            #expect(await client.next()?["error"]?["code"]?.int == -32600)
            #expect(await client.ask("tools/list")?["error"]?["code"]?.int == -32602)
            #expect(await client.ask("ping")?["result"] == .emptyObject)
        }
    }

    @Test func `the end of the input cancels what runs`() async throws {
        let probe = ServiceProbe()
        try await with(probe.service) { client in
            client.say(FrontRig.modernBody("tools/call", ["name": "x"], id: 5))
            await probe.wait(for: "call")
        }
        await probe.wait(for: "cancel")
        #expect(probe.cancelled == 1)
    }

    @Test func `a client behind a pipe is told only of the lists that have changed`() {
        let told = Mutex<[ListChange]>([])
        let backend = BackendService(timeout: .seconds(1))
        let listing = { (tools: [JSON]) in
            BackendListing(
                era: .modern, revision: .v2026_07_28, serverInfo: [:], capabilities: [:],
                entries: tools.map { (.tools, $0) } + [(.prompts, ["name": "greet"])])
        }
        backend.take(.listed(listing([["name": "a"]])))
        let service = backend.service { _, _ in .finished }
        let watch = service.watch(.all, .anonymous) { change in told.withLock { $0.append(change) } }
        backend.take(.listed(listing([["name": "a"]])))
        backend.take(.listed(listing([["name": "a"], ["name": "b"]])))
        watch.cancel()
        #expect(told.withLock { $0 } == [.tools])
    }
}
