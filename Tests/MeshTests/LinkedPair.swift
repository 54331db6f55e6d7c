import Catalog
import MartletTestKit
import Mesh

/// Two nodes' cores and one link between them, without a network: what one sends the other has at once.
struct LinkedPair {
    var cores: [MeshCore]
    var random = SplitMix64(seed: 77)
    var now = Instant.zero + .seconds(1)
    /// Of all frames, as they would go over the wire.
    private(set) var bytes = 0
    private(set) var frames: [Frame] = []
    private let linkID = LinkID(1)
    private let features: UInt64

    /// - Parameter features: what each is told that the other can do.
    init(
        _ mesh: TestMesh, _ a: (LocalNode, [Document]), _ b: (LocalNode, [Document]),
        features: UInt64 = Hello.ownFeatures
    ) {
        self.features = features
        cores = [mesh.core(a.0), mesh.core(b.0)]
        for (index, documents) in [a.1, b.1].enumerated() {
            _ = cores[index].handle(.started(StoredState(documents: documents)), at: now, using: &random)
        }
    }

    /// Links the two, the first one dialling, and lets them talk until neither has more to say.
    mutating func link() {
        let hellos = cores.map(\.hello).map { hello in
            var hello = hello
            hello.features = features
            return hello
        }
        var first: [(Int, Frame)] = []
        for index in [0, 1] {
            let facts = LinkFacts(
                hello: hellos[1 - index], openedByMe: index == 0, address: index == 0 ? "b:1" : nil)
            let effects = cores[index].handle(.linkUp(linkID, facts), at: now, using: &random)
            first += Self.frames(effects).map { (index, $0) }
        }
        deliver(first)
    }

    mutating func pass(_ duration: Duration) {
        now = now + duration
        for index in [0, 1] {
            let effects = cores[index].handle(.tick, at: now, using: &random)
            deliver(Self.frames(effects).map { (index, $0) })
        }
    }

    /// Something happens to one of them.
    mutating func give(_ event: MeshEvent, to index: Int) {
        let effects = cores[index].handle(event, at: now, using: &random)
        deliver(Self.frames(effects).map { (index, $0) })
    }

    private mutating func deliver(_ frames: [(sender: Int, Frame)]) {
        var waiting = frames
        while !waiting.isEmpty {
            let (sender, frame) = waiting.removeFirst()
            bytes += cores[sender].encode(frame, for: linkID).count
            self.frames.append(frame)
            let answers = cores[1 - sender].handle(.received(frame, from: linkID), at: now, using: &random)
            waiting += Self.frames(answers).map { (1 - sender, $0) }
        }
    }

    private static func frames(_ effects: [MeshEffect]) -> [Frame] {
        effects.compactMap { if case .send(let frame, _) = $0 { frame } else { nil } }
    }

    var agrees: Bool { cores[0].documents.map(\.row) == cores[1].documents.map(\.row) }
}

/// So many nodes of a mesh, each with its node document, its links and one server.
struct Population {
    var nodes: [LocalNode] = []
    var documents: [Document] = []

    init(_ count: Int, in mesh: TestMesh, using random: inout SplitMix64) throws {
        for index in 0..<count {
            let node = try mesh.node(try Label("n\(index)").orFail(), using: &random)
            nodes.append(node)
            let body = NodeBody(
                enrolment: node.enrolment, addresses: ["10.0.0.1:7332"], versions: 1...2, software: "test")
            documents += [
                try Self.document(.node(node.id), body.canonicalBytes, 1, by: node, in: mesh),
                try Self.document(.links(node.id), LinksBody().canonicalBytes, 2, by: node, in: mesh),
                try Self.server("files", .up, 3, of: node, in: mesh),
            ]
        }
    }

    static func server(
        _ name: Label, _ state: ServerState, _ sequence: UInt64, of node: LocalNode, in mesh: TestMesh
    ) throws -> Document {
        let record = ServerRecord(key: ServerKey(owner: node.id, name: name), state: state)
        return try document(
            .server(node.id, name), ServerBody(record, manifestBytes: 0).canonicalBytes, sequence, by: node,
            in: mesh)
    }

    static func document(
        _ key: DocumentKey, _ body: [UInt8]?, _ sequence: UInt64, by node: LocalNode, in mesh: TestMesh
    ) throws -> Document {
        try Document(
            key, version: DocumentVersion(incarnation: 1, life: node.life, sequence: sequence), body: body,
            mesh: mesh.trust.mesh, by: node.signer)
    }
}
