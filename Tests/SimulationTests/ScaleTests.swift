import Catalog
import MartletTestKit
import Mesh
import Testing

/// A hundred nodes at once.
struct ScaleTests {
    @Test func `among a hundred nodes a changed tool is seen everywhere within half a second`() throws {
        let mesh = try SimulatedMesh(seed: 1)
        mesh.network.loss = 0.05
        let nodes = try mesh.addNodes(100)
        #expect(try mesh.run(atMost: .seconds(60)) { try mesh.allReach(nodes) } != nil)
        mesh.run(for: .seconds(20))
        try mesh.publish(nodes[42], "files", tools: 20, padding: 200)
        let key = ServerKey(owner: mesh.id(nodes[42]), name: "files")
        let took = try mesh.run(atMost: .seconds(30)) {
            try nodes.allSatisfy { index in
                let core = try mesh.core(index)
                return core.servers[key]?.manifest.map { core.manifest($0) != nil } ?? false
            }
        }
        print("seen everywhere after", took as Any)
        let before = mesh.bytesSent
        mesh.run(for: .seconds(20))
        print("bytes a second and node", (mesh.bytesSent - before) / 20 / 100)
        print("links a node", try nodes.map { try mesh.core($0).linkedPeers.count }.reduce(0, +) / 100)
        #expect(try took.orFail("everybody to see it") <= .milliseconds(1000))
    }
}
