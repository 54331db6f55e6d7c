import Catalog
import MartletTestKit
import Mesh
import Testing

/// More nodes than any of them has links.
struct ScaleTests {
    @Test
    func `among fifty nodes a new server is seen everywhere within half a second, and then there is quiet`()
        throws
    {
        let mesh = try SimulatedMesh(seed: 1)
        mesh.network.loss = 0.05
        let nodes = try mesh.addNodes(50)
        #expect(try mesh.run(atMost: .seconds(60)) { try mesh.allReach(nodes) } != nil)
        mesh.run(for: .seconds(15))
        try mesh.publish(nodes[42], "files", tools: 20, padding: 200)
        let key = ServerKey(owner: mesh.id(nodes[42]), name: "files")
        let took = try mesh.run(atMost: .seconds(10)) {
            try nodes.allSatisfy { index in
                let core = try mesh.core(index)
                return core.servers[key]?.manifest.map { core.manifest($0) != nil } ?? false
            }
        }
        #expect(try took.orFail("everybody to see it") <= .milliseconds(500))

        mesh.run(for: .seconds(5))
        let before = mesh.bytesSent
        mesh.run(for: .seconds(10))
        #expect((mesh.bytesSent - before) / 10 / nodes.count < 1000)  // bytes a second and node
    }
}
