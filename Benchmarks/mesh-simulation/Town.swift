import Catalog
import MartletTestKit
import Mesh

/// A simulated mesh that was there before: every node has everybody's node document on its disk, as after a power cut.
struct Town {
    let mesh: SimulatedMesh
    let nodes: [Int]

    init(_ count: Int, seed: UInt64, loss: Double) throws {
        let mesh = try SimulatedMesh(seed: seed)
        mesh.network.loss = loss
        mesh.network.delay = .milliseconds(15)...(.milliseconds(25))
        var nodes: [Int] = []
        for number in 0..<count { nodes.append(try mesh.addNode(Label("n\(number)").orFail())) }
        let documents = try nodes.map { index in
            let body = NodeBody(
                enrolment: mesh.enrolment(index), addresses: [mesh.address(index)],
                versions: ProtocolVersion.spoken, software: "martlet test")
            return try Document(
                .node(mesh.id(index)), version: DocumentVersion(incarnation: 1, life: 1, sequence: 1),
                body: body.canonicalBytes, mesh: mesh.mesh.trust.mesh, by: mesh.signer(index))
        }
        for index in nodes {
            mesh.restoreDisk(index, StoredState(documents: documents), incarnation: 1)
        }
        self.mesh = mesh
        self.nodes = nodes
    }

    func settle() throws -> Duration {
        for index in nodes {
            mesh.start(index)
            mesh.run(for: .milliseconds(2))
        }
        let begin = mesh.now
        for _ in 0..<600 {
            mesh.run(for: .seconds(1))
            if try mesh.allReach(nodes) { return mesh.now - begin }
        }
        throw Missing(description: "everybody to reach everybody")
    }
}
