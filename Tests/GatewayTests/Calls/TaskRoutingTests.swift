import Catalog
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Mesh
import NIOPosix
import Testing

@testable import Gateway
@testable import MeshTransport

/// A task from its maker's entry node to the owner and back: two nodes' routers, a real backend, no network between.
@Suite(.timeLimit(.minutes(1)))
struct TaskRoutingTests {
    /// Vouched for by an issuer, so he is the same at both nodes.
    private static let me = Caller(issuer: "https://idp.example.com", subject: "me")
    private let server = TaskServer()

    /// Both nodes as callers see them: at `here`, which owns the server `jobs`, and at `there`.
    private struct Nodes: Sendable {
        var here: CallRouter
        var there: CallRouter
        /// Whether `there` still finds a way to `here`.
        let isCut = Box<Bool>()
    }

    private func with(_ body: (Nodes) async throws -> Void) async throws {
        let local = LocalServers()
        try await BackendHost.with(server.service) { backend in
            local.put("jobs", backend, concurrency: 8)
            let desk = OwnerDesk(
                local: local, label: { "here" }, isShared: { _, _ in true },
                access: AccessDesk(board: CatalogBoard(me: .here, nameLengthMax: 50)))
            var nodes = try Nodes(
                here: router(at: .here, local) { _, _ in .finished },
                there: router(at: .there, LocalServers()) { _, _ in .finished })
            let isCut = nodes.isCut
            nodes.there = try router(at: .there, LocalServers()) { call, sink in
                guard isCut.values.isEmpty else {
                    sink(.failure(CallFailure(.ownerUnreachable, "silent for 9 s", node: "here")))
                    return .finished
                }
                return desk.serve(
                    IncomingMeshCall(
                        server: call.server, request: call.request,
                        principal: WirePrincipal(
                            issuer: call.caller.issuer, subject: call.caller.subject, entryNode: .there)),
                    sink)
            }
            try await body(nodes)
        }
    }

    private func router(
        at me: NodeID, _ local: LocalServers,
        _ forward: @escaping @Sendable (ForwardedCall, @escaping CallSink) -> CallHandle
    ) throws -> CallRouter {
        let board = CatalogBoard(me: me, nameLengthMax: 50)
        var snapshot = CatalogSnapshot.sample()
        snapshot.me = me
        let entries = try [Entry].tools("job", "ask")
        var known = CatalogSnapshot.KnownServer.sample("jobs", on: .here, entries)
        known.record.revision = "2026-07-28"
        known.manifest = Manifest(
            entries: entries, instructions: nil, capabilities: TaskServer.description.capabilities,
            serverInfo: .emptyObject)
        snapshot.servers[known.record.key] = known
        board.publish(snapshot)
        return CallRouter(
            board: board, local: local, label: { me == .here ? "here" : "there" }, forward: forward)
    }

    private func call(
        _ router: CallRouter, _ method: String, _ params: JSON, at endpoint: EndpointName = .all,
        caller: Caller = me, capabilities: JSON = TasksExtension.required
    ) async -> CallEvent {
        await withCheckedContinuation { continuation in
            let call = EndpointCall(
                endpoint: endpoint, principal: Principal(caller), method: method, params: params,
                client: ClientFacts(capabilities: capabilities))
            _ = router.call(call) { event in if event.isFinal { continuation.resume(returning: event) } }
        }
    }

    @Test func `a task made through one node is asked after through another`() async throws {
        try await with { nodes in
            let made = await call(nodes.there, Method.toolsCall, ["name": "here--jobs__job"])
            #expect(made.result?["resultType"]?.string == "task")
            #expect(made.result?["taskId"]?.string == "here--jobs/t/1")
            server.complete("t/1", "done")
            let there = await call(nodes.there, Method.tasksGet, ["taskId": "here--jobs/t/1"])
            #expect(there.result?.pointer("/result/content/0/text")?.string == "done")
            #expect(there.result?["taskId"]?.string == "here--jobs/t/1")
            let here = await call(nodes.here, Method.tasksGet, ["taskId": "jobs/t/1"])
            #expect(here.result?["taskId"]?.string == "jobs/t/1")
            let own = await call(
                nodes.there, Method.tasksGet, ["taskId": "t/1"], at: .server("here--jobs"))
            #expect(own.result?["taskId"]?.string == "t/1")
        }
    }

    @Test func `answers go to the task's server through the mesh`() async throws {
        try await with { nodes in
            _ = await call(nodes.there, Method.toolsCall, ["name": "here--jobs__ask"])
            for key in ["first", "second"] {
                let answer: JSON = ["action": "accept", "content": [:]]
                let update: JSON = [
                    "taskId": "here--jobs/t/1", "inputResponses": .object([(key, answer)]),
                ]
                #expect(await call(nodes.there, Method.tasksUpdate, update).result != nil)
            }
            let done = await call(nodes.there, Method.tasksGet, ["taskId": "here--jobs/t/1"])
            #expect(done.result?["status"]?.string == "completed")
            #expect(await call(nodes.there, Method.tasksCancel, ["taskId": "here--jobs/t/1"]).result != nil)
        }
    }

    @Test func `what a task's server says unasked goes to its caller through the mesh`() async throws {
        try await with { nodes in
            _ = await call(nodes.there, Method.toolsCall, ["name": "here--jobs__job"])
            let told = Box<JSON>()
            let listen = EndpointCall(
                endpoint: .all, principal: Principal(Self.me), method: Method.subscriptionsListen,
                params: TaskSubscription.params(taskID: "here--jobs/t/1"),
                client: ClientFacts(capabilities: TasksExtension.required))
            let handle = nodes.there.call(listen) { event in
                if case .notification(Method.tasks, let task) = event { told.add(task) }
            }
            // What the server was asked before it was listened to is no news.
            while server.last(Method.tasksGet) == nil {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            server.complete("t/1", "done")
            while told.values.last?["status"] != "completed" {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            #expect(told.values.last?["taskId"] == "here--jobs/t/1")
            handle.cancel()
        }
    }

    @Test func `no more tasks are listened to than may be, and the end of a listen makes room`() async throws
    {
        let began = Box<CallHandle>()
        let router = try router(at: .there, LocalServers()) { _, _ in CallHandle {} }
        let listen = { @Sendable (number: Int) -> Reason? in
            let failed = Box<Reason>()
            let handle = router.call(
                EndpointCall(
                    endpoint: .all, principal: Principal(Caller(issuer: "key", subject: "c\(number)")),
                    method: Method.subscriptionsListen,
                    params: TaskSubscription.params(taskID: "here--jobs/t/1"),
                    client: ClientFacts(capabilities: TasksExtension.required))
            ) { event in if let failure = event.failure { failed.add(failure.reason) } }
            began.add(handle)
            return failed.values.first
        }
        // One caller does not take the room of the others.
        for _ in 1...CallRouter.listensPerCallerMax { #expect(listen(0) == nil) }
        #expect(listen(0) == .limited)
        for number in CallRouter.listensPerCallerMax..<CallRouter.listensMax {
            #expect(listen(number) == nil)
        }
        #expect(listen(1) == .limited)
        for _ in 1...2 { began.values.first?.cancel() }
        #expect(listen(0) == nil)
        #expect(listen(0) == .limited && listen(1) == .limited)
    }

    @Test(arguments: [("key", false), ("basic", false), ("local", true)])
    func `who has his name from one node finds his task there alone, and who has none anywhere`(
        issuer: String, moves: Bool
    ) async throws {
        try await with { nodes in
            let caller = Caller(issuer: issuer, subject: "anonymous")
            _ = await call(nodes.there, Method.toolsCall, ["name": "here--jobs__job"], caller: caller)
            let there = await call(
                nodes.there, Method.tasksGet, ["taskId": "here--jobs/t/1"], caller: caller)
            #expect(there.result != nil)
            let here = await call(nodes.here, Method.tasksGet, ["taskId": "jobs/t/1"], caller: caller)
            #expect((here.result != nil) == moves)
            #expect(moves || here.failure?.reason == .unknownEntry)
        }
    }

    @Test func `another caller finds no task, at either node`() async throws {
        try await with { nodes in
            _ = await call(nodes.there, Method.toolsCall, ["name": "here--jobs__job"])
            let other = Caller(issuer: "key", subject: "other")
            for (router, id) in [(nodes.there, "here--jobs/t/1"), (nodes.here, "jobs/t/1")] {
                let got = await call(router, Method.tasksGet, ["taskId": .string(id)], caller: other)
                #expect(got.failure?.reason == .unknownEntry)
            }
            #expect(server.last(Method.tasksGet) == nil)
        }
    }

    @Test func `a task whose owner cannot be reached fails with the mesh's reason`() async throws {
        try await with { nodes in
            _ = await call(nodes.there, Method.toolsCall, ["name": "here--jobs__job"])
            nodes.isCut.add(true)
            let got = await call(nodes.there, Method.tasksGet, ["taskId": "here--jobs/t/1"])
            #expect(got.failure?.reason == .ownerUnreachable && got.failure?.node == "here")
        }
    }

    @Test func `only an endpoint of one server passes extensions on that this gateway does not know`()
        async throws
    {
        let declared: JSON = ["roots": [:], "extensions": ["org.example/other": ["y": 2]]]
        try await with { nodes in
            _ = await call(
                nodes.there, Method.toolsCall, ["name": "here--jobs__job"], capabilities: declared)
            #expect(server.last(Method.toolsCall)?.client.capabilities == ["roots": [:]])
            _ = await call(
                nodes.there, Method.toolsCall, ["name": "job"], at: .server("here--jobs"),
                capabilities: declared)
            #expect(server.last(Method.toolsCall)?.client.capabilities == declared)
        }
    }
}

extension CallEvent {
    fileprivate var result: JSON? { if case .result(let result) = self { result } else { nil } }
    fileprivate var failure: CallFailure? { if case .failure(let failure) = self { failure } else { nil } }
}

/// A backend that is up, before a server of the test's own.
enum BackendHost {
    static func with(_ service: MCPService, _ body: (Backend) async throws -> Void) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let front = MCPFront(service: service, log: .silent)
        let listener = try await HTTPListener.bind(ListenAddress(host: "127.0.0.1", port: 0), group: group) {
            front.handle($0)
        }
        let http = HTTPClient(group: group)
        let (events, told) = AsyncStream<BackendEvent>.makeStream()
        let backend = Backend(
            name: "jobs", target: .http(url: "http://\(listener.address)/mcp", headers: []), group: group,
            http: http, secrets: { _ in [] }, log: .silent, events: { told.yield($0) })
        let outcome: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { await backend.run() }
                defer { tasks.cancelAll() }
                for await event in events { if case .state(.up, _) = event { break } }
                try await body(backend)
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        front.close()
        await http.shutdown()
        await listener.close()
        try outcome.get()
    }
}
