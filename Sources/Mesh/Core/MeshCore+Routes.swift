import Catalog

/// Who is reached, on which way, and since when.
extension MeshCore {
    /// What a node lists of its links, or whether it is of the mesh, may be otherwise now.
    mutating func noteLinks(of node: NodeID) {
        unread.insert(node)
        graphDirty = true
    }

    /// Brings the graph up to what documents and this node's own links say.
    mutating func readLinks() {
        for node in unread.sorted() {
            graph.list(node, store.segments[node] != nil ? store.links[node] : nil)
        }
        unread = []
        for peer in neighbourhood.peers { graph.admit(peer) }
    }

    /// A link broke under a circuit; it, and the relay that named it, are gone around for a while.
    mutating func mask(_ pair: NodePair, namedBy relay: NodeID) {
        masks.removeAll { $0.pair == pair }
        if masks.count >= limits.masks { masks.removeFirst() }
        masks.append((pair, relay == me.id ? nil : relay, now + limits.maskFor))
        graphDirty = true
        routesFoundAt = nil
    }

    mutating func findRoutesIfDirty() {
        guard graphDirty, routesFoundAt.map({ now - $0 >= limits.routesEvery }) ?? true else { return }
        graphDirty = false
        routesFoundAt = now
        readLinks()
        let direct = neighbourhood.listed(relays: me.relays)
        let hasChanged = table.update(graph, direct: direct, touched: graph.takeTouched())
        // Where no way is disjoint, the relay is trusted again, and a masked link is better than none at all.
        var tables: [RouteTable] = []
        if !masks.isEmpty {
            let masked = Set(masks.map(\.pair))
            let avoided = Set(masks.compactMap(\.relay))
            tables.append(RouteTable(graph, direct: direct, masked: masked, avoided: avoided))
            tables.append(RouteTable(graph, direct: direct, masked: masked))
        }
        guard hasChanged || !tables.isEmpty || routesAreMasked else { return }
        routesAreMasked = !tables.isEmpty
        takeRoutes(from: tables + [table])
    }

    /// - Parameter tables: for each node, the first one that has a way counts.
    private mutating func takeRoutes(from tables: [RouteTable]) {
        var regained: Set<NodeID> = []
        var hasChanged = false
        for (number, node) in graph.ids.enumerated() {
            let best = tables.first { $0.reaches(number) } ?? table
            let old = routes[node]
            guard !best.isSame(old, to: number, in: graph) else { continue }
            hasChanged = true
            let new = best.route(to: number, in: graph)
            routes[node] = new
            if new == nil { reachedNodes.remove(node) } else { reachedNodes.insert(node) }
            if new?.path != old?.path { reachedSince[node] = new == nil ? nil : now }
            if new != nil {
                unreachableSince[node] = nil
                if old == nil { regained.insert(node) }
            } else if unreachableSince[node] == nil, store.nodes[node] != nil {
                unreachableSince[node] = now
            }
        }
        guard hasChanged else { return }
        outbox.noteRouteChange()
        outbox.noteCatalogChange()
        wanted = nil
        // What is held back may have become the only way to somebody.
        if !damping.held(at: now).isEmpty { linksDirty = true }
        // Whoever is reached again by way of others can mostly be dialled again too.
        regained.subtract(neighbourhood.peers)
        if !regained.isEmpty { neighbourhood.encourage(regained, at: now) }
    }
}
