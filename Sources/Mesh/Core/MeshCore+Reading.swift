package import Catalog

/// What the shell may ask; all of it as of the last event.
extension MeshCore {
    package var nodes: [NodeID: NodeBody] { store.nodes }
    package var servers: [ServerKey: ServerBody] { store.servers }
    package var documentCount: Int { store.count }
    package var documents: [Document] { store.all.sorted { $0.key < $1.key } }
    package var links: [LinkID: Neighbourhood.Link] { neighbourhood.links }
    /// With whom a node says that it is linked.
    package func listedLinks(of node: NodeID) -> Set<NodeID> { Set((store.links[node]?.links ?? [:]).keys) }
    package var linkedPeers: Set<NodeID> { neighbourhood.linkedPeers }
    package var addresses: [Neighbourhood.KnownAddress] { neighbourhood.addresses }
    package var equivocations: [NodeID: DocumentStore.Equivocation] { store.equivocations }
    /// Whether this node stopped publishing because another machine runs with its key.
    package var isHeldAsClone: Bool { isClone }

    /// Of how many nodes it is remembered that their vault was newer.
    package var vaultWitnessCount: Int { vaultWitnesses.count }

    /// Who says more than is taken in here, now.
    package func currentFloods(at now: Instant) -> [Flood] { floods.current(at: now) }

    package func document(_ key: DocumentKey) -> Document? { store[key] }

    /// The link that carries calls and circuits to a peer.
    package func link(to peer: NodeID) -> LinkID? { neighbourhood.link(to: peer) }

    /// A frame as it goes over a link.
    package func encode(_ frame: Frame, for link: LinkID) -> [UInt8] {
        let facts = neighbourhood.links[link]?.facts ?? scoped.circuits[link]
        return frame.encoded(inflates: facts?.hello.inflates ?? false)
    }

    /// Which incarnation of a node is known; a call names it, so that another refuses.
    package func incarnation(of node: NodeID) -> UInt64? { store[.node(node)]?.version.incarnation }

    package func manifest(_ hash: ContentHash) -> Manifest? { shelf[hash]?.manifest }

    /// The ids to cross, the node itself last; `nil`: no way is known.
    package func route(to node: NodeID) -> [NodeID]? { routes[node]?.path }

    /// How many nodes there is a way to.
    package var reachedCount: Int { reachedNodes.count }

    package func reachability(of node: NodeID) -> NodeRecord.Reachability {
        if node == me.id { return .me }
        if let route = routes[node] { return .reachable(path: route.path) }
        return .unreachable(since: unreachableSince[node] ?? now)
    }

    /// Everything that is listed, at this moment. Nodes that left are not, nor what an origin that equivocated says.
    ///
    /// - Complexity: O(nodes + servers).
    package func catalogSnapshot() -> CatalogSnapshot {
        let present = presentNodes
        let labels = shownLabels(of: present)
        var snapshot = CatalogSnapshot(me: me.id)
        snapshot.isConfirmed = isConfirmed
        snapshot.aloneSince = aloneSince
        let standing = standingStatements
        snapshot.holds = Holds(standing.holds)
        snapshot.approvals = Approvals(standing.approvals)
        snapshot.limits = StatedLimits(standing.limits)
        for (id, body) in present {
            let route = routes[id]
            let link = route?.path.first.flatMap { neighbourhood.link(to: $0) }
            snapshot.nodes[id] = NodeRecord(
                id: id, label: labels[id] ?? body.enrolment.label, segment: body.enrolment.segment,
                roles: body.enrolment.roles, software: body.software, addresses: body.addresses,
                reachability: reachability(of: id),
                roundTrip: link.flatMap { neighbourhood.links[$0]?.roundTrip },
                reachedSince: reachedSince[id], heardAt: heardAt[id] ?? .zero)
        }
        for (key, body) in store.servers
        where present[key.owner] != nil && store.equivocations[key.owner] == nil {
            snapshot.servers[key] = CatalogSnapshot.KnownServer(
                record: body.record(key), manifest: shelf.shown(for: key))
        }
        for (name, own) in scoped.own {
            snapshot.servers[own.document.server] = CatalogSnapshot.KnownServer(
                record: own.document.body.record(ServerKey(owner: me.id, name: name)),
                manifest: own.manifest?.manifest)
        }
        for (owner, servers) in scoped.others
        where present[owner] != nil && store.equivocations[owner] == nil {
            for held in servers.values {
                let key = held.document.server
                snapshot.servers[key] = CatalogSnapshot.KnownServer(
                    record: held.document.body.record(key), manifest: held.manifest?.manifest,
                    isConfirmed: scoped.met.contains(owner))
            }
        }
        for name in store.virtualServers.keys {
            let words = believedVirtualServers(name).map { author, body in
                VirtualServerWord(
                    name: name, author: author, counter: body.counter, replaces: body.replaces,
                    isConfigured: body.isConfigured, definition: body.definition)
            }.sorted { $0.wins(over: $1) || ($0.hash == $1.hash && $0.author < $1.author) }
            snapshot.virtualWords[name] = words
            snapshot.virtualServers[name] = words.first?.record
        }
        return snapshot
    }

    /// Which present node carries a label: what an issuer asks before it enrols.
    package func holder(of label: Label) -> NodeID? {
        store.holders[label]?.min()
    }

    /// Labels as shown: two nodes enrolled under one (by issuers that were cut off from each other) both get a
    /// piece of their id behind it.
    func shownLabels(of nodes: [NodeID: NodeBody]) -> [NodeID: Label] {
        var shown: [NodeID: Label] = [:]
        for (label, sharing) in Dictionary(grouping: nodes.keys, by: { nodes[$0]?.enrolment.label }) {
            guard let label else { continue }
            for id in sharing { shown[id] = sharing.count == 1 ? label : Self.distinct(label, id) }
        }
        return shown
    }

    static func distinct(_ label: Label, _ id: NodeID) -> Label {
        let suffix = "-" + id.description.prefix(6)
        let kept = label.text.prefix(Label.lengthMax - suffix.count)
        return Label(fitting: kept + suffix) ?? label
    }

    mutating func tellClash(over label: Label?) {
        guard let label, let sharing = store.holders[label]?.sorted(), sharing.count > 1,
            !clashesTold.contains(label)
        else { return }
        clashesTold.insert(label)
        outbox.tell(.notice(.labelClash(label, sharing)))
    }
}
