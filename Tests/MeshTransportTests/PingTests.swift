import Catalog
import Mesh
import NIOCore
import Testing

@testable import MeshTransport

@Suite(.timeLimit(.minutes(1)))
struct PingTests {
    @Test func `a linked node answers over its link, one behind a relay over a circuit`() async throws {
        let mesh = try TestMesh(founder: "b")
        let b = try mesh.first()
        try await running([b]) { runner in
            let (a, c) = try await mesh.farEnds(around: b, in: runner)
            try await a.untilReaches(b)
            let near = try await a.service.ping(b.id)
            #expect(near.path == [b.id])
            #expect(near.roundTrip > .zero)
            #expect(try await b.circuitsRelayed() == 0)
            let far = try await a.service.ping(c.id)
            #expect(far.path == [b.id, c.id])
            #expect(try await b.circuitsRelayed() == 1)
            // The circuit is there now, and is not opened twice.
            #expect(try await a.service.ping(c.id).path == [b.id, c.id])
            #expect(try await b.circuitsRelayed() == 1)
        }
    }

    @Test func `a ping over a link that breaks ends with the link`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            for _ in 0..<10 {
                try await b.untilReaches(a)
                try await a.deafen()
                async let asking = b.pingFailure(a.id)
                // On a busy machine silence may end the deaf link before the ping is sent, and the next one hears.
                guard try await b.isAsking(within: .seconds(1)) else {
                    _ = try await asking
                    continue
                }
                try await b.breakLinks {}
                let failure = try await asking
                #expect(failure == .broken)
                return
            }
            Issue.record("no ping ever waited for its answer")
        }
    }

    @Test func `each hop of a way is measured, and none over another way`() async throws {
        let mesh = try TestMesh(founder: "b")
        let b = try mesh.first()
        try await running([b]) { runner in
            let (a, c) = try await mesh.farEnds(around: b, in: runner)
            try await a.untilReaches(b)
            let trips = await a.service.roundTrips(along: [b.id, c.id])
            #expect(trips.count == 2)
            for trip in trips { #expect(try #require(trip) > .zero) }
            #expect(await a.service.roundTrips(along: [c.id]) == [nil])
        }
    }

    @Test func `a node whose software does not know the question is told as that`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await b.hideFeature(Hello.answersPings)
            try await runner.start(b)
            try await a.untilReaches(b)
            #expect(try await a.pingFailure(b.id) == .tooOld("martlet test"))
            try await b.untilReaches(a)
            #expect(try await b.pingFailure(a.id) == nil)
        }
    }

    @Test func `where as many pings wait as a link takes, one more is told that`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.deafen()
            try await b.fillPings()
            #expect(try await b.pingFailure(a.id) == .tooMany)
        }
    }

    @Test func `a node that nobody reaches is told as that at once`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        let gone = try mesh.node("b")
        try await running([a]) { _ in
            await #expect(throws: PingFailure.noWay("no path leads to it now")) {
                try await a.service.ping(gone.id)
            }
        }
    }
}

extension TestNode {
    /// To be called before the node is started.
    fileprivate func hideFeature(_ bit: UInt64) async throws {
        let hub = service.hub
        try await service.loop.submit { hub.features &= ~bit }.get()
    }

    /// Sends as many pings over each link as may wait for an answer.
    fileprivate func fillPings() async throws {
        let hub = service.hub
        try await service.loop.submit {
            for link in hub.links.values { while link.ping({ _ in }) {} }
        }.get()
    }

    /// Why a node did not answer; `nil` if it did.
    fileprivate func pingFailure(_ node: NodeID) async throws -> PingFailure? {
        do {
            _ = try await service.ping(node)
            return nil
        } catch let failure as PingFailure {
            return failure
        }
    }
}
