package import Catalog

/// Which peers should have a standing link with this node.
///
/// All of them up to the limit. Beyond it: the two neighbours in id order within the segment, four by rendezvous
/// hash, and for each other segment, from the three nodes of this one that rank highest for the pair, one link
/// across; two where nothing of that segment is reached otherwise.
package enum StandingPeers {
    private static let randomPeers = 4
    private static let bridgesPerPair = 3

    /// - Parameters:
    ///   - segments: segment of every other node that is present.
    ///   - reached: nodes that the link graph has a path to.
    package static func wanted(
        by me: NodeID, in segment: Label, segments: [NodeID: Label], reached: Set<NodeID>, limit: Int
    ) -> Set<NodeID> {
        let others = segments.keys.filter { $0 != me }
        guard others.count > limit else { return Set(others) }
        var wanted: Set<NodeID> = []

        let near = others.filter { segments[$0] == segment }.sorted()
        if let after = near.first(where: { $0 > me }) ?? near.first { wanted.insert(after) }
        if let before = near.last(where: { $0 < me }) ?? near.last { wanted.insert(before) }
        wanted.formUnion(ranked(others) { rank(NodePair(me, $0)) }.prefix(randomPeers))

        let far = Dictionary(grouping: others.filter { segments[$0] != segment }) { segments[$0] ?? segment }
        for (other, nodes) in far {
            let pair = [segment.text, other.text].sorted().joined(separator: "/")
            let salt = pair.utf8.reduce(UInt64(14_695_981_039_346_656_037)) {
                ($0 ^ UInt64($1)) &* 1_099_511_628_211
            }
            let bridges = ranked(near + [me]) { rank(NodePair($0, $0)) ^ salt }.prefix(bridgesPerPair)
            let across = ranked(nodes) { rank(NodePair(me, $0)) }
            if bridges.contains(me) { wanted.formUnion(across.prefix(1)) }
            if reached.isDisjoint(with: nodes) { wanted.formUnion(across.prefix(2)) }
        }
        return wanted
    }

    private static func ranked(_ nodes: [NodeID], by rank: (NodeID) -> UInt64) -> [NodeID] {
        nodes.map { (rank($0), $0) }.sorted { $0 > $1 }.map(\.1)
    }

    /// A number that both ends of a pair compute alike (finalizer of SplitMix64 over the ids).
    private static func rank(_ pair: NodePair) -> UInt64 {
        [pair.low.high, pair.low.low, pair.high.high, pair.high.low].reduce(0) { mixed, word in
            var z = (mixed ^ word) &+ 0x9E37_79B9_7F4A_7C15
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }
}
