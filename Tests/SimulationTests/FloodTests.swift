import Catalog
import MartletTestKit
import Mesh
import Testing

/// A member of the mesh that says more than anybody can use.
struct FloodTests {
    @Test func `a member that says 10,000 documents a second is named, and the mesh goes on without it`()
        throws
    {
        let mesh = try SimulatedMesh(seed: 12)
        // The flooder is linked with one node only; what the others hear of it that one passes on.
        let flooder = try mesh.addNode("flooder", attachedTo: ["edge"])
        let gate = try mesh.addNode("gate", attachedTo: ["edge", "lan"])
        let others = try (0..<4).map { try mesh.addNode(try Label("n\($0)").orFail()) }
        for index in [flooder, gate] + others {
            mesh.start(index)
            if index != gate { mesh.sight(index, mesh.address(gate)) }
        }
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach([flooder, gate] + others) } != nil)
        mesh.run(for: .seconds(2))

        var fromGate = 0
        mesh.wireObserver = { from, _, bytes in if from == gate { fromGate += bytes.count } }
        let key = ServerKey(owner: mesh.id(flooder), name: "files")
        var sequence: UInt64 = 1000
        for _ in 0..<300 {
            try say(100, from: flooder, of: key, in: mesh, &sequence)
            mesh.run(for: .milliseconds(10))
        }
        // 30,000 in three seconds: as many are taken in as the burst and the rate allow.
        for index in [gate] + others {
            #expect(try mesh.core(index).documentCount <= 6 * 2 + 1)
        }
        let said = mesh.now
        let atGate = try mesh.core(gate).currentFloods(at: said)
        #expect(atGate.contains { $0.node == mesh.id(flooder) && $0.part == .origin })
        #expect(atGate.reduce(0) { $0 + $1.leftOut } > 20)
        // Nobody who only passed things on is blamed.
        for index in others {
            #expect(try mesh.core(index).currentFloods(at: said).allSatisfy { $0.node == mesh.id(flooder) })
        }
        // 1,000 documents of 250 bytes to four neighbours and some more, not 30,000.
        #expect(fromGate < 4 * 1_200 * 300, "\(fromGate) bytes")

        // Meanwhile the others converge on what one of them says.
        try mesh.publish(others[2], "git", tools: 5)
        let git = ServerKey(owner: mesh.id(others[2]), name: "git")
        let took = try mesh.run(atMost: .seconds(5)) {
            try say(2, from: flooder, of: key, in: mesh, &sequence)
            return try ([gate] + others).allSatisfy { index in
                try mesh.core(index).servers[git]?.manifest.map { hash in
                    try mesh.core(index).manifest(hash) != nil
                } ?? false
            }
        }
        #expect(try took.orFail("the others to agree") < .seconds(1))

        // Once it keeps still, all agree, and after a while nobody names it any more.
        let quiet = try mesh.run(atMost: .seconds(200)) { try mesh.agree([gate] + others) }
        #expect(quiet != nil)
        mesh.run(for: .seconds(150))
        for index in [gate] + others { #expect(try mesh.core(index).currentFloods(at: mesh.now).isEmpty) }
    }

    @Test func `whoever was too fast is heard in the end`() throws {
        var limits = MeshLimits()
        // Said so fast, most of it is announced only, and what is asked for is the newest: less than is said comes in.
        limits.documentsBurst = 200
        let mesh = try SimulatedMesh(seed: 13, limits: limits)
        let nodes = try mesh.addNodes(5)
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.allReach(nodes) } != nil)
        for round in 0..<1500 {
            try mesh.publish(nodes[3], "files", tools: 1, tag: "t\(round)")
            mesh.run(for: .milliseconds(2))
        }
        #expect(try mesh.core(nodes[0]).currentFloods(at: mesh.now).map(\.node) == [mesh.id(nodes[3])])
        let took = try mesh.run(atMost: .seconds(60)) { try mesh.agree(nodes) }
        #expect(try took.orFail("agreement") < .seconds(30))
        let key = ServerKey(owner: mesh.id(nodes[3]), name: "files")
        for index in nodes {
            let shown = try mesh.core(index).catalogSnapshot().servers[key]?.manifest?.entries.first
            #expect(shown?.name == "t1499_0")
        }
    }

    private func say(
        _ count: Int, from index: SimulatedMesh.NodeIndex, of key: ServerKey, in mesh: SimulatedMesh,
        _ sequence: inout UInt64
    ) throws {
        var next = sequence
        try mesh.act(index) { core, _, _ throws(SigningFailure) in
            let me = core.me
            var documents: [[UInt8]] = []
            for _ in 0..<count {
                next += 1
                let record = ServerRecord(key: key, state: next % 2 == 0 ? .up : .down)
                documents.append(
                    try Document(
                        .server(key.owner, key.name),
                        version: DocumentVersion(incarnation: me.incarnation, life: me.life, sequence: next),
                        body: ServerBody(record, manifestBytes: 0).canonicalBytes, mesh: core.trust.mesh,
                        by: me.signer
                    ).encoded)
            }
            return core.links.keys.sorted().map { .send(.documents(documents), $0) }
        }
        sequence = next
    }
}
