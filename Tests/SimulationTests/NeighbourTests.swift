import Catalog
import MartletTestKit
import Mesh
import Testing

/// Who links with whom when there are more nodes than places.
struct NeighbourTests {
    /// Segments on networks of their own; only some nodes of each are on the backbone too.
    private func segmented(_ mesh: SimulatedMesh, segments: Int, of size: Int, bridges: Int) throws -> [Int] {
        var nodes: [Int] = []
        for segment in 0..<segments {
            let label = try Label("s\(segment)").orFail()
            for place in 0..<size {
                let isBridge = place < bridges
                let node = try mesh.addNode(
                    Label("n\(nodes.count)").orFail(), segment: label,
                    attachedTo: isBridge ? ["net\(segment)", "backbone"] : ["net\(segment)"])
                nodes.append(node)
                mesh.start(node)
                mesh.sight(node, mesh.address(segment * size + (place == 0 ? -segment * size : 0)))
                mesh.run(for: .milliseconds(20))
            }
        }
        return nodes
    }

    private func degrees(_ mesh: SimulatedMesh, _ nodes: [Int]) throws -> [Int] {
        try nodes.map { try mesh.core($0).linkedPeers.count }
    }

    /// Every link that both ends have, from the lower index to the higher.
    private func pairs(_ mesh: SimulatedMesh, _ nodes: [Int]) throws -> [(Int, Int)] {
        let index = Dictionary(uniqueKeysWithValues: nodes.map { (mesh.id($0), $0) })
        return try nodes.flatMap { a in
            try mesh.core(a).linkedPeers.compactMap { index[$0] }.filter { $0 > a }.map { (a, $0) }
        }
    }

    /// Looks once a second: a look at each pair of sixty nodes takes longer than they need for a second.
    private func untilAllReach(_ mesh: SimulatedMesh, within seconds: Int) throws -> Bool {
        for _ in 0..<seconds {
            mesh.run(for: .seconds(1))
            if try mesh.allReach(mesh.running) { return true }
        }
        return false
    }

    @Test(.timeLimit(.minutes(5)))
    func `sixty nodes in segments that few can cross stay one mesh while nodes come and go`() throws {
        let mesh = try SimulatedMesh(seed: 1)
        _ = try segmented(mesh, segments: 4, of: 15, bridges: 4)
        #expect(try untilAllReach(mesh, within: 60))
        var random = SplitMix64(seed: 2)
        var gone: [Int] = []
        for round in 0..<4 {
            for _ in 0..<4 {
                let victim = try mesh.running.randomElement(using: &random).orFail()
                mesh.kill(victim)
                gone.append(victim)
            }
            if round > 0 { for _ in 0..<4 { mesh.start(gone.removeFirst()) } }
            #expect(try untilAllReach(mesh, within: 10), "seed 1, round \(round)")
        }
        // Time for what was linked in a hurry to be let go.
        mesh.run(for: .seconds(40))
        #expect(try mesh.allReach(mesh.running))
        let degrees = try degrees(mesh, mesh.running)
        #expect(degrees.max() ?? 0 <= MeshLimits().acceptedLinks)
        #expect(degrees.reduce(0, +) <= 10 * mesh.running.count, "\(degrees.sorted())")
        let across = try pairs(mesh, mesh.running).count { $0 / 15 != $1 / 15 }
        #expect((3...60).contains(across), "of six pairs of segments")
    }

    @Test(arguments: UInt64(1)...6)
    func `two segments that one node of each can cross find one another again after a cut`(seed: UInt64)
        throws
    {
        let mesh = try SimulatedMesh(seed: seed)
        let nodes = try segmented(mesh, segments: 2, of: 12, bridges: 1)
        #expect(try untilAllReach(mesh, within: 60))
        mesh.cut(Array(nodes.prefix(12)), from: Array(nodes.suffix(12)))
        mesh.run(for: .seconds(60))
        #expect(try !mesh.allReach(nodes))
        mesh.heal()
        #expect(try untilAllReach(mesh, within: 300), "seed \(seed)")
    }

    @Test func `a full node sends newcomers on, and they go there`() throws {
        var limits = MeshLimits()
        limits.standingLinks = 3
        limits.acceptedLinks = 4
        let mesh = try SimulatedMesh(seed: 3, limits: limits)
        let nodes = try mesh.addNodes(20)  // who all know the first one's address and no other
        #expect(try mesh.run(atMost: .seconds(60)) { try mesh.allReach(nodes) } != nil)
        #expect(mesh.turnedAway > 0)
        mesh.run(for: .seconds(60))
        #expect(try mesh.allReach(nodes))
        // What each accepts is bounded; what it dials itself is what it chose.
        #expect(try degrees(mesh, nodes).allSatisfy { $0 <= 8 })
    }

    @Test func `a node with no link at all finds a place at a full one, and follows the word of the next`()
        throws
    {
        var limits = MeshLimits()
        limits.standingLinks = 2
        limits.acceptedLinks = 2
        let mesh = try SimulatedMesh(seed: 4, limits: limits)
        let nodes = try mesh.addNodes(6)
        #expect(try mesh.run(atMost: .seconds(60)) { try mesh.allReach(nodes) } != nil)
        mesh.run(for: .seconds(40))
        let late = try mesh.addNode("late")
        mesh.start(late)
        mesh.sight(late, mesh.address(nodes[0]))
        #expect(try mesh.run(atMost: .seconds(5)) { try mesh.allReach(nodes + [late]) } != nil)
        // It was away, and the others remember the links that it had.
        mesh.kill(late)
        mesh.run(for: .seconds(3))
        mesh.start(late)
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach(nodes + [late]) } != nil)
    }

    @Test func `an answer that no place is free is honoured by who has no other link`() throws {
        let mesh = try SimulatedMesh(seed: 5)
        let a = try mesh.addNode("a")
        let b = try mesh.addNode("b")
        let c = try mesh.addNode("c")
        for node in [a, b, c] { mesh.start(node) }
        mesh.sight(a, mesh.address(b))
        #expect(try mesh.run(atMost: .seconds(5)) { try mesh.allReach([a, b]) } != nil)
        let link = try mesh.core(a).link(to: mesh.id(b)).orFail()
        let address = mesh.address(c)
        try mesh.act(a) { core, now, random in
            core.handle(.turnedAway(link, Referral([address])), at: now, using: &random)
                + core.handle(.linkDown(link), at: now, using: &random)
        }
        let named = try mesh.core(a).addresses.first { $0.address == address }.orFail("the address named")
        #expect(named.sources == [.referral])
        let full = try mesh.core(a).addresses.first { $0.reaches == mesh.id(b) }.orFail(
            "that of the full node")
        #expect(full.nextDial - mesh.now >= .seconds(29))
        #expect(
            try mesh.run(atMost: .seconds(2)) { try mesh.core(a).linkedPeers.contains(mesh.id(c)) } != nil)
    }
}
