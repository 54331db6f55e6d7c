import Catalog
import MartletTestKit
import Mesh
import Testing

/// What `martlet path` shows.
struct WayTests {
    /// A and D never share a network; B and C are each on both.
    private func diamond(_ mesh: SimulatedMesh) throws -> (a: Int, b: Int, c: Int, d: Int) {
        let a = try mesh.addNode("a", attachedTo: ["left"])
        let b = try mesh.addNode("b", attachedTo: ["left", "right"])
        let c = try mesh.addNode("c", attachedTo: ["left", "right"])
        let d = try mesh.addNode("d", attachedTo: ["right"])
        for node in [a, b, c, d] { mesh.start(node) }
        for node in [a, c, d] { mesh.sight(node, mesh.address(b)) }
        for node in [a, d] { mesh.sight(node, mesh.address(c)) }
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach([a, b, c, d]) } != nil)
        mesh.run(for: .seconds(1))
        return (a, b, c, d)
    }

    @Test func `the best way is the route, the second goes around it`() throws {
        let mesh = try SimulatedMesh(seed: 1)
        let (a, b, c, d) = try diamond(mesh)
        let core = try mesh.core(a)
        let ways = core.ways(to: mesh.id(d))
        #expect(ways.count == 2)
        #expect(ways.first?.hops.map(\.node) == core.route(to: mesh.id(d)))
        let relays = ways.compactMap { $0.hops.first?.node }
        #expect(Set(relays) == [mesh.id(b), mesh.id(c)])
        for way in ways { #expect(way.cost == way.hops.reduce(0) { $0 + $1.roundTripClass.cost }) }
    }

    @Test func `where one link is all there is, there is one way, and none to who is gone`() throws {
        let mesh = try SimulatedMesh(seed: 2)
        let a = try mesh.addNode("a")
        let b = try mesh.addNode("b")
        for node in [a, b] { mesh.start(node) }
        mesh.sight(a, mesh.address(b))
        #expect(try mesh.run(atMost: .seconds(5)) { try mesh.allReach([a, b]) } != nil)
        #expect(try mesh.core(a).ways(to: mesh.id(b)).map { $0.hops.map(\.node) } == [[mesh.id(b)]])
        mesh.kill(b)
        mesh.run(for: .seconds(1))
        #expect(try mesh.core(a).ways(to: mesh.id(b)).isEmpty)
    }

    @Test func `since when a way is taken starts anew only with another way`() throws {
        let mesh = try SimulatedMesh(seed: 3)
        let (a, b, c, d) = try diamond(mesh)
        func record() throws -> NodeRecord { try mesh.core(a).catalogSnapshot().nodes[mesh.id(d)].orFail() }
        let first = try record().reachedSince.orFail("a time")
        mesh.run(for: .seconds(5))
        #expect(try record().reachedSince == first)
        let relay = try mesh.core(a).route(to: mesh.id(d)).orFail()[0] == mesh.id(b) ? b : c
        let killedAt = mesh.now
        mesh.kill(relay)
        mesh.run(for: .seconds(1))
        #expect(try record().isReachable)
        #expect(try record().reachedSince.orFail("a time") >= killedAt)
        #expect(try mesh.core(a).catalogSnapshot().nodes[mesh.id(relay)].orFail().reachedSince == nil)
    }

    @Test func `a relay that named a broken link is gone around for five seconds, to other nodes as well`()
        throws
    {
        let mesh = try SimulatedMesh(seed: 4)
        let (a, b, c, d) = try diamond(mesh)
        let e = try mesh.addNode("e", attachedTo: ["right"])
        mesh.start(e)
        for relay in [b, c] { mesh.sight(e, mesh.address(relay)) }
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach([a, b, c, d, e]) } != nil)
        mesh.run(for: .seconds(2))
        func relay(to node: Int) throws -> NodeID { try mesh.core(a).route(to: mesh.id(node)).orFail()[0] }
        let named = try relay(to: d)
        let before = try relay(to: e)
        let broken = mesh.id(d)
        try mesh.act(a) { core, now, random in
            core.handle(.pathBroke(named, broken), at: now, using: &random)
        }
        #expect(try relay(to: d) != named)
        #expect(try relay(to: e) != named)
        #expect(try mesh.core(a).route(to: named) == [named])  // an end it is still
        mesh.run(for: .milliseconds(4800))
        #expect(try relay(to: d) != named)
        mesh.run(for: .milliseconds(500))
        #expect(try relay(to: d) == named)
        #expect(try relay(to: e) == before)
    }

    @Test func `where there is no way around, a named link and its relay are used all the same`() throws {
        let mesh = try SimulatedMesh(seed: 5)
        let a = try mesh.addNode("a", attachedTo: ["left"])
        let b = try mesh.addNode("b", attachedTo: ["left", "right"])
        let c = try mesh.addNode("c", attachedTo: ["right"])
        for node in [a, b, c] { mesh.start(node) }
        for node in [a, c] { mesh.sight(node, mesh.address(b)) }
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach([a, b, c]) } != nil)
        let (relay, far) = (mesh.id(b), mesh.id(c))
        try mesh.act(a) { core, now, random in core.handle(.pathBroke(relay, far), at: now, using: &random) }
        #expect(try mesh.core(a).route(to: far) == [relay, far])
    }
}
