import Catalog
import MartletTestKit
import Mesh
import Testing

struct StandingPeersTests {
    /// Nodes of a few segments, who is linked with whom, and what each can dial.
    private struct World {
        var ids: [NodeID]
        var segments: [NodeID: Label] = [:]
        var links: [NodeID: Set<NodeID>] = [:]
        var gone: Set<NodeID> = []
        /// Who can dial across; `nil`: everybody.
        var bridges: Set<NodeID>?

        init(_ count: Int, segments names: [Label]) {
            ids = (0..<count).map { NodeID(ofKey: [UInt8($0 / 256), UInt8($0 % 256)]) }
            for (index, id) in ids.enumerated() { segments[id] = names[index % names.count] }
        }

        func canLink(_ a: NodeID, _ b: NodeID) -> Bool {
            guard !gone.contains(a), !gone.contains(b) else { return false }
            guard segments[a] != segments[b], let bridges else { return true }
            return bridges.contains(a) && bridges.contains(b)
        }

        func wanted(by me: NodeID, rounds: Int = 0, reached: Set<NodeID>? = nil) throws -> Set<NodeID> {
            let segment = try segments[me].orFail()
            var others = segments
            others[me] = nil
            var holders: [Label: Set<NodeID>] = [:]
            for (node, home) in segments where home == segment {
                for peer in links[node] ?? [] {
                    if let other = segments[peer], other != segment {
                        holders[other, default: []].insert(node)
                    }
                }
            }
            var triers: [Label: Int] = [:]
            for other in Set(segments.values) where other != segment {
                triers[other] = max(0, 3 - (holders[other]?.count ?? 0)) << rounds
            }
            return StandingPeers.wanted(
                StandingPeers.Ground(
                    me: me, segment: segment, segments: others,
                    reached: reached ?? Set(ids).subtracting(gone).subtracting([me]),
                    linked: links[me] ?? [],
                    passedOver: Set(ids.filter { $0 != me && !canLink(me, $0) && rounds > 0 }),
                    bridges: holders, triers: triers), limit: 8)
        }

        /// Everybody in turn links with whom they want, round after round; who wants nobody any more lets go.
        mutating func settle() throws {
            for round in 0..<4 {
                for id in ids where !gone.contains(id) {
                    for peer in try wanted(by: id, rounds: round) where canLink(id, peer) {
                        links[id, default: []].insert(peer)
                        links[peer, default: []].insert(id)
                    }
                }
            }
            for id in ids {
                let mine = try wanted(by: id, rounds: 4)
                for peer in links[id] ?? [] where !mine.contains(peer) {
                    guard !(try wanted(by: peer, rounds: 4).contains(id)) else { continue }
                    links[id]?.remove(peer)
                    links[peer]?.remove(id)
                }
            }
        }

        /// How far the farthest node is from the first; `nil`: some are not reached.
        func depth() -> Int? {
            guard let first = ids.first(where: { !gone.contains($0) }) else { return nil }
            var seen: Set<NodeID> = [first]
            var front = [first]
            var depth = 0
            while true {
                let next = Set(front.flatMap { links[$0] ?? [] }).subtracting(seen)
                guard !next.isEmpty else { break }
                depth += 1
                seen.formUnion(next)
                front = Array(next)
            }
            return seen.count == ids.count - gone.count ? depth : nil
        }
    }

    @Test func `up to the limit everybody is wanted`() throws {
        let world = World(9, segments: ["s"])
        #expect(try world.wanted(by: world.ids[0], reached: []) == Set(world.ids.dropFirst()))
    }

    @Test(arguments: [(100, 1), (150, 3), (120, 20), (100, 100)])
    func `beyond it each node wants a few, and together they are one mesh within eight hops`(
        count: Int, segments: Int
    ) throws {
        var world = World(count, segments: try (0..<segments).map { try Label("s\($0)").orFail() })
        for id in world.ids { #expect(try world.wanted(by: id).count <= 8 + 6) }
        try world.settle()
        let depth = try world.depth().orFail("one mesh")
        #expect(depth <= CircuitHeader.pathMax)
        let degrees = world.ids.map { world.links[$0]?.count ?? 0 }
        #expect(degrees.max() ?? 0 <= 32)
        #expect(degrees.reduce(0, +) <= 12 * count)
    }

    @Test func `where a few can dial across, it is these who hold the links, and not more than are needed`()
        throws
    {
        var world = World(100, segments: ["a", "b"])
        world.bridges = Set(world.ids.suffix(20))
        try world.settle()
        #expect(world.depth() != nil)
        let holders = world.ids.filter { id in
            world.links[id]?.contains { world.segments[$0] != world.segments[id] } == true
        }
        #expect(Set(holders).isSubset(of: try world.bridges.orFail()))
        #expect(holders.count >= 4)
        let across = holders.reduce(0) { sum, id in
            sum + (world.links[id] ?? []).count { world.segments[$0] != world.segments[id] }
        }
        #expect(across / 2 <= 20)
    }

    @Test func `nodes that are gone leave no hole between those that stay`() throws {
        var world = World(80, segments: ["a", "b"])
        try world.settle()
        world.gone = Set(world.ids.shuffledForTest().prefix(40))
        for id in world.gone {
            for peer in world.links[id] ?? [] { world.links[peer]?.remove(id) }
            world.links[id] = nil
        }
        try world.settle()
        #expect(try world.depth().orFail("one mesh") <= CircuitHeader.pathMax)
    }

    @Test
    func `who could dial no node of a segment tries no more of them, and one that is linked counts still`()
        throws
    {
        let world = World(100, segments: ["a", "b"])
        let me = world.ids[0]
        let far = world.ids.filter { world.segments[$0] == "b" }
        var others = world.segments
        others[me] = nil
        var ground = StandingPeers.Ground(
            me: me, segment: "a", segments: others, reached: Set(world.ids).subtracting([me]),
            triers: ["b": 100])
        func wanted() -> Set<NodeID> { StandingPeers.wanted(ground, limit: 8).intersection(far) }
        #expect(!wanted().isEmpty)
        ground.inVain = Set(far.prefix(3))
        #expect(!wanted().isEmpty && wanted().isDisjoint(with: ground.inVain))
        ground.inVain = Set(far.prefix(4))
        #expect(wanted().isEmpty)
        // Its neighbour is gone from the graph, not only from its own sight: that is another matter.
        ground.reached.subtract(far)
        #expect(!wanted().isEmpty)
        ground.reached.formUnion(far)
        ground.linked = [far[9]]
        ground.bridges = ["b": [me]]
        #expect(wanted() == [far[9]])
    }

    @Test func `of a segment out of reach everybody is tried in time, a few at once`() throws {
        let world = World(100, segments: ["a", "b"])
        let me = world.ids[0]
        let far = Set(world.ids.filter { world.segments[$0] == "b" })
        var others = world.segments
        others[me] = nil
        var ground = StandingPeers.Ground(
            me: me, segment: "a", segments: others, reached: Set(world.ids).subtracting(far).subtracting([me])
        )
        var tried: Set<NodeID> = []
        for turn in UInt64(0)..<300 {
            ground.turn = turn
            let wanted = StandingPeers.wanted(ground, limit: 8).intersection(far)
            #expect((1...6).contains(wanted.count))
            tried.formUnion(wanted)
        }
        #expect(tried == far)
    }

    @Test func `who is out of reach is tried as well`() throws {
        let world = World(100, segments: ["a", "b"])
        let me = world.ids[0]
        let half = Set(world.ids.prefix(50)).subtracting([me])
        let wanted = try world.wanted(by: me, rounds: 3, reached: half)
        #expect(!wanted.intersection(half).isEmpty)
        #expect(!wanted.subtracting(half).isEmpty)
    }
}

extension [NodeID] {
    fileprivate func shuffledForTest() -> [NodeID] {
        var random = SplitMix64(seed: 7)
        return shuffled(using: &random)
    }
}

struct ReferralTests {
    @Test func `a referral is read as it was written, four addresses at most`() {
        let written = Referral(["10.0.0.1:7332", "[fe80::1]:7332"])
        #expect(Referral(text: written.text) == written)
        #expect(Referral(text: "a:1 b:2 c:3 d:4 e:5").addresses == ["a:1", "b:2", "c:3", "d:4"])
        #expect(Referral(text: "").addresses.isEmpty)
    }

    @Test func `what is too long for a goodbye is left out whole`() {
        let long = String(repeating: "h", count: 200) + ":1"
        let text = Referral([long, long, long, "10.0.0.1:1"]).text
        #expect(text == "\(long) \(long) 10.0.0.1:1")
        #expect(text.utf8.count <= Frame.textMax)
        #expect(Referral(text: String(repeating: "h", count: 400)).addresses.isEmpty)
    }
}
