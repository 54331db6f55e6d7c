import Catalog
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Mesh
import Synchronization
import Testing

@testable import Gateway
@testable import MeshTransport

/// Watched resources from an entry node's endpoints to the owner's backend and back: two nodes' parts, a real backend, no
/// network between the nodes.
@Suite(.timeLimit(.minutes(1)))
struct ResourceSubscriptionsTests {
    private let server = WatchProbe(refusing: ["note:none"])

    private struct Nodes: Sendable {
        var here: ResourceSubscriptions
        var there: ResourceSubscriptions
        /// While it holds something, `there` finds no way to `here`.
        let isCut = Box<Bool>()
        /// Calls that went from `there` to `here`, and those that were cancelled.
        let forwarded = Box<ForwardedCall>()
        let cancelled = Box<Bool>()
        /// Where the last of them is told.
        let sinks = Box<CallSink>()
    }

    private func with(_ body: (Nodes) async throws -> Void) async throws {
        let local = LocalServers()
        try await BackendHost.with(server.service) { backend in
            local.put("notes", backend, concurrency: 1)
            let desk = OwnerDesk(
                local: local, label: { "here" }, isShared: { _, _ in true },
                access: AccessDesk(board: CatalogBoard(me: .here, nameLengthMax: 50)))
            let made = try Nodes(
                here: subscriptions(at: .here, local) { _, _ in .finished },
                there: subscriptions(at: .there, LocalServers()) { _, _ in .finished })
            var nodes = made
            nodes.there = try subscriptions(at: .there, LocalServers()) { call, sink in
                made.forwarded.add(call)
                guard made.isCut.values.isEmpty else {
                    sink(.failure(CallFailure(.ownerUnreachable, "silent for 9 s", node: "here")))
                    return .finished
                }
                made.sinks.add(sink)
                let handle = desk.serve(
                    IncomingMeshCall(
                        server: call.server, request: call.request, principal: .node(.there)), sink)
                return CallHandle {
                    made.cancelled.add(true)
                    handle.cancel()
                }
            }
            try await body(nodes)
        }
    }

    private func subscriptions(
        at me: NodeID, _ local: LocalServers,
        _ forward: @escaping @Sendable (ForwardedCall, @escaping CallSink) -> CallHandle
    ) throws -> ResourceSubscriptions {
        let board = CatalogBoard(me: me, nameLengthMax: 50)
        var snapshot = CatalogSnapshot.sample()
        snapshot.me = me
        for (name, capabilities) in [("notes", server.capabilities), ("mute", ["resources": [:]])] {
            let entries = try [Entry].resources("note:todo")
            var known = CatalogSnapshot.KnownServer.sample(try #require(Label(name)), on: .here, entries)
            known.manifest = Manifest(
                entries: entries, instructions: nil, capabilities: capabilities, serverInfo: .emptyObject)
            snapshot.servers[known.record.key] = known
        }
        board.publish(snapshot)
        var limits = SubscriptionLimits()
        limits.backoffMin = .milliseconds(20)
        limits.backoffMax = .milliseconds(50)
        return ResourceSubscriptions(
            board: board, local: local, label: { me == .here ? "here" : "there" }, limits: limits,
            forward: forward)
    }

    /// One client's wish, and what came of it.
    private final class Client: Sendable {
        private let words: AsyncStream<String>
        private let token: WatchToken
        private let told = Box<String>()
        var heard: [String] { told.values }

        init(
            _ subscriptions: ResourceSubscriptions, _ uri: String, at endpoint: EndpointName = .all,
            _ principal: Principal = .anonymous
        ) {
            let (words, say) = AsyncStream.makeStream(of: String.self)
            self.words = words
            let told = told
            let hear = { @Sendable (word: String) in
                told.add(word)
                say.yield(word)
            }
            token = subscriptions.watch(
                ResourceInterest(
                    endpoint: endpoint, principal: principal, uri: uri,
                    settled: { hear($0.map { "refused \($0.code)" } ?? "honoured") },
                    updated: { hear($0["uri"]?.string ?? "?") }))
        }

        func next() async -> String? { for await word in words { return word }; return nil }
        func end() { token.cancel() }
    }

    private func until(_ isSo: () -> Bool) async throws {
        while !isSo() {
            try await Task.sleep(for: .milliseconds(2))  // a condition; the suite has a deadline
        }
    }

    @Test func `all who watch a resource of another node share one call, each in its endpoint's names`()
        async throws
    {
        try await with { nodes in
            let merged = Client(nodes.there, "martlet://here--notes/note:todo")
            let own = Client(nodes.there, "note:todo", at: .server("here--notes"))
            #expect(await merged.next() == "honoured")
            #expect(await own.next() == "honoured")
            #expect(nodes.forwarded.values.count == 1 && nodes.there.count == 1)
            let sent = try #require(nodes.forwarded.values.first)
            #expect(sent.request.params == ResourceSubscription.params(uri: "note:todo"))
            #expect(sent.caller == Caller(issuer: "node", subject: NodeID.there.description))
            let atHome = Client(nodes.here, "martlet://notes/note:todo")
            #expect(await atHome.next() == "honoured")
            #expect(server.watched == ["note:todo"], "the owner asks its server once")

            server.update("note:todo")
            #expect(await merged.next() == "martlet://here--notes/note:todo")
            #expect(await own.next() == "note:todo")
            #expect(await atHome.next() == "martlet://notes/note:todo")

            merged.end()
            #expect(nodes.cancelled.values.isEmpty)
            own.end()
            try await until { !nodes.cancelled.values.isEmpty }
            #expect(nodes.there.count == 0)
            atHome.end()
            try await until { server.watched.isEmpty }
        }
    }

    @Test func `an owner that cannot be reached is tried again, and then a miss is told`() async throws {
        try await with { nodes in
            nodes.isCut.add(true)
            let client = Client(nodes.there, "martlet://here--notes/note:todo")
            #expect(await client.next() == "honoured", "as soon as it can be")
            nodes.isCut.empty()
            #expect(await client.next() == "martlet://here--notes/note:todo")
            // And again when the way breaks later.
            nodes.sinks.values.last?(.failure(CallFailure(.outcomeUnknown, "the link broke")))
            #expect(await client.next() == "martlet://here--notes/note:todo")
            server.update("note:todo")
            #expect(await client.next() == "martlet://here--notes/note:todo")
            client.end()
        }
    }

    private static let changes: [(what: String, uses: JSON, access: JSON?, isLost: Bool)] = [
        ("kept from all but Bob", [:], ["key:bob"], true),
        ("hidden", ["hide": ["note:*"]], nil, false),
        ("as it was", [:], ["key:bob", "key:alice"], false),
    ]

    @Test(arguments: 0..<3)
    func `who may not read a resource any more hears no more of it`(number: Int) async throws {
        let notes = ServerKey(owner: .here, name: "notes").reference
        let definition = { (change: JSON, access: JSON?) -> JSON in
            let use = change.setting("from", to: .string(notes))
            return access.map { ["use": [use], "access": $0] } ?? ["use": [use]]
        }
        let change = Self.changes[number]
        let local = LocalServers()
        try await BackendHost.with(server.service) { backend in
            local.put("notes", backend, concurrency: 1)
            let board = CatalogBoard(me: .here, nameLengthMax: 50)
            let publish = { (word: JSON) throws in
                var snapshot = CatalogSnapshot.sample()
                var known = CatalogSnapshot.KnownServer.sample("notes", try .resources("note:todo"))
                known.manifest = Manifest(
                    entries: try .resources("note:todo"), instructions: nil,
                    capabilities: server.capabilities,
                    serverInfo: .emptyObject)
                snapshot.servers[known.record.key] = known
                board.publish(snapshot.with(virtual: "desk", word))
            }
            try publish(definition([:], nil))
            let here = ResourceSubscriptions(board: board, local: local, label: { "here" }) { _, _ in
                .finished
            }
            let uri = "martlet://notes/note:todo"
            let alice = Client(here, uri, at: .server("desk"), AccessDeskTests.alice)
            let all = Client(here, uri)
            #expect(await alice.next() == "honoured")
            #expect(await all.next() == "honoured")
            server.update("note:todo")
            #expect(await alice.next() != nil)
            #expect(await all.next() != nil)

            try publish(definition(change.uses, change.access))
            for _ in 0..<2 {
                server.update("note:todo")
                // Both are told in one go, so that after the second all is told of the first.
                #expect(await all.next() == "martlet://notes/note:todo")
            }
            #expect(
                alice.heard.count == (change.what == "as it was" ? 4 : 2), "\(change.what): \(alice.heard)")
            all.end()
            try await until { here.count == (change.isLost ? 0 : 1) }
            // What was only hidden is heard of again.
            try publish(definition([:], nil))
            server.update("note:todo")
            if !change.isLost { try await until { alice.heard.count > (number == 2 ? 4 : 2) } }
            alice.end()
            try await until { here.count == 0 }
        }
    }

    @Test(arguments: [
        ("martlet://here--notes/note:none", EndpointName.all, -32602),
        ("note:none", .server("here--notes"), -32602),
        ("martlet://here--mute/note:todo", .all, -32601),
        ("nowhere:x", .all, -32602),
        ("note:todo", .server("nothing"), -32602),
    ])
    func `what cannot be watched is refused`(uri: String, endpoint: EndpointName, code: Int) async throws {
        try await with { nodes in
            #expect(await Client(nodes.there, uri, at: endpoint).next() == "refused \(code)")
            #expect(nodes.there.count == 0)
        }
    }

    @Test(
        arguments: [
            ["notifications": ["toolsListChanged": true]],
            ["notifications": ["resourceSubscriptions": ["a:1", "b:2"]]],
            ["notifications": ["resourceSubscriptions": ["a:1"], "toolsListChanged": true]], [:],
        ] as [JSON])
    func `nothing but one resource is listened to from node to node`(params: JSON) async throws {
        let local = LocalServers()
        try await BackendHost.with(server.service) { backend in
            local.put("notes", backend, concurrency: 1)
            let desk = OwnerDesk(
                local: local, label: { "here" }, isShared: { _, _ in true },
                access: AccessDesk(board: CatalogBoard(me: .here, nameLengthMax: 50)))
            let heard = Box<CallEvent>()
            _ = desk.serve(
                IncomingMeshCall(
                    server: "notes",
                    request: CallRequest(
                        id: CallID(high: 1, low: 2), method: Method.subscriptionsListen, params: params,
                        client: ClientFacts(), caller: .anonymous, timeLeft: .seconds(5)),
                    principal: .node(.there))
            ) { heard.add($0) }
            guard case .error(let error)? = heard.values.first else {
                Issue.record("\(heard.values)"); return
            }
            #expect(error["code"]?.int == -32602)
        }
    }
}
