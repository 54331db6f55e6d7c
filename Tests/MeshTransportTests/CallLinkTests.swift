import Catalog
import JSONSlice
import Mesh
import Testing

@testable import MeshTransport

/// B stands between A and C, which have no standing link and can dial each other all the same: as in a mesh of more nodes than each
/// links with. A alone knows where C is.
@Suite(.timeLimit(.minutes(1)))
struct CallLinkTests {
    private func apart(
        in runner: borrowing NodeRunner, features: UInt64 = Hello.ownFeatures
    ) async throws -> (a: TestNode, b: TestNode, c: TestNode) {
        let mesh = try TestMesh(founder: "b")
        let b = try mesh.first()
        try await runner.start(b)
        let seeds = [try await b.address()]
        let a = try mesh.node("a", listen: false, seeds: seeds)
        let c = try mesh.node("c", seeds: seeds, advertise: TestNode.nowhere, features: features)
        try await runner.start(a)
        try await runner.start(c)
        try await a.untilReaches(c)
        try await c.untilReaches(a)
        let address = try await c.address()
        let hub = a.service.hub
        try await a.service.loop.submit { hub.whereabouts = { [id = c.id] in $0 == id ? [address] : [] } }
            .get()
        return (a, b, c)
    }

    @Test func `calls leave the relay once the two have a link for them, and it is not listed`() async throws
    {
        try await running([]) { runner in
            let (a, b, c) = try await apart(in: runner)
            let path = NodeRecord.Reachability.reachable(path: [b.id, c.id])
            let params: JSON = ["text": "over and over"]
            #expect(try await a.call(c, params: params).result?["params"] == params)
            while !a.hasCallLink(with: c, isOpener: true) || !c.hasCallLink(with: a, isOpener: false) {
                try await Task.sleep(for: .milliseconds(20))  // the suite's limit is the deadline
            }
            #expect(try await a.call(c, params: params).result?["params"] == params)
            // The circuit goes when nothing is left on it.
            while try await b.circuitsRelayed() > 0 { try await Task.sleep(for: .milliseconds(20)) }
            #expect(try await a.call(c, params: params).result?["params"] == params)
            #expect(try await b.circuitsRelayed() == 0)
            // What is known of the mesh did not change: it would be told to everybody.
            #expect(a.service.snapshot.nodes[c.id]?.reachability == path)
            // What a caller is shown is the way of its call.
            #expect(a.service.wayOfCalls(to: c.id) == [c.id])
        }
    }

    @Test func `a node that knows no such links is called through the relay`() async throws {
        try await running([]) { runner in
            let (a, b, c) = try await apart(in: runner, features: Hello.ownFeatures & ~Hello.takesCallLinks)
            let hub = a.service.hub
            for number in 0..<3 {
                let params: JSON = ["n": .number(number)]
                #expect(try await a.call(c, params: params).result?["params"] == params)
            }
            #expect(try await a.service.loop.submit { hub.callLinkSought[c.id] != nil }.get(), "it was tried")
            #expect(try await b.circuitsRelayed() == 1)
            #expect(!a.hasCallLink(with: c, isOpener: true))
            #expect(a.service.wayOfCalls(to: c.id) == [b.id, c.id])
        }
    }
}

extension TestNode {
    fileprivate func hasCallLink(with peer: TestNode, isOpener: Bool) -> Bool {
        service.linkStatus.contains { $0.peer == peer.id && $0.via.isEmpty && $0.openedByMe == isOpener }
    }
}
