package import Catalog

/// Two nodes with a link between them, whichever way round.
package struct NodePair: Hashable, Sendable {
    package let low: NodeID
    package let high: NodeID

    package init(_ a: NodeID, _ b: NodeID) {
        low = min(a, b)
        high = max(a, b)
    }
}

/// Which links there are, from everybody's links documents: kept as each of these comes, since a mesh of a thousand nodes
/// says something of its links at any time.
///
/// A link counts when both ends list it. This node is not in it: its own links count as they are (``RouteTable``), and no way to
/// anybody leads back here. Nodes are numbered in the order in which they became known; a number is never another node's.
package struct LinkGraph: Sendable {
    /// One end's view of a link that counts.
    struct Edge: Hashable, Sendable {
        /// Number of the far end.
        var peer: Int32
        var cost: Int32
        /// Whether this end passes circuits on over it.
        var relaysHere: Bool
        /// Whether the far end does.
        var relaysThere: Bool

        func seen(from other: Int) -> Edge {
            Edge(peer: Int32(other), cost: cost, relaysHere: relaysThere, relaysThere: relaysHere)
        }
    }

    let me: NodeID
    private(set) var ids: [NodeID] = []
    /// Of each node, in the order of the far ends' numbers.
    private(set) var edges: [[Edge]] = []
    /// Whether each node lists a link with this one, and relays over it.
    private(set) var relaysToMe: [Bool] = []
    private var numbers: [NodeID: Int] = [:]
    private var listed: [LinksBody?] = []
    private var touched: [Int] = []

    package init(me: NodeID) { self.me = me }

    package var nodeCount: Int { ids.count }
    package func number(of node: NodeID) -> Int? { numbers[node] }

    /// Numbers a node, so that there can be a way to it.
    package mutating func admit(_ node: NodeID) {
        guard node != me, numbers[node] == nil else { return }
        numbers[node] = ids.count
        ids.append(node)
        edges.append([])
        relaysToMe.append(false)
        listed.append(nil)
    }

    /// Takes over what a node lists now.
    ///
    /// - Parameter body: `nil`: nothing, since it is no more of the mesh.
    /// - Complexity: O(links of the node), apart from finding each one's place among the far end's.
    package mutating func list(_ node: NodeID, _ body: LinksBody?) {
        guard node != me else { return }
        if body != nil { admit(node) }
        guard let at = numbers[node], listed[at] != body else { return }
        listed[at] = body
        relaysToMe[at] = body?.links[me]?.relays ?? false
        touched.append(at)
        let before = edges[at]
        edges[at] = countedLinks(of: at)
        for edge in before where !edges[at].contains(edge) {
            let other = Int(edge.peer)
            edges[other].removeAll { $0.peer == at }
            touched.append(other)
        }
        for edge in edges[at] where !before.contains(edge) {
            let other = Int(edge.peer)
            let place = edges[other].firstIndex { $0.peer > at } ?? edges[other].count
            edges[other].insert(edge.seen(from: at), at: place)
            touched.append(other)
        }
    }

    /// The nodes whose links, or whose word on this node, have changed since the last question; some perhaps twice.
    package mutating func takeTouched() -> [Int] {
        defer { touched = [] }
        return touched
    }

    private func countedLinks(of at: Int) -> [Edge] {
        var counted: [Edge] = []
        for (peer, link) in listed[at]?.links ?? [:] {
            guard let to = numbers[peer], to != at, let back = listed[to]?.links[ids[at]] else { continue }
            counted.append(
                Edge(
                    peer: Int32(to), cost: Int32(max(link.roundTrip, back.roundTrip).cost),
                    relaysHere: link.relays, relaysThere: back.relays))
        }
        return counted.sorted { $0.peer < $1.peer }
    }
}
