import Catalog
import MartletTestKit
import Mesh
import Testing

/// A link that comes and goes, as the rest of the mesh hears of it.
struct DampingTests {
    private func mesh(of count: Int, seed: UInt64) throws -> (SimulatedMesh, [Int]) {
        let mesh = try SimulatedMesh(seed: seed)
        let nodes = try mesh.addNodes(count)
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach(nodes) } != nil)
        mesh.run(for: .seconds(2))
        return (mesh, nodes)
    }

    /// Whether a third node has heard from both ends that they are linked.
    private func hears(_ mesh: SimulatedMesh, _ listener: Int, of a: Int, _ b: Int) throws -> Bool {
        let core = try mesh.core(listener)
        return core.listedLinks(of: mesh.id(a)).contains(mesh.id(b))
            && core.listedLinks(of: mesh.id(b)).contains(mesh.id(a))
    }

    /// Breaks the link of two nodes for two minutes whenever it has been up for a second.
    ///
    /// - Returns: how often the listener heard that it is up again.
    private func flap(_ mesh: SimulatedMesh, _ a: Int, _ b: Int, heardBy listener: Int) throws -> (
        breaks: Int, ups: Int
    ) {
        var breaks = 0
        var ups = 0
        var heard = true
        for _ in 0..<120 {
            if try mesh.core(a).link(to: mesh.id(b)) != nil {
                try mesh.breakLink(a, b)
                breaks += 1
            }
            for _ in 0..<10 {
                mesh.run(for: .milliseconds(100))
                let now = try hears(mesh, listener, of: a, b)
                if now, !heard { ups += 1 }
                heard = now
            }
        }
        return (breaks, ups)
    }

    @Test
    func
        `the mesh hears of a flapping link seldom while there is another way, and in full when it is steady`()
        throws
    {
        let (mesh, nodes) = try mesh(of: 4, seed: 1)
        let course = try flap(mesh, nodes[1], nodes[2], heardBy: nodes[0])
        #expect(course.breaks >= 12)
        #expect(course.ups <= 4, "\(course)")
        #expect(try mesh.allReach(nodes))
        #expect(
            try mesh.run(atMost: .seconds(70)) { try hears(mesh, nodes[0], of: nodes[1], nodes[2]) } != nil)
    }

    @Test func `a flapping link that is the only way is told at once, each time`() throws {
        let (mesh, nodes) = try mesh(of: 2, seed: 2)
        var ups = 0
        for _ in 0..<8 {
            try mesh.breakLink(nodes[0], nodes[1])
            mesh.run(for: .milliseconds(100))
            #expect(try mesh.core(nodes[0]).route(to: mesh.id(nodes[1])) == nil)
            let up = try mesh.run(atMost: .seconds(10)) {
                try mesh.core(nodes[0]).link(to: mesh.id(nodes[1])) != nil
            }
            #expect(up != nil)
            let told = try mesh.run(atMost: .milliseconds(400)) {
                try hears(mesh, nodes[0], of: nodes[0], nodes[1])
            }
            if told != nil { ups += 1 }
        }
        #expect(ups == 8)
    }

    @Test func `a node that starts again is told at once though its links flapped`() throws {
        let (mesh, nodes) = try mesh(of: 4, seed: 3)
        _ = try flap(mesh, nodes[1], nodes[2], heardBy: nodes[0])
        mesh.kill(nodes[2])
        mesh.run(for: .seconds(1))
        mesh.start(nodes[2])
        mesh.sight(nodes[2], mesh.address(nodes[1]))
        let linked = try mesh.run(atMost: .seconds(70)) {
            try mesh.core(nodes[1]).link(to: mesh.id(nodes[2])) != nil
        }
        #expect(linked != nil)
        #expect(
            try mesh.run(atMost: .seconds(1)) { try hears(mesh, nodes[0], of: nodes[1], nodes[2]) } != nil)
    }
}
