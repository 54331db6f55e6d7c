import Catalog
import JSONSlice
import MCPModel
import Mesh
import NIOCore
import Testing

@testable import MeshTransport

/// A diamond: A and D dial out to B and C only, and reach each other over either.
@Suite(.timeLimit(.minutes(2)))
struct FailoverTests {
    private struct Diamond {
        let a: TestNode
        let d: TestNode
        let relays: [TestNode]
        let lives: [Task<Void, any Error>]

        /// Whose relay A's circuit to D crosses.
        func relayInUse() throws -> Int {
            let via = try #require(a.service.linkStatus.first { $0.peer == d.id }?.via)
            return try #require(relays.firstIndex { [$0.id] == via })
        }
    }

    private func diamond(
        relaying: [Bool] = [true, true], serve: @escaping TestNode.Serve,
        _ body: @Sendable (Diamond) async throws -> Void
    ) async throws {
        let mesh = try TestMesh(founder: "a")
        let relays = [
            try mesh.node("b", relays: relaying[0]), try mesh.node("c", relays: relaying[1]),
        ]
        try await running([]) { runner in
            let lives = relays.map { relay in Task { try await relay.service.run() } }
            var seeds: [String] = []
            for relay in relays { seeds.append(try await relay.address()) }
            let a = try mesh.first(listen: false, seeds: seeds)
            let d = try mesh.node("d", listen: false, seeds: seeds, serve: serve)
            try await runner.start(a)
            try await runner.start(d)
            for (node, other) in [
                (a, d), (d, a), (a, relays[0]), (a, relays[1]), (d, relays[0]), (d, relays[1]),
            ] {
                try await node.untilReaches(other)
            }
            let diamond = Diamond(a: a, d: d, relays: relays, lives: lives)
            do {
                try await body(diamond)
            } catch {
                for life in lives { life.cancel() }
                throw error
            }
            for life in lives { life.cancel() }
            for life in lives { try await life.value }
        }
    }

    private func untilTwoWays(_ diamond: Diamond) async throws {
        let deadline = ContinuousClock.now + .seconds(15)
        while await diamond.a.service.ways(to: diamond.d.id).count < 2 {
            try #require(ContinuousClock.now < deadline, "never two ways")
            try await Task.sleep(for: .milliseconds(20))  // a condition with a deadline
        }
    }

    @Test func `when a relay dies the next call goes around it, and a running one goes on, run once`()
        async throws
    {
        let desk = CallDesk()
        try await diamond(serve: desk.serve) { diamond in
            try await untilTwoWays(diamond)
            let running = try diamond.a.outgoing(diamond.d, params: ["n": 1], timeLeft: .seconds(60))
            let there = try await desk.next()
            let first = try diamond.relayInUse()
            // As a kill would: all its sockets at once, without a word.
            try await diamond.relays[first].breakLinks {}
            diamond.lives[first].cancel()

            let begun = ContinuousClock.now
            let next = try diamond.a.outgoing(diamond.d, params: ["n": 2], timeLeft: .seconds(60))
            let second = try await desk.next()
            let took = ContinuousClock.now - begun
            // Half a second in a quiet place; here other tests want the processor.
            #expect(took < .seconds(10))
            #expect(try diamond.relayInUse() == 1 - first)
            second.sink(.result(["x": 2]))
            #expect(await next.events().result?["x"]?.int == 2)
            there.sink(.result(["x": 1]))
            let events = await running.events()
            #expect(events.result?["x"]?.int == 1, "\(events)")
            #expect(desk.count == 2 && desk.cancelled == 0)
        }
    }

    @Test func `a node that does not relay is gone around`() async throws {
        try await diamond(relaying: [false, true], serve: TestNode.echo) { diamond in
            for n in 0..<3 {
                let events = try await diamond.a.call(diamond.d, params: ["n": .number(n)])
                #expect(events.result != nil)
            }
            let used = try diamond.relayInUse()
            #expect(used == 1)
            #expect(try await diamond.relays[0].circuitsRelayed() == 0)
        }
    }

    @Test func `a node that only dials out is called over the links that it opened`() async throws {
        let mesh = try TestMesh(founder: "b")
        let b = try mesh.first()
        try await running([b]) { runner in
            let a = try mesh.node("a", listen: false, seeds: [await b.address()])
            try await runner.start(a)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            let events = try await b.call(a, params: ["n": 1])
            #expect(events.result?["params"] == ["n": 1], "\(events)")
            let link = try #require(b.service.linkStatus.first { $0.peer == a.id })
            #expect(link.via.isEmpty && !link.openedByMe)
            #expect(b.service.snapshot.nodes[a.id]?.reachability == .reachable(path: [a.id]))
        }
    }

    @Test func `a source whose bytes pile up at a relay loses the circuit that is too many`() async throws {
        let mesh = try TestMesh(founder: "b")
        let b = try mesh.first()
        try await running([b]) { runner in
            let (a, c) = try await mesh.farEnds(around: b, in: runner)
            var limits = RelayLimits()
            limits.bytesInFlight = 100 * 1024
            try await b.limitRelay(limits)
            // C takes nothing in any more, so what B passes on stays with B once C's window is used up.
            try await c.deafen()
            let ended = try await a.pour(2 * 1024 * 1024, along: [b.id, c.id])
            guard case .reset(.limited, let text)? = ended else {
                Issue.record("ended as \(String(describing: ended))")
                return
            }
            #expect(text.contains("holds"))
            #expect(try await b.circuitsRelayed() == 0)
        }
    }
}

extension TestNode {
    fileprivate func limitRelay(_ limits: RelayLimits) async throws {
        let hub = service.hub
        try await service.loop.submit { hub.relayLimits = limits }.get()
    }

    /// Sends so many bytes over a circuit without TLS inside, and waits for how it ends.
    fileprivate func pour(_ count: Int, along path: [NodeID]) async throws -> StreamBreak? {
        let hub = service.hub
        let (ends, continuation) = AsyncStream<StreamBreak>.makeStream()
        try await service.loop.submit {
            let stream = try hub.openCircuitStream(.link, path: path)
            stream.reader = Listener(broken: { continuation.yield($0) })
            stream.send([UInt8](repeating: 7, count: count), kind: 0, isLast: false)
        }.get()
        for await end in ends { return end }
        return nil
    }
}
