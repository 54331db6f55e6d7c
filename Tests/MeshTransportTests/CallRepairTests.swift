import Catalog
import Foundation
import JSONSlice
import MCPModel
import Mesh
import NIOCore
import Synchronization
import Testing

@testable import MeshTransport

/// What becomes of calls whose links break, over real sockets.
@Suite(.timeLimit(.minutes(2)))
struct CallRepairTests {
    /// An owner `a` with a desk that answers when told, and an entry node `b` linked to it.
    private func pair(
        _ versions: ClosedRange<UInt16> = ProtocolVersion.spoken,
        _ body: @Sendable (TestMesh, TestNode, TestNode, CallDesk, borrowing NodeRunner) async throws -> Void
    ) async throws {
        let mesh = try TestMesh()
        let desk = CallDesk()
        let a = try mesh.first(serve: desk.serve)
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()], versions: versions)
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            try await body(mesh, a, b, desk, runner)
        }
    }

    @Test func `a call that runs goes on over the next link, with its progress and its result`() async throws
    {
        try await pair { _, a, b, desk, _ in
            let call = try b.outgoing(a, params: ["n": 1])
            let there = try await desk.next()
            try await a.breakLinks()
            try await a.untilAttached()
            there.sink(.notification(method: Method.progress, params: ["progress": 2]))
            there.sink(.result(["resultType": "complete"]))
            let events = await call.events()
            #expect(events.result?["resultType"]?.string == "complete", "\(events)")
            #expect(events.count == 2)
            #expect(desk.count == 1 && desk.cancelled == 0)
            try await a.untilForgotten()
        }
    }

    @Test func `a result that came while no link was up is fetched`() async throws {
        try await pair { _, a, b, desk, _ in
            let call = try b.outgoing(a, params: ["n": 1])
            let there = try await desk.next()
            try await a.breakLinks { there.sink(.result(["x": 42])) }
            #expect(await call.events().result?["x"]?.int == 42)
            #expect(desk.count == 1)
            try await a.untilForgotten()
        }
    }

    @Test func `a call that the owner never read is fenced off, and then sent again`() async throws {
        try await pair { _, a, b, desk, _ in
            try await a.deafen()
            let call = try b.outgoing(a, params: ["n": 1])
            // It is on its way: the socket has taken it.
            try await b.untilSent()
            try await a.breakLinks()
            let there = try await desk.next()
            there.sink(.result(["x": 1]))
            #expect(await call.events().result?["x"]?.int == 1)
            #expect(desk.count == 1)
            #expect(there.call.request.id != call.id, "it goes by a new id")
        }
    }

    @Test func `an owner that has started again cannot know, and says so with the call's id`() async throws {
        let mesh = try TestMesh()
        let desk = CallDesk()
        let b = try mesh.first()
        try await running([b]) { runner in
            // On its disk is who may call, so that calls are taken as soon as it is back.
            let (disk, identity) = (Disk(), try mesh.node("c"))
            let first = try TestNode(
                identity.service.credentials, identity.enrolment, listen: true, seeds: [await b.address()],
                storage: disk.storage, serve: desk.serve)
            let life = Task { try await first.service.run() }
            try await b.untilReaches(first)
            try await first.untilReaches(b)
            let tool = try b.outgoing(first, params: ["n": 1])
            let read = try b.outgoing(first, method: Method.resourcesRead, params: ["uri": "x:y"])
            _ = try await desk.next()
            _ = try await desk.next()
            life.cancel()
            try await life.value
            let second = try TestNode(
                first.service.credentials, first.enrolment, listen: true, seeds: [await b.address()],
                incarnation: 2, storage: disk.storage, serve: desk.serve)
            try await runner.start(second)
            // What reads is simply sent again; of the tool the owner decides, and this one runs nothing twice.
            var again: [CallDesk.Arrival] = []
            for _ in 0..<2 { again.append(try await desk.next()) }
            for there in again {
                #expect(there.call.isRepeat == (there.call.request.method == Method.toolsCall))
                let answer: CallEvent =
                    there.call.isRepeat
                    ? .failure(CallFailure(.outcomeUnknown, "not repeatable")) : .result(["x": 2])
                there.sink(answer)
            }
            let failure = await tool.events().failure
            #expect(failure?.reason == .outcomeUnknown && failure?.callID != nil && failure?.hint != nil)
            #expect(await read.events().result?["x"]?.int == 2)
        }
    }

    @Test func `a caller that goes while its link is broken is heard as soon as there is another`()
        async throws
    {
        try await pair { _, a, b, desk, _ in
            let call = try b.outgoing(a, params: ["n": 1])
            _ = try await desk.next()
            try await b.breakLinks()
            try await b.untilPursuing { call.handle.cancel() }
            #expect(await call.events().failure?.reason == .cancelled)
            try await desk.until("it is cancelled") { desk.cancelled == 1 }
            try await a.untilForgotten()
        }
    }

    @Test func `a link that breaks cancels nothing at the owner by itself`() async throws {
        try await pair { _, a, b, desk, _ in
            let call = try b.outgoing(a, params: ["n": 1])
            let there = try await desk.next()
            try await a.breakLinks()
            try await b.untilReaches(a)
            #expect(desk.cancelled == 0)
            there.sink(.result(["x": 3]))
            #expect(await call.events().result?["x"]?.int == 3)
        }
    }

    @Test func `a peer of the first version is not asked: its call ends as unknown at once`() async throws {
        try await pair(1...1) { _, a, b, desk, _ in
            let call = try b.outgoing(a, params: ["n": 1])
            _ = try await desk.next()
            try await a.breakLinks()
            #expect(await call.events().failure?.reason == .outcomeUnknown)
            try await desk.until("it is cancelled") { desk.cancelled == 1 }
            #expect(desk.count == 1)
        }
    }

    @Test func `many calls live through one broken link after another, each run once`() async throws {
        try await pair { _, a, b, desk, _ in
            desk.answersByItself()
            try await withThrowingTaskGroup(of: (Int, [CallEvent]).self) { group in
                for index in 0..<400 {
                    group.addTask { (index, try await b.call(a, params: ["n": .number(index)])) }
                }
                // On a busy machine the first link could break before any call is under way.
                try await desk.until("some have run") { desk.count > 20 }
                for round in 0..<4 {
                    try await (round.isMultiple(of: 2) ? a : b).breakLinks()
                    try await b.untilReaches(a)
                    try await a.untilReaches(b)
                }
                var answered = 0
                for try await (index, events) in group {
                    let runs = desk.runs[index] ?? 0
                    if events.result?["n"]?.int == index {
                        answered += 1
                        #expect(runs == 1)
                    } else {
                        // Begun while there was no link at all: that is known at once, and it never ran.
                        #expect(events.failure?.reason == .ownerUnreachable && runs == 0, "\(events)")
                    }
                }
                #expect(answered > 20)
            }
        }
    }

    @Test func `calls through a relay live through the relay's end and return`() async throws {
        let mesh = try TestMesh(founder: "a")
        let desk = CallDesk()
        let b = try mesh.node("b")
        try await running([]) { runner in
            let life = Task { try await b.service.run() }
            let address = try await b.address()
            let a = try mesh.first(listen: false, seeds: [address])
            let c = try mesh.node("c", listen: false, seeds: [address], serve: desk.serve)
            try await runner.start(a)
            try await runner.start(c)
            try await a.untilReaches(c)
            try await c.untilReaches(a)
            let call = try a.outgoing(c, params: ["n": 1], timeLeft: .seconds(60))
            let there = try await desk.next()
            life.cancel()
            try await life.value
            let back = try TestNode(
                b.service.credentials, b.enrolment, listen: true,
                port: #require(MeshAddress(address)).port, incarnation: 2)
            try await runner.start(back)
            there.sink(.result(["x": 7]))
            let events = await call.events()
            #expect(events.result?["x"]?.int == 7, "\(events)")
            #expect(desk.count == 1)
        }
    }
}

/// A backend's place at the owner: keeps what arrives until the test answers it.
final class CallDesk: Sendable {
    struct Arrival: Sendable {
        let call: IncomingMeshCall
        let sink: CallSink
    }

    private struct State {
        var count = 0
        var cancelled = 0
        var answers = false
        var runs: [Int: Int] = [:]
    }

    private let state = Mutex(State())
    private let arrivals: AsyncStream<Arrival>
    private let arrive: AsyncStream<Arrival>.Continuation

    init() { (arrivals, arrive) = AsyncStream.makeStream() }

    var count: Int { state.withLock { $0.count } }
    var cancelled: Int { state.withLock { $0.cancelled } }
    var runs: [Int: Int] { state.withLock { $0.runs } }

    func answersByItself() { state.withLock { $0.answers = true } }

    var serve: TestNode.Serve {
        { call, sink in
            let answers = self.state.withLock { state in
                state.count += 1
                state.runs[call.request.params["n"]?.int ?? -1, default: 0] += 1
                return state.answers
            }
            if answers {
                sink(.result(call.request.params))
            } else {
                self.arrive.yield(Arrival(call: call, sink: sink))
            }
            return CallHandle { self.state.withLock { $0.cancelled += 1 } }
        }
    }

    func next() async throws -> Arrival {
        for await arrival in arrivals { return arrival }
        throw CancellationError()
    }

    func until(_ what: String, _ isSo: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(15)
        while !isSo() {
            try #require(ContinuousClock.now < end, "never: \(what)")
            try await Task.sleep(for: .milliseconds(10))  // a condition with a deadline
        }
    }
}

extension TestNode {
    /// Closes all direct links without a word, and does something in the same turn.
    func breakLinks(_ meanwhile: @escaping @Sendable () -> Void) async throws {
        let hub = service.hub
        try await service.loop.submit {
            for link in hub.links.values { link.channel?.close(promise: nil) }
            meanwhile()
        }.get()
    }

    /// Reads nothing any more from the links that are up.
    func deafen() async throws {
        let hub = service.hub
        try await service.loop.submit {
            for link in hub.links.values { link.isDeaf = true }
        }.get()
    }

    func untilSo(_ what: String, _ isSo: @escaping @Sendable (MeshHub) -> Bool) async throws {
        let hub = service.hub
        let end = ContinuousClock.now + .seconds(15)
        while !(try await service.loop.submit { isSo(hub) }.get()) {
            try #require(ContinuousClock.now < end, "never: \(what)")
            try await Task.sleep(for: .milliseconds(5))  // a condition with a deadline
        }
    }

    /// A call that came here runs, and its caller's node listens on a link that is up.
    func untilAttached() async throws {
        try await untilSo("a call is asked for again") { hub in
            hub.incoming.values.contains { $0.isAttached } && !hub.links.isEmpty
        }
    }

    func untilForgotten() async throws {
        try await untilSo("all calls are acknowledged") { $0.journal.count == 0 && $0.incoming.isEmpty }
    }

    /// Does something in the very turn in which a call of this node is seen to have lost its link.
    func untilPursuing(_ act: @escaping @Sendable () -> Void) async throws {
        try await untilSo("a call has lost its link") { hub in
            guard !hub.pursued.isEmpty else { return false }
            act()
            return true
        }
    }

    /// Whether a ping of this node comes to wait for its answer.
    func isAsking(within limit: Duration) async throws -> Bool {
        let hub = service.hub
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            let isAsking = try await service.loop.submit {
                hub.links.values.contains { !$0.pings.isEmpty }
            }.get()
            if isAsking { return true }
            try await Task.sleep(for: .milliseconds(5))  // a condition with a deadline
        }
        return false
    }

    func untilSent() async throws {
        try await untilSo("a call is sent") { hub in
            hub.links.values.contains { $0.streams?.callCount ?? 0 > 0 }
        }
    }
}
