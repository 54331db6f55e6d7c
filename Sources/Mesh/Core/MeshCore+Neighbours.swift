import Catalog

/// Who should be linked with this node, who is too many, and where newcomers go when there is no place.
extension MeshCore {
    /// The links that count: both ends list them.
    func countedLinks(of node: NodeID) -> [NodeID] {
        if node == me.id { return neighbourhood.peers }
        return (store.links[node]?.links ?? [:]).keys.filter { peer in
            peer == me.id
                ? neighbourhood.link(to: node) != nil : store.links[peer]?.links[node] != nil
        }
    }

    /// Whether a node has no link to anybody else, whatever it listed before it fell silent.
    func isAlone(_ node: NodeID) -> Bool { countedLinks(of: node).allSatisfy { $0 == me.id } }

    // MARK: Choosing

    /// Who should have a standing link with this node.
    mutating func wantedPeers() -> Set<NodeID> {
        if let wanted {
            let age = now - wantedFoundAt
            let isSettled = lackingSince.isEmpty || age < limits.triersDoubleEvery / 2
            if isSettled, age < limits.chooseEvery { return wanted }
        }
        wantedFoundAt = now
        let found = StandingPeers.wanted(ground(of: me.id), limit: limits.standingLinks)
        wanted = found
        neighbourhood.choose(found, of: store.nodes, at: now)
        return found
    }

    /// What a node has to choose by: this one, or another as far as it can be seen from here.
    private mutating func ground(of node: NodeID) -> StandingPeers.Ground {
        let isMe = node == me.id
        let segments = store.segments
        let segment = isMe ? me.enrolment.segment : segments[node] ?? me.enrolment.segment
        var others = segments
        others[node] = nil
        if !isMe { others[me.id] = me.enrolment.segment }
        var reached = reachedNodes
        reached.insert(me.id)
        reached.remove(node)
        let bridges = bridges(of: segment)
        var inVain: Set<NodeID> = []
        var triers: [Label: Int] = [:]
        if isMe {
            inVain = neighbourhood.passedOver(at: now)
            triers = noteLacking(bridges, among: Set(others.values).subtracting([segment]))
        }
        return StandingPeers.Ground(
            me: node, segment: segment, segments: others,
            reached: reached,
            linked: Set(countedLinks(of: node)), passedOver: store.mute, inVain: inVain, bridges: bridges,
            triers: triers, turn: UInt64(max(0, (now - .zero) / limits.lostTurnEvery)))
    }

    /// Nodes of a segment that hold a link to another one.
    private mutating func bridges(of segment: Label) -> [Label: Set<NodeID>] {
        var bridges: [Label: Set<NodeID>] = [:]
        let mine = me.enrolment.segment
        guard mine != segment || store.segments.values.contains(where: { $0 != segment }) else { return [:] }
        readLinks()
        for (number, holder) in graph.ids.enumerated() where store.segments[holder] == segment {
            for edge in graph.edges[number] {
                if let other = store.segments[graph.ids[Int(edge.peer)]], other != segment {
                    bridges[other, default: []].insert(holder)
                }
            }
        }
        for peer in neighbourhood.linkedPeers {
            guard let theirs = store.segments[peer], theirs != mine else { continue }
            if mine == segment { bridges[theirs, default: []].insert(me.id) }
            // Their link to this node counts when they list it.
            if theirs == segment, store.links[peer]?.links[me.id] != nil {
                bridges[mine, default: []].insert(peer)
            }
        }
        return bridges
    }

    /// The longer a pair of segments lacks links, the more nodes try.
    private mutating func noteLacking(
        _ bridges: [Label: Set<NodeID>], among segments: Set<Label>
    ) -> [Label: Int] {
        var triers: [Label: Int] = [:]
        lackingSince = lackingSince.filter { segments.contains($0.key) }
        for segment in segments {
            let missing = StandingPeers.bridgesPerPair - (bridges[segment]?.count ?? 0)
            guard missing > 0 else {
                lackingSince[segment] = nil
                continue
            }
            let since = lackingSince[segment] ?? now
            lackingSince[segment] = since
            let rounds = min((now - since) / limits.triersDoubleEvery, 20)  // a million nodes
            triers[segment] = missing << Int(rounds)
        }
        return triers
    }

    // MARK: Too many

    /// A place is taken from who has other links, so that a node without any finds one.
    mutating func makeRoom() {
        let over = neighbourhood.linkCount - limits.acceptedLinks
        guard over > 0 else { return }
        let wanted = wantedPeers()
        var crowd: [(links: Int, peer: NodeID, link: LinkID)] = []
        for peer in neighbourhood.peers where !wanted.contains(peer) {
            guard let link = neighbourhood.link(to: peer), let known = neighbourhood.links[link],
                !known.facts.openedByMe, now - known.since >= limits.trimEvery
            else { continue }
            let others = countedLinks(of: peer).filter { $0 != me.id }.count
            if others > 0 { crowd.append((others, peer, link)) }
        }
        crowd.sort { ($0.links, $0.peer) > ($1.links, $1.peer) }
        for (_, peer, link) in crowd.prefix(over) {
            outbox.tell(.close(link, .full, text: referral(for: peer).text))
        }
    }

    /// Ends a link that this node once opened and neither end would choose now, if nobody is reached by it alone.
    mutating func trimLinks() {
        guard now - trimmedAt >= limits.trimEvery, store.presentCount - 1 > limits.standingLinks else {
            return
        }
        trimmedAt = now
        let wanted = wantedPeers()
        var surplus: [LinkID: Instant] = [:]
        for peer in neighbourhood.peers where !wanted.contains(peer) {
            guard let link = neighbourhood.link(to: peer),
                neighbourhood.links[link]?.facts.openedByMe == true
            else { continue }
            surplus[link] = surplusSince[link] ?? now
        }
        surplusSince = surplus
        guard neighbourhood.linkCount > limits.standingLinks else { return }
        let due = surplus.filter { now - $0.value >= limits.surplusFor }
        guard let link = due.min(by: { ($0.value, $0.key) < ($1.value, $1.key) })?.key,
            let peer = neighbourhood.peer(of: link)
        else { return }
        // Looked at again later, whatever comes of it now; the shell keeps a link that is in use.
        surplusSince[link] = now
        guard countedLinks(of: peer).count > 1, !isWanted(by: peer), !isNeeded(peer) else { return }
        outbox.tell(.close(link, .surplus, text: "both of us have other links"))
    }

    private mutating func isWanted(by peer: NodeID) -> Bool {
        let ground = ground(of: peer)
        return StandingPeers.wanted(ground, limit: limits.standingLinks).contains(me.id)
    }

    /// Whether anybody would be out of reach without the link to a peer.
    private func isNeeded(_ peer: NodeID) -> Bool {
        let rest = RouteTable(
            graph, direct: neighbourhood.listed(relays: me.relays), masked: [NodePair(me.id, peer)])
        return rest.reachedCount < routes.count
    }

    // MARK: No place

    /// Whom a node without a place should dial instead: of its own segment first, those with the fewest links.
    func referral(for newcomer: NodeID) -> Referral {
        let home = store.nodes[newcomer]?.enrolment.segment
        var hosts: [(isFar: Int, links: Int, node: NodeID, address: String)] = []
        for (node, body) in presentNodes where node != me.id && node != newcomer && routes[node] != nil {
            guard let address = body.addresses.first else { continue }
            let links = store.links[node]?.links.count ?? 0
            guard links < limits.acceptedLinks else { continue }
            hosts.append((body.enrolment.segment == home ? 0 : 1, links, node, address))
        }
        hosts.sort { ($0.isFar, $0.links, $0.node) < ($1.isFar, $1.links, $1.node) }
        return Referral(hosts.prefix(Referral.addressesMax).map(\.address))
    }

    /// The peer has no place for this node. Who has no other link dials those that it names.
    mutating func turnedAway(
        _ link: LinkID, _ referral: Referral, using random: inout some RandomNumberGenerator
    ) {
        guard let peer = neighbourhood.peer(of: link) else { return }
        neighbourhood.turnedAway(peer, at: now)
        wanted = nil
        guard neighbourhood.peers.allSatisfy({ $0 == peer }) else { return }
        neighbourhood.forgetReferrals()
        for address in referral.addresses {
            neighbourhood.sighted(Candidate(address: address, source: .referral), at: now, using: &random)
        }
    }
}
