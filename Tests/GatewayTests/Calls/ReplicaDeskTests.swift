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
                "git", on: owner, try .tools("clone") + [try greeting()], state: states[owner] ?? .up)
            let key = ServerKey(owner: owner, name: "git")
            snapshot.servers[key]?.record.address = ContentHash(of: [1])
            snapshot.servers[key]?.record.replicaOf = owners.filter { $0.0 != owner }.map {
                ReplicaName(node: $0.1, server: "git")
            }
        }
        board.publish(snapshot)
    }

    private func greeting() throws -> Entry {
        try Entry(kind: .prompt, definition: ["name": "greet"]).orFail("an entry")
    }

    private func call(
        _ name: String = "there--git__clone", _ method: String = Method.toolsCall, params: JSON = [:],
        client: ClientFacts = ClientFacts(), on router: CallRouter
    ) -> Heard {
        let heard = Heard()
        let params = params.setting("name", to: .string(name)).setting("arguments", to: [:])
        _ = router.call(
            EndpointCall(
                endpoint: .all, principal: .anonymous, method: method, params: params, client: client),
            heard.sink)
        return heard
    }

    /// - Parameter answers: by owner; each call that is forwarded gets its owner's.
    private func router(_ answers: [NodeID: CallEvent]) -> CallRouter {
        let forwarded = forwarded
        return CallRouter(board: board, local: local, label: { "here" }) { call, sink in
            forwarded.add(call)
            sink(answers[call.owner] ?? .result(["resultType": "complete", "content": []]))
            return .finished
        }
    }

    private func unsent(_ reason: Reason = .backendUnavailable) -> CallEvent {
        .failure(CallFailure(reason, "nobody there", isUnsent: true))
    }

    @Test func `a call goes to the replica on this segment, whichever was named`() throws {
        try publish()
        let router = router([:])
        for name in ["there--git__clone", "third--git__clone"] {
            #expect(call(name, on: router).result != nil)
        }
        #expect(forwarded.values.map(\.owner) == [.there, .there])
    }

    @Test(.timeLimit(.minutes(1))) func `a replica on this node comes first`() async throws {
        try publish(fronts: true)
        try await HeldServer.with { server in
            local.put("git", server.backend, concurrency: 1)
            let heard = call(on: router([:]))
            let answer = try #require(await server.nextCall())
            answer(.result(["resultType": "complete", "content": []]))
            while heard.count == 0 {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            #expect(heard.result != nil && forwarded.values.isEmpty)
        }
    }

    @Test(arguments: [
        Reason.backendUnavailable, .ownerUnreachable, .noPath, .limited, .notConfirmed, .sealed, .backendAuth,
    ])
    func
        `what provably reached nobody goes to another replica, as another call, and the caller hears one answer`(
            reason: Reason
        ) throws
    {
        try publish()
        let heard = call(on: router([.there: unsent(reason)]))
        #expect(heard.result != nil && heard.count == 1)
        #expect(forwarded.values.map(\.owner) == [.there, third])
        #expect(forwarded.values.allSatisfy { !$0.isRepeat })
        #expect(Set(forwarded.values.map(\.request.id)).count == 2)
    }

    @Test(arguments: [
        Reason.deadlineExceeded, .backendProtocol, .denied, .backendUnavailable, .ownerUnreachable, .noPath,
    ])
    func `what may have run is never sent again`(reason: Reason) throws {
        try publish()
        let heard = call(on: router([.there: .failure(CallFailure(reason, "?"))]))
        #expect(heard.failure?.reason == reason)
        #expect(forwarded.values.count == 1)
    }

    // MARK: What one of them may not

    private func router(
        access: String? = nil, refusing held: [NodeID] = [], _ answers: [NodeID: CallEvent] = [:]
    ) throws -> CallRouter {
        let forwarded = forwarded
        return CallRouter(
            board: board, local: local, access: try access.map { try AccessDeskTests.desk($0, board) },
            label: { "here" },
            objection: { _, server in
                held.contains(server.owner)
                    ? CallFailure(.quarantined, "held", isUnsent: true, rule: "quarantined") : nil
            }
        ) { call, sink in
            forwarded.add(call)
            sink(answers[call.owner] ?? .result(["resultType": "complete", "content": []]))
            return .finished
        }
    }

    @Test func `a replica that is held back gets no call, neither first nor as the next`() throws {
        try publish()
        let router = try router(refusing: [.there])
        #expect(call("third--git__clone", on: router).result != nil)
        #expect(forwarded.values.map(\.owner) == [third])
        #expect(call("there--git__clone", on: router).failure?.reason == .quarantined)
        let failing = try self.router(refusing: [third], [.there: unsent()])
        #expect(call("there--git__clone", on: failing).failure?.reason == .backendUnavailable)
        #expect(forwarded.values.map(\.owner) == [third, .there])
    }

    @Test func `what its owner holds back runs at no replica`() throws {
        try publish()
        let router = router([.there: unsent(.quarantined)])
        #expect(call(on: router).failure?.reason == .quarantined)
        #expect(forwarded.values.map(\.owner) == [.there])
    }

    @Test func `a call that was suspended where it may not go any more is refused`() throws {
        try publish()
        let state = JSON.string(ReplicaState.mark("s", ServerKey(owner: .there, name: "git")))
        let router = try router(refusing: [.there])
        let heard = call("third--git__clone", params: ["requestState": state], on: router)
        #expect(heard.failure?.reason == .quarantined && forwarded.values.isEmpty)
    }

    @Test func `a listen to what is held back is refused here`() throws {
        try publish()
        let router = try router(refusing: [.there])
        let heard = Heard()
        _ = router.call(
            EndpointCall(
                endpoint: .all, principal: .anonymous, method: Method.subscriptionsListen,
                params: TaskSubscription.params(taskID: "there--git/t/1"),
                client: ClientFacts(capabilities: TasksExtension.required)), heard.sink)
        #expect(heard.failure?.reason == .quarantined && forwarded.values.isEmpty)
    }

    @Test func `rules that keep a replica from a caller hold wherever the call was to go`() throws {
        try publish()
        let router = try router(
            access:
                "access: {rules: [{name: far, allow: [see, call], who: [\"*\"], entries: [third--git/*]}]}")
        _ = call("third--git__clone", on: router)
        #expect(forwarded.values.map(\.owner) == [third])
    }

    @Test func `limits count at the replica that gets the call`() throws {
        try publish()
        let router = try router(
            access: "access: {limits: [{name: one, entries: [there--git/clone], rate: 1 in 10s}]}")
        for _ in 0..<2 { #expect(call("third--git__clone", on: router).result != nil) }
        #expect(forwarded.values.map(\.owner) == [.there, third])
    }

    // MARK: What may run twice

    @Test func `a call of which nobody knows whether it ran goes on as a repeat, which its owner may run`()
        throws
    {
        try publish()
        let heard = call(on: router([.there: .failure(CallFailure(.outcomeUnknown, "cut"))]))
        #expect(heard.result != nil && heard.count == 1)
        #expect(forwarded.values.map(\.owner) == [.there, third])
        #expect(forwarded.values.map(\.isRepeat) == [false, true])
    }

    @Test(arguments: [Reason.outcomeUnknown, .backendUnavailable, .denied])
    func `where a repeat comes to nothing, the caller hears that nobody knows`(reason: Reason) throws {
        try publish()
        let router = router([.there: .failure(CallFailure(.outcomeUnknown, "cut")), third: unsent(reason)])
        let heard = call(on: router)
        #expect(heard.failure?.reason == .outcomeUnknown && heard.failure?.detail == "cut")
        #expect(heard.count == 1 && forwarded.values.count == 2)
    }

    @Test func `whoever may not run a repeat is no worse for it`() throws {
        try publish()
        let unknown = CallEvent.failure(CallFailure(.outcomeUnknown, "cut"))
        let router = router([.there: unknown, third: unknown])
        for _ in 1...3 { _ = call(on: router) }
        forwarded.empty()
        _ = call(on: router)
        #expect(forwarded.values.map(\.owner) == [third, .there], "three in a row left the other one out")
    }

    @Test(.timeLimit(.minutes(1)), arguments: [true, false])
    func `this node runs a repeat if its own configuration says so`(isRepeatable: Bool) async throws {
        try publish(fronts: true, states: [third: .down])
        let isCut = Box<Bool>()
        let router = CallRouter(board: board, local: local, label: { "here" }) { _, sink in
            sink(
                isCut.values.isEmpty
                    ? .result(["resultType": "complete", "content": []])
                    : .failure(CallFailure(.outcomeUnknown, "cut")))
            return .finished
        }
        // It is left out from here on, so that the other one comes first.
        local.put("git", StillBackend.make("git"), concurrency: 1)
        #expect(call(on: router).result != nil)
        isCut.add(true)
        try await HeldServer.with { server in
            local.put("git", server.backend, concurrency: 1, repeatable: isRepeatable ? [Glob("cl*")] : [])
            let heard = call(on: router)
            guard isRepeatable else {
                #expect(heard.failure?.detail == "cut", "at once: nothing was sent")
                return
            }
            let answer = try #require(await server.nextCall())
            answer(.result(["resultType": "complete", "content": []]))
            while heard.count == 0 {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            #expect(heard.result != nil)
        }
    }

    @Test(arguments: [
        Reason.ownerUnreachable, .noPath, .backendUnavailable, .backendProtocol, .outcomeUnknown,
    ])
    func `what only reads is read elsewhere where the way or the backend failed`(reason: Reason) throws {
        try publish()
        let router = router([.there: .failure(CallFailure(reason, "cut"))])
        let heard = call("there--git__greet", Method.promptsGet, on: router)
        #expect(heard.result != nil && heard.count == 1)
        #expect(forwarded.values.map(\.owner) == [.there, third])
        #expect(forwarded.values.allSatisfy { !$0.isRepeat })
    }

    @Test(arguments: [Reason.deadlineExceeded, .denied, .cancelled, .tooLarge])
    func `a read whose time is over, or that was refused, is no better elsewhere`(reason: Reason) throws {
        try publish()
        let router = router([.there: .failure(CallFailure(reason, "no"))])
        let heard = call("there--git__greet", Method.promptsGet, on: router)
        #expect(heard.failure?.reason == reason && forwarded.values.count == 1)
    }

    // MARK: What is left of a call

    /// The way of a call: whoever can cancel it holds it, and it holds whoever is told of its end.
    private final class Way: Sendable {
        let sink: CallSink
        init(_ sink: @escaping CallSink) { self.sink = sink }
        func cancel() { sink(.failure(CallFailure(.cancelled, "by its caller"))) }
    }

    private final class Token: Sendable {}

    @Test(arguments: [true, false])
    func `nothing is left of a call that is over`(endsAtOnce: Bool) throws {
        try publish()
        let ways = Box<Way>()
        let router = CallRouter(board: board, local: local, label: { "here" }) { _, sink in
            let way = Way(sink)
            if endsAtOnce { sink(.result(["resultType": "complete", "content": []])) } else { ways.add(way) }
            return CallHandle { way.cancel() }
        }
        weak var left: Token?
        do {
            let token = Token()
            left = token
            let heard = Box<Token>()
            _ = router.call(
                EndpointCall(
                    endpoint: .all, principal: .anonymous, method: Method.toolsCall,
                    params: ["name": "there--git__clone", "arguments": [:]], client: ClientFacts())
            ) { [token] event in if event.isFinal { heard.add(token) } }
            ways.values.first?.sink(.result(["resultType": "complete", "content": []]))
            ways.empty()
            #expect(heard.values.count == 1)
        }
        #expect(left == nil)
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

    @Test func `the end of a call that went where nobody was up ends no other that runs there`() throws {
        try publish()
        let clock = Mutex(Instant.zero)
        let answers = Mutex<[CallEvent?]>([unsent(), .result(["resultType": "complete"]), nil])
        let forwarded = forwarded
        let router = CallRouter(
            board: board, local: local, now: { clock.withLock { $0 } }, label: { "here" }
        ) { call, sink in
            forwarded.add(call)
            let answer = answers.withLock {
                $0.isEmpty ? .failure(CallFailure(.denied, "no")) : $0.removeFirst()
            }
            if let answer { sink(answer) }
            return .finished
        }
        // It is left out for a while, and then on trial: one call at a time, and that one runs on.
        _ = call(on: router)
        clock.withLock { $0 = $0 + ReplicaBook.ejections.lowerBound + .seconds(1) }
        _ = call(on: router)
        try publish(states: [.there: .down, third: .down])
        _ = call(on: router)
        try publish()
        _ = call(on: router)
        #expect(forwarded.values.map(\.owner) == [.there, third, .there, .there, third])
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
                endpoint: .all, principal: .anonymous, method: Method.toolsCall,
                params: ["name": "there--git__clone", "arguments": [:]], client: ClientFacts()), heard.sink)
        handle.cancel()
        #expect(cancelled.withLock { $0 } == 1)
        sinks.values.first?(unsent())
        #expect(sinks.values.count == 1 && heard.failure != nil)
    }
}
