import Catalog
import MartletTestKit
import Mesh
import Testing

struct ReachabilityTests {
    /// A and C never share a network; B is on both.
    private func chain(_ mesh: SimulatedMesh) throws -> (a: Int, b: Int, c: Int) {
        let a = try mesh.addNode("a", segment: "left", attachedTo: ["one"])
        let b = try mesh.addNode("b", segment: "left", attachedTo: ["one", "two"])
        let c = try mesh.addNode("c", segment: "right", attachedTo: ["two"])
        for node in [a, b, c] { mesh.start(node) }
        mesh.sight(a, mesh.address(b))
        mesh.sight(c, mesh.address(b))
        return (a, b, c)
    }

    @Test func `a node beyond a relay is reached through it`() throws {
        let mesh = try SimulatedMesh(seed: 1)
        let (a, b, c) = try chain(mesh)
        try mesh.publish(c, "files", tools: 4)
        #expect(
            try mesh.run(atMost: .seconds(5)) { try mesh.allReach([a, b, c]) && mesh.agree([a, b, c]) } != nil
        )
        #expect(try mesh.core(a).route(to: mesh.id(c)) == [mesh.id(b), mesh.id(c)])
        #expect(try mesh.core(c).route(to: mesh.id(a)) == [mesh.id(b), mesh.id(a)])
        #expect(try mesh.core(a).linkedPeers == [mesh.id(b)])
    }

    @Test func `a node that does not relay is no way through`() throws {
        let mesh = try SimulatedMesh(seed: 2)
        let a = try mesh.addNode("a", attachedTo: ["one"])
        let b = try mesh.addNode("b", attachedTo: ["one", "two"], relays: false)
        let c = try mesh.addNode("c", attachedTo: ["two"])
        for node in [a, b, c] { mesh.start(node) }
        mesh.sight(a, mesh.address(b))
        mesh.sight(c, mesh.address(b))
        mesh.run(for: .seconds(5))
        #expect(try mesh.agree([a, b, c]))  // documents pass, circuits do not
        #expect(try mesh.core(a).route(to: mesh.id(c)) == nil)
        #expect(try mesh.core(a).route(to: mesh.id(b)) == [mesh.id(b)])
    }

    @Test func `a killed node is known everywhere within half a second, and what it offers stays listed`()
        throws
    {
        let mesh = try SimulatedMesh(seed: 3)
        mesh.network.loss = 0.05
        let nodes = try mesh.addNodes(20)
        try mesh.publish(nodes[7], "files", tools: 2)
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach(nodes) && mesh.agree(nodes) } != nil)
        mesh.run(for: .seconds(20))
        let victim = mesh.id(nodes[7])
        let killedAt = mesh.now
        mesh.kill(nodes[7])
        let took = try mesh.run(atMost: .seconds(5)) {
            try mesh.running.allSatisfy { try mesh.core($0).route(to: victim) == nil }
        }
        #expect(try took.orFail("everybody to know") <= .milliseconds(500))
        let view = try mesh.core(nodes[0]).catalogSnapshot()
        #expect(view.servers.keys.map(\.owner) == [victim])
        guard case .unreachable(let since) = try view.nodes[victim].orFail().reachability else {
            Issue.record("the killed node is not shown as unreachable")
            return
        }
        #expect(since >= killedAt)

        mesh.start(nodes[7])
        #expect(try mesh.run(atMost: .seconds(70)) { try mesh.allReach(nodes) } != nil)
    }

    @Test(arguments: UInt64(1)...5)
    func `a host that vanishes is known after its silence`(seed: UInt64) throws {
        let mesh = try SimulatedMesh(seed: seed)
        let nodes = try mesh.addNodes(8)
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach(nodes) } != nil)
        mesh.run(for: .seconds(5))
        mesh.vanish(nodes[4])
        let took = try mesh.run(atMost: .seconds(10)) {
            try mesh.running.allSatisfy { try mesh.core($0).route(to: mesh.id(nodes[4])) == nil }
        }
        let silence = try took.orFail("everybody to know")
        #expect(silence > .milliseconds(1400))
        #expect(silence <= .milliseconds(3500))
    }

    @Test(arguments: UInt64(1)...5)
    func `a starved node blames nobody`(seed: UInt64) throws {
        let mesh = try SimulatedMesh(seed: seed)
        let nodes = try mesh.addNodes(6)
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach(nodes) } != nil)
        mesh.run(for: .seconds(5))
        mesh.pause(nodes[2], for: .milliseconds(1200))
        mesh.run(for: .milliseconds(1300))
        let starved = try mesh.core(nodes[2])
        #expect(starved.linkedPeers.count == 5)
        for other in nodes where other != nodes[2] { #expect(starved.route(to: mesh.id(other)) != nil) }
    }

    @Test(arguments: UInt64(1)...4)
    func `starved nodes cost nobody the sight of a healthy one`(seed: UInt64) throws {
        let mesh = try SimulatedMesh(seed: seed)
        mesh.network.loss = 0.05
        mesh.network.losesAgain = true
        let nodes = try mesh.addNodes(20)
        #expect(try mesh.run(atMost: .seconds(20)) { try mesh.allReach(nodes) } != nil)
        mesh.run(for: .seconds(20))
        let starved = nodes.filter { $0 % 10 == 3 }
        let stalls = SimulatedMesh.Stalls(
            lasting: .milliseconds(300)...(.seconds(5)), apart: .milliseconds(500)...(.seconds(5)))
        for index in starved { mesh.stall(index, stalls) }
        var downs = 0
        mesh.silenceObserver = { _, _ in downs += 1 }
        let sight = LostFromSight(in: mesh, starved: starved)
        sight.run(for: .seconds(60))
        #expect(sight.wrongly == 0, "\(sight.first); replay with seed \(seed)")
        // They were starved enough for their own links to be given up.
        #expect(downs > 0)
    }

    @Test func `healthy nodes never call one another unreachable`() throws {
        let mesh = try SimulatedMesh(seed: 9)
        mesh.network.loss = 0.05
        let nodes = try mesh.addNodes(10)
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach(nodes) } != nil)
        for _ in 0..<60 {
            mesh.run(for: .seconds(5))
            #expect(try mesh.allReach(nodes))
        }
    }

    @Test func `a partition is two meshes until it heals`() throws {
        let mesh = try SimulatedMesh(seed: 10)
        let nodes = try mesh.addNodes(8)
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach(nodes) } != nil)
        let (left, right) = (Array(nodes[..<4]), Array(nodes[4...]))
        mesh.cut(left, from: right)
        mesh.run(for: .seconds(6))
        #expect(try mesh.allReach(left))
        #expect(try mesh.allReach(right))
        for a in left { for b in right { #expect(try mesh.core(a).route(to: mesh.id(b)) == nil) } }
        try mesh.publish(left[0], "files", tools: 2)
        try mesh.publish(right[0], "git", tools: 2)
        mesh.run(for: .seconds(6))
        mesh.heal()
        #expect(try mesh.run(atMost: .seconds(70)) { try mesh.allReach(nodes) && mesh.agree(nodes) } != nil)
    }

    @Test func `two nodes that dial each other at once end with one link`() throws {
        for seed in UInt64(1)...20 {
            let mesh = try SimulatedMesh(seed: seed)
            let a = try mesh.addNode("a")
            let b = try mesh.addNode("b")
            mesh.start(a)
            mesh.start(b)
            mesh.sight(a, mesh.address(b))
            mesh.sight(b, mesh.address(a))
            // Until the other one has drained.
            mesh.run(for: Neighbourhood.drain + .seconds(1))
            let (mine, theirs) = (try mesh.core(a).links, try mesh.core(b).links)
            #expect(mine.count == 1)
            #expect(Set(mine.keys) == Set(theirs.keys))
        }
    }

    @Test func `in a mesh larger than its links everybody is still reached within eight hops`() throws {
        let mesh = try SimulatedMesh(seed: 11)
        let nodes = try mesh.addNodes(40)
        #expect(try mesh.run(atMost: .seconds(30)) { try mesh.allReach(nodes) && mesh.agree(nodes) } != nil)
        for a in nodes {
            let core = try mesh.core(a)
            #expect(core.linkedPeers.count <= 39)
            for b in nodes where a != b {
                let path = try core.route(to: mesh.id(b)).orFail()
                #expect(path.count <= CircuitHeader.pathMax)
                #expect(Set(path).count == path.count)
                #expect(!path.contains(mesh.id(a)))
                #expect(path.last == mesh.id(b))
            }
        }
    }
}
