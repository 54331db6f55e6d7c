import Catalog
import Mesh

/// Who is reached and how, found anew from everybody's links each time and written as plainly as it can be: what
/// ``RouteTable`` must come to as well.
struct PlainRoutes {
    let routes: [NodeID: Route]

    private struct Edge {
        var to: Int
        var cost: Int
        /// Whether this end passes circuits on over it.
        var relaysOut: Bool
        /// Whether the far end passes on what comes in over it.
        var relaysIn: Bool
    }

    /// What the search knows of one node after some number of hops, once for arriving over a link that the node
    /// relays from and once for any link.
    private struct Arrival {
        var cost = Int.max
        var from = -1
        /// Reached with fewer hops already.
        var isCarried = false
    }

    /// - Parameters:
    ///   - direct: this node's links, as they are now.
    ///   - listed: what every node lists, this one not needed.
    ///   - masked: links to leave out.
    ///   - avoided: nodes that are no way through, whatever they list; they can be an end still.
    /// - Complexity: O(``CircuitHeader/pathMax`` × links). Paths that cost the same: fewest hops, then smallest ids.
    init(
        me: NodeID, direct: [NodeID: ListedLink], listed: [NodeID: LinksBody], masked: Set<NodePair> = [],
        avoided: Set<NodeID> = []
    ) {
        let ids = Set(listed.keys).union(direct.keys).subtracting([me]).sorted()
        let index = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
        var edges: [[Edge]] = Array(repeating: [], count: ids.count)
        for (from, id) in ids.enumerated() {
            for (peer, link) in listed[id]?.links ?? [:] {
                guard let to = index[peer], let back = listed[peer]?.links[id],
                    !masked.contains(NodePair(id, peer))
                else { continue }
                edges[from].append(
                    Edge(
                        to: to, cost: max(link.roundTrip, back.roundTrip).cost, relaysOut: link.relays,
                        relaysIn: back.relays && !avoided.contains(peer)))
            }
        }

        // Layer h holds the cheapest ways of at most h + 1 hops: Bellman and Ford's relaxation, one layer a hop.
        typealias Layer = [(relayed: Arrival, any: Arrival)]
        var layers: [Layer] = [Array(repeating: (Arrival(), Arrival()), count: ids.count)]
        for (peer, link) in direct {
            guard let at = index[peer], !masked.contains(NodePair(me, peer)) else { continue }
            let arrival = Arrival(cost: link.roundTrip.cost)
            layers[0][at].any = arrival
            if listed[peer]?.links[me]?.relays == true, !avoided.contains(peer) {
                layers[0][at].relayed = arrival
            }
        }
        for _ in 1..<CircuitHeader.pathMax {
            let before = layers[layers.count - 1]
            var after: Layer = before.map { pair in
                var pair = pair
                pair.relayed.isCarried = true
                pair.any.isCarried = true
                return pair
            }
            var improved = false
            for (from, reached) in before.enumerated() where reached.relayed.cost != .max {
                for edge in edges[from] where edge.relaysOut {
                    let arrival = Arrival(cost: reached.relayed.cost + edge.cost, from: from)
                    if arrival.cost < after[edge.to].any.cost {
                        after[edge.to].any = arrival
                        improved = true
                    }
                    if edge.relaysIn, arrival.cost < after[edge.to].relayed.cost {
                        after[edge.to].relayed = arrival
                        improved = true
                    }
                }
            }
            guard improved else { break }
            layers.append(after)
        }

        var routes: [NodeID: Route] = [:]
        for (at, id) in ids.enumerated() {
            let cost = layers[layers.count - 1][at].any.cost
            guard cost != .max else { continue }
            var path: [NodeID] = []
            var node = at
            var relayed = false
            var layer = layers.count - 1
            while node >= 0 {
                let arrival = relayed ? layers[layer][node].relayed : layers[layer][node].any
                if arrival.isCarried {
                    layer -= 1
                    continue
                }
                path.append(ids[node])
                node = arrival.from
                relayed = true
                layer -= 1
            }
            routes[id] = Route(path: path.reversed(), cost: cost)
        }
        self.routes = routes
    }
}
