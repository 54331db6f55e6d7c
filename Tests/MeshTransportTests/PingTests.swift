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
            let seeds = [try await b.address()]
            let a = try mesh.node("a", listen: false, seeds: seeds)
            let c = try mesh.node("c", listen: false, seeds: seeds)
            try await runner.start(a)
            try await runner.start(c)
            try await a.untilReaches(c)
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
