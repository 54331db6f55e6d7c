import Catalog
import JSONSlice
import MCPModel
import Mesh
import Synchronization
import Testing

@testable import MeshTransport

/// What a call costs the links that it goes over, counted: one stream, a few frames, and no link of its own.
@Suite(.timeLimit(.minutes(1)))
struct SteadyStateTests {
    private static let calls = 40

    /// Answers every call at once, and counts them.
    private final class Owner: Sendable {
        private let count = Mutex(0)
        var calls: Int { count.withLock { $0 } }

        var serve: TestNode.Serve {
            { [self] call, sink in
                count.withLock { $0 += 1 }
                sink(.result(["content": []]))
                return .finished
            }
        }
    }

    private func count(
        from near: TestNode, to far: TestNode, at owner: Owner, over others: [TestNode] = []
    ) async throws {
        _ = try await near.call(far, params: ["name": "say"])  // the way is there from now on
        let nodes = [near, far] + others
        // A circuit is a stream that stays; without one, the last frames of that first call are on their way until there is no stream.
        if others.isEmpty { try await untilStreamless(nodes) }
        let (links, served) = (nodes.map(\.service.linkTally.opened), owner.calls)
        let before = near.service.linkTally
        for _ in 0..<Self.calls {
            let events = try await near.call(far, params: ["name": "say"])
            #expect(events.count == 1 && events.result != nil)
        }
        let after = near.service.linkTally
        #expect(owner.calls - served == Self.calls, "each came once")
        #expect(nodes.map(\.service.linkTally.opened) == links, "and no link was made for it")
        // Heartbeats and what the mesh says of itself come on top, whether anybody calls or not.
        let sent = after.streamFramesSent - before.streamFramesSent
        let received = after.streamFramesReceived - before.streamFramesReceived
        #expect(
            (Self.calls...Self.calls * (others.isEmpty ? 3 : 6)).contains(sent),
            "\(sent) frames out for \(Self.calls) calls")
        #expect(
            (Self.calls...Self.calls * (others.isEmpty ? 3 : 6)).contains(received), "\(received) frames back"
        )
        if others.isEmpty { try await untilStreamless(nodes) }
    }

    private func untilStreamless(_ nodes: [TestNode]) async throws {
        for node in nodes {
            let deadline = ContinuousClock.now + .seconds(10)
            while try await node.streamCount() > 0 {
                try #require(ContinuousClock.now < deadline, "streams stay open")
                try await Task.sleep(for: .milliseconds(5))  // a poll with a deadline
            }
        }
    }

    @Test func `a call over a link is one stream on it`() async throws {
        let mesh = try TestMesh()
        let owner = Owner()
        let a = try mesh.first(serve: owner.serve)
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await count(from: b, to: a, at: owner)
        }
    }

    @Test func `a call through a relay goes over the circuit that is there`() async throws {
        let mesh = try TestMesh(founder: "relay")
        let relay = try mesh.first()
        let owner = Owner()
        try await running([relay]) { runner in
            let seeds = [try await relay.address()]
            let a = try mesh.node("a", listen: false, seeds: seeds)
            let c = try mesh.node("c", listen: false, seeds: seeds, serve: owner.serve)
            try await runner.start(a)
            try await runner.start(c)
            try await a.untilReaches(c)
            try await c.untilReaches(a)
            try await count(from: a, to: c, at: owner, over: [relay])
        }
    }
}
