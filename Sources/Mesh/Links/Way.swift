package import Catalog

/// A way to a node as people want it shown: what each hop costs.
package struct Way: Hashable, Sendable {
    package struct Hop: Hashable, Sendable {
        package var node: NodeID
        /// What both ends of the link to it list, the slower one.
        package var roundTripClass: RoundTripClass
        /// As this node measures it; only of its own links.
        package var roundTrip: Duration?
    }

    /// In order; the node itself is the last.
    package var hops: [Hop]
    package var cost: Int
}

extension MeshCore {
    /// The way that calls take to a node, and the best one that avoids at least one of its links.
    ///
    /// - Returns: none: it is not reached; one: every way there crosses all of the first one's links.
    /// - Complexity: as many route searches as the first way has hops.
    package func ways(to node: NodeID) -> [Way] {
        guard let best = routes[node] else { return [] }
        let direct = neighbourhood.listed(relays: me.relays)
        let pairs = zip([me.id] + best.path, best.path).map { NodePair($0, $1) }
        let others = pairs.compactMap { pair in
            graph.number(of: node).flatMap {
                RouteTable(graph, direct: direct, masked: [pair]).route(to: $0, in: graph)
            }
        }
        let second = others.min { ($0.cost, $0.path.count) < ($1.cost, $1.path.count) }
        return ([best] + [second].compactMap { $0 }).map { way(along: $0, direct: direct) }
    }

    private func way(along route: Route, direct: [NodeID: ListedLink]) -> Way {
        var from = me.id
        let hops = route.path.map { node in
            defer { from = node }
            let there = from == me.id ? direct[node]?.roundTrip : store.links[from]?.links[node]?.roundTrip
            let back = store.links[node]?.links[from]?.roundTrip
            let own =
                from == me.id
                ? neighbourhood.link(to: node).flatMap { neighbourhood.links[$0]?.roundTrip } : nil
            return Way.Hop(
                node: node, roundTripClass: max(there ?? back ?? .greatest, back ?? there ?? .greatest),
                roundTrip: own)
        }
        return Way(hops: hops, cost: route.cost)
    }
}
