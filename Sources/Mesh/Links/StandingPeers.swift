package import Catalog

/// Which peers should have a standing link with this node.
///
/// All of them up to the limit. Beyond it: the two neighbours in id order within the segment, four by rendezvous hash
/// (two of them within the segment), and for each other segment up to three nodes of this one that hold a link across.
/// Who can dial across is not configured: it is seen from who does. While fewer than three do, those that rank highest
/// for the pair of segments try, and more of them the longer it takes.
///
/// Of nodes that are reached, those that cannot be dialled are passed over; the others are tried whatever came of it
/// before, since a mesh in two parts has nothing else to become one again by.
package enum StandingPeers {
    private static let randomPeers = 4
    /// … of which at least so many are of this node's own segment, where one can usually dial.
    private static let randomNearPeers = 2
    package static let bridgesPerPair = 3
    /// To so many other segments each segment wants links of its own; beyond that segments choose among one another
    /// as nodes do.
    private static let segmentsMax = 8
    /// Links across that one node holds for its segment.
    private static let bridgesPerNode = 8
    /// So many nodes of a segment that nothing is reached of are tried by everybody, others in each turn: where few nodes can cross,
    /// two that can must come to try one another.
    private static let lostPerSegment = 2

    /// After so many nodes of another segment that are alive and could not be dialled, it is taken that none can.
    private static let inVainPerSegment = 4

    /// What a node knows when it chooses.
    package struct Ground: Sendable {
        package var me: NodeID
        package var segment: Label
        /// Of every other node that is of the mesh.
        package var segments: [NodeID: Label]
        /// To whom the link graph has a path.
        package var reached: Set<NodeID>
        package var linked: Set<NodeID>
        /// Who has no address to dial.
        package var passedOver: Set<NodeID>
        /// Who was dialled in vain not long ago.
        package var inVain: Set<NodeID>
        /// Nodes of this segment, this one among them, that hold a link to a node of the other.
        package var bridges: [Label: Set<NodeID>]
        /// So many nodes of this segment try for a link to another one, of which ``bridges`` are too few; not
        /// named: as many as lack.
        package var triers: [Label: Int]
        /// Grows as time goes on: what is chosen among those out of reach changes with it.
        package var turn: UInt64

        package init(
            me: NodeID, segment: Label, segments: [NodeID: Label], reached: Set<NodeID>,
            linked: Set<NodeID> = [], passedOver: Set<NodeID> = [], inVain: Set<NodeID> = [],
            bridges: [Label: Set<NodeID>] = [:],
            triers: [Label: Int] = [:], turn: UInt64 = 0
        ) {
            self.me = me
            self.segment = segment
            self.segments = segments
            self.reached = reached
            self.linked = linked
            self.passedOver = passedOver
            self.inVain = inVain
            self.bridges = bridges
            self.triers = triers
            self.turn = turn
        }
    }

    /// - Complexity: O(nodes).
    package static func wanted(_ ground: Ground, limit: Int) -> Set<NodeID> {
        let me = ground.me
        let others = ground.segments.keys.filter { $0 != me }
        guard others.count > limit else { return Set(others) }
        let reached = others.filter { ground.reached.contains($0) }
        let closed = closedSegments(ground, reached: reached)
        let usable = reached.filter { node in
            if ground.linked.contains(node) { return true }
            return !ground.passedOver.contains(node) && !ground.inVain.contains(node)
                && !(ground.segments[node].map(closed.contains) ?? false)
        }
        let near = usable.filter { ground.segments[$0] == ground.segment }

        var wanted = neighbours(of: me, among: near)
        wanted.formUnion(best(randomNearPeers, of: near) { rank(NodePair(me, $0)) })
        let mixed = best(randomPeers, of: usable) { rank(NodePair(me, $0)) }
        wanted.formUnion(mixed.prefix(randomPeers - randomNearPeers))

        let far = Dictionary(grouping: others.filter { ground.segments[$0] != ground.segment }) {
            ground.segments[$0] ?? ground.segment
        }
        wanted.formUnion(across(ground, far: far, near: near, usable: Set(usable)))
        if reached.count < others.count {
            // Somebody is out of reach: in another part of the mesh, or gone.
            let all = others.filter { ground.segments[$0] == ground.segment }
            var tried = neighbours(of: me, among: all)
            tried.formUnion(best(randomPeers, of: others) { rank(NodePair(me, $0)) })
            for nodes in far.values where ground.reached.isDisjoint(with: nodes) {
                tried.formUnion(
                    best(lostPerSegment, of: nodes) { stir(rank(NodePair(me, $0)) ^ ground.turn) })
            }
            wanted.formUnion(tried.filter { !ground.reached.contains($0) })
        }
        return wanted
    }

    /// Segments that this node seems not to reach by itself.
    private static func closedSegments(_ ground: Ground, reached: [NodeID]) -> Set<Label> {
        var failures: [Label: Int] = [:]
        for node in reached where ground.inVain.contains(node) {
            if let segment = ground.segments[node], segment != ground.segment {
                failures[segment, default: 0] += 1
            }
        }
        return Set(failures.filter { $0.value >= inVainPerSegment }.keys)
    }

    /// The links that this node should hold to other segments for its own.
    private static func across(
        _ ground: Ground, far: [Label: [NodeID]], near: [NodeID], usable: Set<NodeID>
    ) -> [NodeID] {
        let me = ground.me
        var wanted: [NodeID] = []
        for other in chosen(by: ground, of: far.keys.sorted()) where wanted.count < bridgesPerNode {
            let salt = salt(ground.segment, other)
            func order(_ node: NodeID) -> UInt64 { stir(rank(NodePair(node, node)) ^ salt) }
            let holders = ground.bridges[other] ?? []
            let nodes = (far[other] ?? []).filter(usable.contains)
            if holders.contains(me) {
                guard best(bridgesPerPair, of: Array(holders), by: order).contains(me) else { continue }
                let mine = nodes.filter(ground.linked.contains)
                wanted += best(1, of: mine) { rank(NodePair(me, $0)) }
            } else if holders.count < bridgesPerPair {
                let triers = ground.triers[other] ?? bridgesPerPair - holders.count
                let able = near.filter { !holders.contains($0) } + [me]
                guard best(triers, of: able, by: order).contains(me) else { continue }
                wanted += best(1, of: nodes) { rank(NodePair(me, $0)) }
            }
        }
        return wanted
    }

    /// To which segments this node's own wants links.
    private static func chosen(by ground: Ground, of others: [Label]) -> [Label] {
        let ranked = others.sorted { salt(ground.segment, $0) > salt(ground.segment, $1) }
        guard others.count > segmentsMax else { return ranked }
        var chosen = Set(others.filter { !(ground.bridges[$0] ?? []).isEmpty })
        if let after = others.first(where: { $0 > ground.segment }) ?? others.first { chosen.insert(after) }
        if let before = others.last(where: { $0 < ground.segment }) ?? others.last { chosen.insert(before) }
        chosen.formUnion(ranked.prefix(randomPeers))
        // In an order of this segment's own, so that no other is everybody's first choice.
        return ranked.filter(chosen.contains)
    }

    private static func neighbours(of me: NodeID, among nodes: [NodeID]) -> Set<NodeID> {
        let after = nodes.filter { $0 > me }.min() ?? nodes.min()
        let before = nodes.filter { $0 < me }.max() ?? nodes.max()
        return Set([after, before].compactMap { $0 })
    }

    /// The first few in descending rank.
    private static func best(_ count: Int, of nodes: [NodeID], by rank: (NodeID) -> UInt64) -> [NodeID] {
        guard count < nodes.count else { return ranked(nodes, by: rank) }
        var best: [(rank: UInt64, node: NodeID)] = []
        for node in nodes {
            let entry = (rank(node), node)
            if best.count == count, let last = best.last, entry < last { continue }
            let place = best.firstIndex { $0 < entry } ?? best.count
            best.insert(entry, at: place)
            if best.count > count { best.removeLast() }
        }
        return best.map(\.node)
    }

    private static func ranked(_ nodes: [NodeID], by rank: (NodeID) -> UInt64) -> [NodeID] {
        nodes.map { (rank($0), $0) }.sorted { $0 > $1 }.map(\.1)
    }

    /// A number that both segments of a pair compute alike (FNV-1a over their names, stirred: names differ in their last
    /// character only).
    private static func salt(_ a: Label, _ b: Label) -> UInt64 {
        let names = [a.text, b.text].sorted().joined(separator: "/")
        return stir(
            names.utf8.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 })
    }

    /// A number that both ends of a pair compute alike (finalizer of SplitMix64 over the ids).
    private static func rank(_ pair: NodePair) -> UInt64 {
        stir(stir(stir(stir(pair.low.high) ^ pair.low.low) ^ pair.high.high) ^ pair.high.low)
    }

    private static func stir(_ word: UInt64) -> UInt64 {
        var z = word &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
