import Catalog
import MartletTestKit
import Mesh
import Testing

/// A node that starts with what it knew, and whom it finds.
struct CompanyTests {
    let mesh: TestMesh
    let node: LocalNode
    let others: Population
    let link = LinkID(1)
    var core: MeshCore
    var random = SplitMix64(seed: 5)
    var now = Instant.zero + .seconds(1000)

    init() throws {
        mesh = try TestMesh(seed: 51, .hashed)
        node = try mesh.node("lab", using: &random)
        others = try Population(2, in: mesh, using: &random)
        core = mesh.core(node)
    }

    private mutating func start(_ stored: StoredState? = nil) {
        _ = core.handle(
            .started(
                stored
                    ?? StoredState(documents: others.documents, ages: [others.nodes[0].id: .seconds(300)])),
            at: now, using: &random)
    }

    private mutating func linkUp(features: UInt64) -> [MeshEffect] {
        var hello = Hello(
            versions: 1...2, node: others.nodes[0].id, incarnation: 1, life: 1, software: "")
        hello.features = features
        let facts = LinkFacts(hello: hello, openedByMe: false, address: nil)
        return core.handle(.linkUp(link, facts), at: now, using: &random)
    }

    private mutating func pass(_ duration: Duration) -> [MeshEffect] {
        now = now + duration
        return core.handle(.tick, at: now, using: &random)
    }

    @Test mutating func `what one full peer named makes room for what the next one names`() throws {
        start()
        _ = linkUp(features: Hello.ownFeatures)
        for round in 0..<5 {
            let named = (0..<4).map { "10.9.\(round).\($0):7332" }
            _ = core.handle(.turnedAway(link, Referral(named)), at: now, using: &random)
            let kept = core.addresses.filter { $0.sources.contains(.referral) }.map(\.address)
            #expect(kept.sorted() == named)
        }
    }

    @Test mutating func `a peer that links up and then says nothing is no company`() throws {
        start()
        _ = linkUp(features: Hello.ownFeatures)
        for _ in 0..<100 { _ = pass(.milliseconds(100)) }
        let snapshot = core.catalogSnapshot()
        #expect(snapshot.isConfirmed && snapshot.aloneSince != nil)
        // It is asked again and again: what it said first may have been lost.
        var asked = 0
        for _ in 0..<300 {
            for case .send(.statementDigest, _) in pass(.milliseconds(100)) { asked += 1 }
        }
        #expect(asked >= 2)
    }

    @Test mutating func `what was known is shown at once with its age, and is confirmed by the first peer`()
        throws
    {
        start()
        let early = core.catalogSnapshot()
        #expect(!early.isConfirmed && early.aloneSince == nil)
        #expect(early.servers.count == 2)
        #expect(early.nodes[others.nodes[0].id]?.heardAt == now + .seconds(-300))

        _ = linkUp(features: Hello.ownFeatures)
        #expect(!core.catalogSnapshot().isConfirmed, "nobody has said yet who is revoked")
        let digest = Frame.statementDigest(Digest(count: 0, root: ContentHash(of: [0])))
        _ = core.handle(.received(digest, from: link), at: now, using: &random)
        #expect(!core.catalogSnapshot().isConfirmed, "the peer's revocations are still to come")
        let effects = core.handle(
            .received(.statements([], isLast: true), from: link), at: now, using: &random)
        #expect(core.catalogSnapshot().isConfirmed)
        #expect(effects.contains(.catalogChanged))
    }

    @Test mutating func `a peer that exchanges no revocations confirms by being there`() {
        start()
        #expect(linkUp(features: 0).contains(.catalogChanged))
        #expect(core.catalogSnapshot().isConfirmed)
    }

    @Test mutating func `alone for five seconds it goes on with what it knew, and says since when`() {
        start()
        let began = now
        #expect(pass(.milliseconds(4900)).isEmpty || core.aloneSince == nil)
        #expect(!core.isConfirmed)
        #expect(pass(.milliseconds(100)).contains(.catalogChanged))
        #expect(core.isConfirmed && core.aloneSince == began)
        _ = pass(.seconds(60))
        #expect(core.catalogSnapshot().aloneSince == began)

        _ = linkUp(features: 0)
        #expect(core.aloneSince == nil)
        // A link that breaks for a moment makes nobody alone.
        _ = core.handle(.linkDown(link), at: now, using: &random)
        _ = pass(.seconds(1))
        #expect(core.aloneSince == nil)
        let lost = now + .seconds(-1)
        _ = pass(.seconds(5))
        #expect(core.aloneSince == lost)
        #expect(core.isConfirmed, "what was confirmed stays so")
    }

    @Test mutating func `a mesh of one has nobody to miss`() {
        start(StoredState())
        #expect(core.isConfirmed)
        _ = pass(.seconds(60))
        #expect(core.aloneSince == nil)
    }
}
