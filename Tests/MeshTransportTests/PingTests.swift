import Catalog
import Mesh
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
            try await b.untilReaches(a)
            try await a.deafen()
            async let asking = b.pingFailure(a.id)
            try await b.untilAsking()
            try await b.breakLinks {}
            let failure = try await asking
            #expect(failure == .broken)
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
