import Catalog
import MartletTestKit
import Mesh
import Testing

/// What it costs two nodes to find out what differs.
struct RepairTests {
    let mesh: TestMesh
    let a: LocalNode
    let b: LocalNode
    var random = SplitMix64(seed: 6)

    init() throws {
        mesh = try TestMesh(seed: 21, .hashed)
        a = try mesh.node("a", using: &random)
        b = try mesh.node("b", using: &random)
    }

    /// Bytes said on a link between two nodes that hold the same but for one server of one of 1,000 origins, who
    /// both come up anew.
    private mutating func cost(of features: UInt64) throws -> (bytes: Int, frames: [Frame]) {
        let others = try Population(1000, in: mesh, using: &random)
        let changed = try Population.server("files", .down, 4, of: others.nodes[700], in: mesh)
        var pair = LinkedPair(
            mesh, (a, others.documents), (b, others.documents + [changed]), features: features)
        pair.link()
        let isSame = pair.agrees
        #expect(isSame)
        let key = ServerKey(owner: others.nodes[700].id, name: "files")
        #expect(pair.cores[0].servers[key]?.state == .down)
        return (pair.bytes, pair.frames)
    }

    @Test mutating func `one of a thousand origins differs: some kilobytes find it`() throws {
        let (bytes, frames) = try cost(of: Hello.ownFeatures & ~Hello.inflates)
        // 128 hashes of 16 bytes, and the rows of the few buckets that hold what differs: 24 of 110 bytes each.
        #expect(bytes < 24 * 1024, "\(bytes) bytes")
        #expect(frames.contains { if case .bucketDigest = $0 { true } else { false } })
        #expect(!frames.contains { if case .digestRows = $0 { true } else { false } })
    }

    @Test mutating func `with a peer that knows no buckets all rows are said, as ever`() throws {
        let (bytes, frames) = try cost(of: Hello.ownFeatures & ~(Hello.comparesBuckets | Hello.inflates))
        #expect(bytes > 200 * 1024, "\(bytes) bytes")
        #expect(!frames.contains { if case .bucketDigest = $0 { true } else { false } })
    }

    @Test(arguments: UInt64(1)...10)
    func `whatever differs, buckets find it and both end with the same`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let others = try Population(Int.random(in: 0...150, using: &random), in: mesh, using: &random)
        var held: [[Document]] = [[], []]
        for document in others.documents {
            switch Int.random(in: 0..<20, using: &random) {
            case 0: held[0].append(document)
            case 1: held[1].append(document)
            default: for side in [0, 1] { held[side].append(document) }
            }
        }
        for (index, node) in others.nodes.enumerated() where index % 17 == 0 {
            held[index % 2].append(try Population.server("files", .down, 5, of: node, in: mesh))
            held[1 - index % 2].append(try Population.server("git", .up, 6, of: node, in: mesh))
        }
        var pair = LinkedPair(mesh, (a, held[0]), (b, held[1]))
        pair.link()
        // What came before its origin's node document comes again.
        for _ in 0..<200 where !pair.agrees { pair.pass(.milliseconds(500)) }
        let isSame = pair.agrees
        #expect(isSame)
    }

    @Test mutating func `buckets that nobody asked for are not answered`() throws {
        let others = try Population(100, in: mesh, using: &random)
        var core = mesh.core(a)
        let now = Instant.zero + .seconds(1)
        _ = core.handle(.started(StoredState(documents: others.documents)), at: now, using: &random)
        var hello = Hello(versions: 1...2, node: b.id, incarnation: 1, life: 1, software: "")
        hello.features = Hello.comparesBuckets
        let facts = LinkFacts(hello: hello, openedByMe: false, address: nil)
        _ = core.handle(.linkUp(LinkID(1), facts), at: now, using: &random)
        let digest = BucketDigest(
            level: 4, hashes: (0..<16).map { BucketHash(high: $0, low: 0) })
        var all = BucketSet(level: 0)
        all.insert(0)
        for frame: Frame in [
            .bucketDigest(digest),
            .bucketRows(BucketRows(buckets: all, page: DigestPage(after: nil, rows: [], isLast: true))),
        ] {
            #expect(core.handle(.received(frame, from: LinkID(1)), at: now, using: &random).isEmpty)
        }
    }

    @Test(arguments: [
        "0d",  // finer than any
        "010000000000000000000000000000000000000000000000000000000000000000" + "00",  // half a hash too much
        "01" + "0000",  // too few
        "",
    ])
    func `a digest of buckets has as many hashes as its level says`(hex: String) throws {
        let bytes = try Hex.decode(hex).orFail()
        #expect(throws: WireError.self) { try BucketDigest(canonical: bytes) }
    }

    @Test(arguments: ["0d01", "0104", "0002", "03", "04ff", "0400ff00"])
    func `a set of buckets names only those that there are`(hex: String) throws {
        let bytes = try Hex.decode(hex).orFail()
        #expect(throws: WireError.self) { try BucketSet(canonical: bytes) }
    }
}
