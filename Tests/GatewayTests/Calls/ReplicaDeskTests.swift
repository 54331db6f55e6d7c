import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Synchronization
import Testing

@testable import Gateway

/// Calls through the router to a server that another node fronts too. `there` and `here` front one backend.
struct ReplicaDeskTests {
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let local = LocalServers()
    private let forwarded = Box<ForwardedCall>()
    private let third = NodeID(ofKey: [77])

    /// `git` of three nodes, each naming the others; `here` does not front it unless told.
    private func publish(fronts: Bool = false, states: [NodeID: ServerState] = [:]) throws {
        var snapshot = CatalogSnapshot.sample()
        var far = try #require(snapshot.nodes[.there])
        far.id = third
        far.label = "third"
        far.segment = "far"
        snapshot.nodes[third] = far
        let segment = try #require(snapshot.nodes[.here]?.segment)
        snapshot.nodes[.there]?.segment = segment
        let owners: [(NodeID, Label)] =
            [(.there, "there"), (third, "third")] + (fronts ? [(.here, "here")] : [])
        for (owner, _) in owners {
            snapshot = snapshot.with(
                "git", on: owner, try .tools("clone"), state: states[owner] ?? .up)
            let key = ServerKey(owner: owner, name: "git")
            snapshot.servers[key]?.record.address = ContentHash(of: [1])
            snapshot.servers[key]?.record.replicaOf = owners.filter { $0.0 != owner }.map {
                ReplicaName(node: $0.1, server: "git")
            }
        }
        board.publish(snapshot)
    }

    /// - Parameter answers: by owner; each call that is forwarded gets its owner's.
    private func call(
        _ name: String = "there--git__clone", params: JSON = [:], client: ClientFacts = ClientFacts(),
        on router: CallRouter
    ) -> Heard {
        let heard = Heard()
        let params = params.setting("name", to: .string(name)).setting("arguments", to: [:])
        _ = router.call(
            EndpointCall(
                endpoint: .all, caller: .anonymous, method: Method.toolsCall, params: params, client: client),
            heard.sink)
        return heard
    }

    private func router(_ answers: [NodeID: CallEvent]) -> CallRouter {
        let forwarded = forwarded
        return CallRouter(board: board, local: local, label: { "here" }) { call, sink in
            forwarded.add(call)
            sink(answers[call.owner] ?? .result(["resultType": "complete", "content": []]))
            return .finished
        }
    }

    private func unsent(_ reason: Reason = .backendUnavailable) -> CallEvent {
        .failure(CallFailure(reason, "nobody there", isUnsent: reason == .backendUnavailable))
    }

    @Test func `a call goes to the replica on this segment, whichever was named`() throws {
        try publish()
        let router = router([:])
        for name in ["there--git__clone", "third--git__clone"] {
            #expect(call(name, on: router).result != nil)
        }
        #expect(forwarded.values.map(\.owner) == [.there, .there])
    }

    @Test func `a replica on this node comes first`() async throws {
        try publish(fronts: true)
        local.put("git", StillBackend.make("git"), concurrency: 1)
        // This one is down, which shows that it was tried, and the call has reached nobody.
        #expect(call(on: router([:])).result != nil)
        #expect(forwarded.values.count == 1)
        let second = call(on: router([:]))
        #expect(second.result != nil)
    }

    @Test(arguments: [Reason.backendUnavailable, .ownerUnreachable, .noPath])
    func
        `what provably reached nobody goes to another replica, as another call, and the caller hears one answer`(
            reason: Reason
        ) throws
    {
        try publish()
        let heard = call(on: router([.there: unsent(reason)]))
        #expect(heard.result != nil && heard.count == 1)
        #expect(forwarded.values.map(\.owner) == [.there, third])
        #expect(Set(forwarded.values.map(\.request.id)).count == 2)
    }

    @Test(arguments: [
        Reason.outcomeUnknown, .deadlineExceeded, .backendProtocol, .denied, .backendUnavailable,
    ])
    func `what may have run is never sent again`(reason: Reason) throws {
        try publish()
        let heard = call(on: router([.there: .failure(CallFailure(reason, "?"))]))
        #expect(heard.failure?.reason == reason)
        #expect(forwarded.values.count == 1)
    }

    @Test
    func `a replica that fails is left out, and all the others are tried before the caller hears of it`()
        throws
    {
        try publish()
        let router = router([.there: unsent()])
        for _ in 1...5 { #expect(call(on: router).result != nil) }
        #expect(forwarded.values.map(\.owner) == [.there, third, third, third, third, third])
    }

    @Test func `with none left the last word is the caller's`() throws {
        try publish()
        let heard = call(on: router([.there: unsent(), third: unsent(.ownerUnreachable)]))
        #expect(heard.failure?.reason == .ownerUnreachable && heard.count == 1)
        #expect(forwarded.values.count == 2)
    }

    @Test func `one that is down by its owner's word is not asked`() throws {
        try publish(states: [.there: .down])
        #expect(call(on: router([:])).result != nil)
        #expect(forwarded.values.map(\.owner) == [third])
    }

    @Test func `with all of them down the one that was named says why`() throws {
        try publish(states: [.there: .down, third: .down])
        let heard = call("third--git__clone", on: router([third: unsent()]))
        #expect(heard.failure?.reason == .backendUnavailable)
        #expect(forwarded.values.map(\.owner) == [third])
    }

    @Test func `a caller that may be handed a task stays where its task's name leads`() throws {
        try publish()
        let client = ClientFacts(capabilities: TasksExtension.required)
        _ = call("third--git__clone", client: client, on: router([:]))
        #expect(forwarded.values.map(\.owner) == [third])
    }

    @Test func `a call that is suspended at a replica is answered there`() throws {
        try publish()
        let asked: JSON = ["resultType": "input_required", "inputRequests": [:], "requestState": "s~at:x"]
        let router = router([.there: .result(asked)])
        let first = call("third--git__clone", on: router)
        let state = try #require(first.result?["requestState"]?.string)
        #expect(state.hasPrefix("s~at:x~at:"))
        let params: JSON = ["requestState": .string(state), "inputResponses": [:]]
        let second = call("third--git__clone", params: params, on: router)
        #expect(forwarded.values.map(\.owner) == [.there, .there])
        #expect(forwarded.values.last?.request.params["requestState"]?.string == "s~at:x")
        #expect(second.result?["requestState"]?.string == state, "and asked again, it is the same")
    }

    @Test func `a state that names no replica, or none, goes to the server that was named, as it is`() throws
    {
        try publish()
        let router = router([:])
        for state in ["plain", "x~at:\(ServerKey(owner: NodeID(ofKey: [5]), name: "git"))", "x~at:nonsense"] {
            _ = call("third--git__clone", params: ["requestState": .string(state)], on: router)
            #expect(forwarded.values.last?.owner == third)
            #expect(forwarded.values.last?.request.params["requestState"]?.string == state)
        }
    }

    @Test func `cancelling cancels the attempt that runs, and no other begins`() throws {
        try publish()
        let cancelled = Mutex(0)
        let sinks = Box<CallSink>()
        let router = CallRouter(board: board, local: local, label: { "here" }) { _, sink in
            sinks.add(sink)
            return CallHandle { cancelled.withLock { $0 += 1 } }
        }
        let heard = Heard()
        let handle = router.call(
            EndpointCall(
                endpoint: .all, caller: .anonymous, method: Method.toolsCall,
                params: ["name": "there--git__clone", "arguments": [:]], client: ClientFacts()), heard.sink)
        handle.cancel()
        #expect(cancelled.withLock { $0 } == 1)
        sinks.values.first?(unsent())
        #expect(sinks.values.count == 1 && heard.failure != nil)
    }
}
