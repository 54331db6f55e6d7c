import Catalog
import MartletTestKit
import Mesh

/// A simulated mesh that was there before: every node starts at once, as after a power cut, with everybody's node document on its
/// disk. So it need not be watched while it grows, which takes most of the time of a thousand nodes.
struct Town {
    let mesh: SimulatedMesh
    let nodes: [Int]
    let seed: UInt64
    /// Of the segments, the nodes that are on the backbone too.
    static let bridgesEach = 4

    /// - Parameter segments: each a network of its own, with some nodes on one backbone; 1: one network.
    init(_ count: Int, seed: UInt64, segments: Int = 1, limits: MeshLimits = MeshLimits()) throws {
        let mesh = try SimulatedMesh(seed: seed, limits: limits)
        mesh.network.delay = .milliseconds(15)...(.milliseconds(25))
        mesh.network.losesAgain = true
        var nodes: [Int] = []
        for number in 0..<count {
            let segment = number * segments / count
            let isBridge = segments > 1 && number - segment * count / segments < Self.bridgesEach
            nodes.append(
                try mesh.addNode(
                    Label("n\(number)").orFail(), roles: number == 0 ? .all : .ordinary,
                    segment: Label("s\(segment)").orFail(),
                    attachedTo: isBridge ? ["net\(segment)", "backbone"] : ["net\(segment)"]))
        }
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
        self.seed = seed
    }

    /// Starts all, and waits until each reaches each; then a while longer, for links that nobody wants to go.
    func settle(_ rest: Duration) throws {
        for index in nodes { mesh.start(index) }
        for _ in 0..<120 {
            mesh.run(for: .seconds(1))
            if try mesh.allReach(nodes) {
                mesh.run(for: rest)
                return
            }
        }
        throw Missing(description: "everybody to reach everybody")
    }

    func linksEach() throws -> Double {
        let links = try nodes.reduce(0) { $0 + (try mesh.core($1).linkedPeers.count) }
        return Double(links) / Double(nodes.count)
    }

    /// Looks at each of these again and again until all are done.
    ///
    /// - Returns: when each was, in milliseconds from now; whoever was not within the time counts as that long.
    func times(
        of watched: [Int], every step: Duration = .milliseconds(10), atMost longest: Duration = .seconds(20),
        _ isDone: (Int) throws -> Bool
    ) throws -> [Double] {
        let begin = mesh.now
        var open = watched
        var times: [Double] = []
        while !open.isEmpty, mesh.now - begin < longest {
            mesh.run(for: step)
            let before = open.count
            try open.removeAll(where: isDone)
            times += Array(repeating: (mesh.now - begin).milliseconds, count: before - open.count)
        }
        return times + Array(repeating: longest.milliseconds, count: open.count)
    }
}

extension Duration {
    var milliseconds: Double { self / .milliseconds(1) }
    var inSeconds: Double { self / .seconds(1) }
}

/// Quantiles of what was measured, in milliseconds.
struct Spread {
    let sorted: [Double]

    init(_ values: [Double]) { sorted = values.sorted() }

    func quantile(_ part: Double) -> Double {
        sorted.isEmpty ? .infinity : sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]
    }

    var p50: Double { quantile(0.5) }
    var p99: Double { quantile(0.99) }
    var worst: Double { sorted.last ?? .infinity }
}
