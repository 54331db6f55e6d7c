import Catalog
import MartletTestKit
import Mesh
import Testing

/// Two links between the same two nodes, one of which the other end does not hear any more.
struct TwoLinksTests {
    private let peer = NodeID(high: 2, low: 2)
    private let hello: Hello
    private var random = SplitMix64(seed: 43)
    private var near: Neighbourhood
    private let start = Instant.zero + .seconds(1)
    private let old = LinkID(1)
    private let fresh = LinkID(2)

    init() throws {
        near = Neighbourhood(
            me: NodeID(high: 1, low: 1), mesh: try TestMesh(seed: 42).trust.mesh, limits: MeshLimits())
        hello = Hello(versions: 1...1, node: peer, incarnation: 1, life: 1, software: "")
    }

    private mutating func up(_ link: LinkID, openedByMe: Bool, at now: Instant) {
        let facts = LinkFacts(hello: hello, openedByMe: openedByMe, address: nil)
        #expect(near.up(link, facts, isOtherwiseAlone: true, at: now) == .keep)
    }

    @Test(arguments: [true, false])
    mutating func `a link that is given up for a dead one is still there when that one's silence is noticed`(
        freshStands: Bool
    ) {
        // This node's id is the smaller one: of the two, what it opened itself stands.
        up(old, openedByMe: !freshStands, at: start)
        up(fresh, openedByMe: freshStands, at: start)
        #expect(near.link(to: peer) == (freshStands ? fresh : old))
        let dead = freshStands ? fresh : old
        let noticed = start + SilenceWatch.tickEvery * SilenceWatch.downAfterTicks
        #expect(near.takeRetired(at: noticed).isEmpty)
        #expect(near.down(dead, at: noticed, using: &random) == nil, "the peer was lost for a moment")
        let other = freshStands ? old : fresh
        #expect(near.link(to: peer) == other)
        #expect(near.takeRetired(at: noticed + Neighbourhood.drain * 2).isEmpty)
    }

    @Test mutating func `of two links that both live the lesser one goes`() {
        up(old, openedByMe: true, at: start)
        up(fresh, openedByMe: false, at: start)
        #expect(near.takeRetired(at: start + Neighbourhood.drain) == [fresh])
        #expect(near.link(to: peer) == old)
    }
}
