import Catalog
import JSONSlice
import MCPModel
import Mesh
import Synchronization
import Testing

@testable import MeshTransport

/// Plain calls whose owner has decided about their like, over real sockets (docs/decisions/0040-the-short-way-over-a-hop.md).
@Suite(.timeLimit(.minutes(2)))
struct ShortHopTests {
    /// An owner's desk that gives a pass for every call, and keeps what comes by it until the test answers it.
    private final class PassDesk: Sendable {
        struct Arrival: Sendable {
            let call: MeshPass.Call
            let answer: @Sendable (MeshPass.Answer) -> Void
        }

        private struct State {
            var isGood = true
            var takes = true
            var learnt = 0
            var short = 0
            var cancelled = 0
        }

        private let state = Mutex(State())
        private let arrivals: AsyncStream<Arrival>
        private let arrive: AsyncStream<Arrival>.Continuation

        init() { (arrivals, arrive) = AsyncStream.makeStream() }

        var learnt: Int { state.withLock { $0.learnt } }
        var short: Int { state.withLock { $0.short } }
        var cancelled: Int { state.withLock { $0.cancelled } }

        func setGood(_ isGood: Bool) { state.withLock { $0.isGood = isGood } }
        func setTaking(_ takes: Bool) { state.withLock { $0.takes = takes } }

        var pass: TestNode.Pass {
            { _ in
                self.state.withLock { $0.learnt += 1 }
                return MeshPass(isGood: { self.state.withLock { $0.isGood } }) { call, answer in
                    guard self.state.withLock({ $0.takes }) else { return nil }
                    self.state.withLock { $0.short += 1 }
                    self.arrive.yield(Arrival(call: call, answer: answer))
                    return CallHandle { self.state.withLock { $0.cancelled += 1 } }
                }
            }
        }

        func next() async throws -> Arrival {
            for await arrival in arrivals { return arrival }
            throw CancellationError()
        }
    }

    /// An owner `a` and an entry node `b`, linked; one call has gone the general way, so that its like are known.
    private func pair(
        _ body: @Sendable (TestNode, TestNode, PassDesk, HeaderMoulds, CallDesk) async throws -> Void
    ) async throws {
        let mesh = try TestMesh()
        let (general, passes, moulds) = (CallDesk(), PassDesk(), HeaderMoulds())
        general.answersByItself()
        let a = try mesh.first(serve: general.serve, pass: passes.pass)
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            #expect(try await b.plain(a, 0, moulds).events().result?["n"]?.int == 0)
            #expect(general.count == 1 && passes.learnt == 1 && passes.short == 0)
            try await body(a, b, passes, moulds, general)
            try await a.untilForgotten()
        }
    }

    @Test func `the second call of a kind is not decided again, and comes with its own id, params and time`()
        async throws
    {
        try await pair { a, b, passes, moulds, general in
            let call = try b.plain(a, 1, moulds)
            let there = try await passes.next()
            #expect(there.call.id == call.id && there.call.params["n"]?.int == 1)
            #expect(there.call.timeLeft <= .seconds(20) && there.call.timeLeft > .zero)
            there.call.loop.execute { there.answer(.plain(["resultType": "complete", "x": 5])) }
            #expect(await call.events().result?["x"]?.int == 5)
            #expect(general.count == 1 && passes.learnt == 1)
        }
    }

    @Test func `a call that is not like it goes the general way`() async throws {
        try await pair { a, b, passes, moulds, general in
            let other = try b.plain(a, 1, moulds, subject: "bea")
            #expect(await other.events().result?["n"]?.int == 1)
            let traced = try b.outgoing(a, params: ["n": 2], client: ClientFacts(traceparent: "own"))
            #expect(await traced.events().result?["n"]?.int == 2)
            #expect(general.count == 3 && passes.short == 0)
        }
    }

    @Test func `a pass that is good no more, or has no room, lets calls go the general way`() async throws {
        try await pair { a, b, passes, moulds, general in
            passes.setTaking(false)
            #expect(try await b.plain(a, 1, moulds).events().result?["n"]?.int == 1)
            #expect(general.count == 2 && passes.learnt == 1)
            passes.setTaking(true)
            passes.setGood(false)
            #expect(try await b.plain(a, 2, moulds).events().result?["n"]?.int == 2)
            #expect(general.count == 3 && passes.learnt == 2, "it has earned another pass")
            passes.setGood(true)
            let call = try b.plain(a, 3, moulds)
            let there = try await passes.next()
            there.answer(.event(.result(["x": 3])))
            #expect(await call.events().result?["x"]?.int == 3)
        }
    }

    @Test func `a call on the short way goes on over the next link, and ends once`() async throws {
        try await pair { a, b, passes, moulds, general in
            let call = try b.plain(a, 1, moulds)
            let there = try await passes.next()
            try await a.breakLinks()
            try await a.untilAttached()
            there.call.loop.execute { there.answer(.plain(["resultType": "complete", "x": 6])) }
            let events = await call.events()
            #expect(events.count == 1 && events.result?["x"]?.int == 6, "\(events)")
            #expect(general.count == 1 && passes.short == 1 && passes.cancelled == 0)
        }
    }

    @Test func `a result that came by the short way while no link was up is fetched`() async throws {
        try await pair { a, b, passes, moulds, general in
            let call = try b.plain(a, 1, moulds)
            let there = try await passes.next()
            try await a.breakLinks { there.answer(.plain(["resultType": "complete", "x": 7])) }
            #expect(await call.events().result?["x"]?.int == 7)
            #expect(general.count == 1 && passes.short == 1)
        }
    }

    @Test func `a caller that goes ends its call at the owner`() async throws {
        try await pair { a, b, passes, moulds, general in
            let call = try b.plain(a, 1, moulds)
            let there = try await passes.next()
            call.handle.cancel()
            #expect(await call.events().failure?.reason == .cancelled)
            try await general.until("it is cancelled") { passes.cancelled == 1 }
            // On its way already when it was cancelled: it is nobody's.
            there.call.loop.execute { there.answer(.plain(["resultType": "complete"])) }
        }
    }

    @Test func `what comes of a call that went on by the general way is told as ever`() async throws {
        try await pair { a, b, passes, moulds, _ in
            let call = try b.plain(a, 1, moulds)
            let there = try await passes.next()
            there.answer(.event(.notification(method: Method.progress, params: ["progress": 1])))
            there.answer(.event(.failure(CallFailure(.backendUnavailable, "gone", isUnsent: true))))
            let events = await call.events()
            #expect(events.count == 2 && events.failure?.reason == .backendUnavailable, "\(events)")
        }
    }
}

extension TestNode {
    /// A plain call, whose like may be known to its owner.
    fileprivate func plain(
        _ owner: TestNode, _ number: Int, _ moulds: HeaderMoulds, subject: String = "ann"
    ) throws -> RunningCall {
        let request = CallRequest(
            id: CallID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)), method: Method.toolsCall,
            params: ["n": .number(number)],
            client: ClientFacts(capabilities: ["roots": [:]], info: ["name": "c"]), caller: .anonymous,
            timeLeft: .seconds(20))
        let call = OutgoingMeshCall(
            server: try owner.toolsKey(), request: request,
            entry: CallHeader.SeenEntry(kind: .tool, hash: ContentHash(of: [7])), issuer: "key",
            subject: subject, moulds: moulds)
        return RunningCall(request.id) { service.call(call, $0) }
    }
}
