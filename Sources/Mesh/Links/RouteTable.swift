package import Catalog

/// A way to a node.
package struct Route: Hashable, Sendable {
    /// The ids to cross, the node itself last; at most ``CircuitHeader/pathMax``, none twice, never this node.
    package var path: [NodeID]
    /// Sum of the links' round-trip classes, in milliseconds.
    package var cost: Int

    package init(path: [NodeID], cost: Int) {
        self.path = path
        self.cost = cost
    }
}

/// Who is reached and how: the cheapest ways over the links of a ``LinkGraph``, found anew only where these have changed.
///
/// For each node and each number of hops it holds the cheapest way of at most so many hops, once among those that arrive over a link
/// which the node relays from, and once among all (Bellman and Ford's relaxation, one layer a hop). Such a cell depends on
/// the cells of the node's neighbours one layer below and on nothing else. So after a change, the cells of the nodes it touched are computed
/// again, then those above cells that came out otherwise; the rest stands. What results is the same as computed anew. Of ways
/// that cost the same: fewest hops, then the smallest ids.
package struct RouteTable: Sendable {
    private struct Cell: Hashable, Sendable {
        var cost = Int32.max
        /// Number of the node before; -1: this one.
        var from: Int32 = -1
        /// Of the way itself, which may be fewer than the layer allows.
        var hops: UInt8 = 0
    }

    private static let layers = CircuitHeader.pathMax

    /// Cells of a node stand together, the layer of one hop first.
    private var relayed: [Cell] = []
    private var any: [Cell] = []
    /// What this node's own link to each costs.
    private var direct: [Int32] = []
    /// Whom it has one to.
    private var linked: [Int] = []
    /// Of links to leave out, both ends' numbers.
    private var masked: [(Int, Int)] = []
    /// Nodes that are no way through, whatever they list; they can be an end still.
    private var avoided: Set<Int> = []

    /// Nothing reached.
    package init() {}

    /// Finds all ways.
    ///
    /// - Parameters:
    ///   - direct: this node's links, as they are now; of nodes that the graph has numbered.
    ///   - masked: links to leave out.
    ///   - avoided: nodes that are no way through, whatever they list; they can be an end still.
    /// - Complexity: O(hops of the longest way × links).
    package init(
        _ graph: LinkGraph, direct: [NodeID: ListedLink], masked: Set<NodePair> = [],
        avoided: Set<NodeID> = []
    ) {
        self.avoided = Set(avoided.compactMap(graph.number))
        self.masked = masked.compactMap { pair in
            guard let low = graph.number(of: pair.low), let high = graph.number(of: pair.high) else {
                return nil
            }
            return (low, high)
        }
        let open = direct.filter { !masked.contains(NodePair(graph.me, $0.key)) }
        _ = update(graph, direct: open, touched: Array(graph.ids.indices))
    }

    /// Takes over which of this node's links there are, and what has changed in the graph.
    ///
    /// - Parameter touched: ``LinkGraph/takeTouched()`` since the last call.
    /// - Returns: whether there is any other way than before.
    /// - Complexity: O(links) for the first time; then as much as there is to find anew.
    package mutating func update(
        _ graph: LinkGraph, direct links: [NodeID: ListedLink], touched: [Int]
    ) -> Bool {
        let added = graph.ids.count - direct.count
        direct += Array(repeating: Int32.max, count: added)
        any += Array(repeating: Cell(), count: added * Self.layers)
        relayed += Array(repeating: Cell(), count: added * Self.layers)

        var due = touched
        var costs: [Int: Int32] = [:]
        for (node, link) in links {
            if let at = graph.number(of: node) { costs[at] = Int32(link.roundTrip.cost) }
        }
        for at in linked where costs[at] == nil {
            direct[at] = .max
            due.append(at)
        }
        for (at, cost) in costs where direct[at] != cost {
            direct[at] = cost
            due.append(at)
        }
        linked = Array(costs.keys)
        return due.isEmpty ? false : settle(graph, due)
    }

    func reaches(_ at: Int) -> Bool { any[at * Self.layers + Self.layers - 1].cost != .max }

    var reachedCount: Int { direct.indices.count(where: reaches) }

    /// The way to a node; `nil`: there is none.
    package func route(to at: Int, in graph: LinkGraph) -> Route? {
        guard at < direct.count else { return nil }
        var path: [NodeID] = []
        let cost = walk(to: at) { path.append(graph.ids[$0]) }
        guard let cost else { return nil }
        return Route(path: path.reversed(), cost: cost)
    }

    /// Whether the way to a node is this one; saves making it.
    package func isSame(_ route: Route?, to at: Int, in graph: LinkGraph) -> Bool {
        guard at < direct.count else { return route == nil }
        guard let route else { return !reaches(at) }
        var place = route.path.count
        var isSame = true
        let cost = walk(to: at) { node in
            place -= 1
            isSame = isSame && place >= 0 && route.path[place] == graph.ids[node]
        }
        return isSame && place == 0 && cost == route.cost
    }

    // MARK: Parts

    /// Goes along a way from its end to its begin.
    ///
    /// - Returns: what it costs; `nil`: there is none.
    private func walk(to at: Int, _ visit: (Int) -> Void) -> Int? {
        var cell = any[at * Self.layers + Self.layers - 1]
        guard cell.cost != .max else { return nil }
        let cost = Int(cell.cost)
        visit(at)
        while cell.from >= 0 {
            let node = Int(cell.from)
            visit(node)
            cell = relayed[node * Self.layers + Int(cell.hops) - 2]
        }
        return cost
    }

    /// Computes the cells of these nodes, and of whom they matter to.
    private mutating func settle(_ graph: LinkGraph, _ touched: [Int]) -> Bool {
        var isDue = [Bool](repeating: false, count: direct.count)
        // Whose cells one layer below came out otherwise, and whether that matters to their neighbours.
        var moved: [(node: Int, costsOther: Bool)] = []
        var hasChanged = false
        for layer in 0..<Self.layers {
            var due: [Int] = []
            func plan(_ node: Int) {
                guard !isDue[node] else { return }
                isDue[node] = true
                due.append(node)
            }
            for node in touched { plan(node) }
            for (node, costsOther) in moved {
                plan(node)
                guard costsOther else { continue }
                for edge in graph.edges[node] { plan(Int(edge.peer)) }
            }
            moved = []
            for node in due {
                isDue[node] = false
                let place = node * Self.layers + layer
                let (nextRelayed, nextAny) = cells(of: node, layer, graph)
                let costsOther = nextRelayed.cost != relayed[place].cost
                guard costsOther || nextRelayed != relayed[place] || nextAny != any[place] else { continue }
                relayed[place] = nextRelayed
                any[place] = nextAny
                moved.append((node, costsOther))
            }
            if !moved.isEmpty { hasChanged = true }
        }
        return hasChanged
    }

    private func cells(of node: Int, _ layer: Int, _ graph: LinkGraph) -> (relayed: Cell, any: Cell) {
        let passes = avoided.isEmpty || !avoided.contains(node)
        guard layer > 0 else {
            guard direct[node] != .max else { return (Cell(), Cell()) }
            let arrival = Cell(cost: direct[node], from: -1, hops: 1)
            return (passes && graph.relaysToMe[node] ? arrival : Cell(), arrival)
        }
        let before = node * Self.layers + layer - 1
        var bestRelayed = relayed[before]
        var bestAny = any[before]
        let hops = UInt8(layer + 1)
        for edge in graph.edges[node] where edge.relaysThere {
            let from = Int(edge.peer)
            let reached = relayed[from * Self.layers + layer - 1].cost
            guard reached != .max, masked.isEmpty || !isMasked(node, from) else { continue }
            let arrival = Cell(cost: reached + edge.cost, from: edge.peer, hops: hops)
            if isBetter(arrival, than: bestAny, graph) { bestAny = arrival }
            if edge.relaysHere, passes, isBetter(arrival, than: bestRelayed, graph) { bestRelayed = arrival }
        }
        return (bestRelayed, bestAny)
    }

    /// A way of as many hops is better by its cost, then by the id of the node before; one of fewer hops only by its cost.
    private func isBetter(_ arrival: Cell, than best: Cell, _ graph: LinkGraph) -> Bool {
        if arrival.cost != best.cost { return arrival.cost < best.cost }
        return arrival.hops == best.hops && graph.ids[Int(arrival.from)] < graph.ids[Int(best.from)]
    }

    private func isMasked(_ a: Int, _ b: Int) -> Bool {
        masked.contains { $0 == (a, b) || $0 == (b, a) }
    }
}
