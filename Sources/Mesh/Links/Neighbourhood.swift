package import Catalog

/// This node's links and the addresses it may dial: who is linked, who should be, whom to try next.
package struct Neighbourhood: Sendable {
    package struct Link: Hashable, Sendable {
        package var facts: LinkFacts
        package var since: Instant
        /// As it was measured last: the least of the last minutes, see `KernelRoundTrip`.
        package var roundTrip: Duration?
        /// What others are told of goes by this.
        package var roundTripClass: RoundTripClass
        /// A better link to the same peer stands: this one only drains, until then.
        package var retiresAt: Instant?
    }

    /// What to do with a link that came up.
    package enum Admission: Hashable, Sendable {
        case keep
        case refuse(GoodbyeReason, String)
    }

    /// An address and what came of it, for `doctor`.
    package struct KnownAddress: Hashable, Sendable {
        package var address: String
        package var node: NodeID?
        package var mesh: MeshID?
        package var sources: Set<CandidateSource>
        package var failures = 0
        /// Of these the first.
        package var failingSince: Instant?
        package var lastProblem: DialProblem?
        /// When a link with whoever is there was lost last.
        package var lostAt: Instant?
        package var nextDial: Instant
        package var dialledAt: Instant?
        /// Who was really there.
        package var leadsTo: NodeID?
    }

    struct Key: Hashable {
        var address: String
        var node: NodeID?
    }

    /// Two links to one peer live side by side for so long, so that neither end is ever without one. The one that stands may be dead, as when
    /// a node has moved; then the other takes its place, so it has to live until that is noticed: twice as long as that takes, since silence is
    /// counted in ticks, which come late on a busy node.
    package static let drain = SilenceWatch.tickEvery * SilenceWatch.downAfterTicks * 2
    /// Assumed until measured.
    private static let firstClass = RoundTripClass(level: 2)

    let me: NodeID
    let mesh: MeshID
    let limits: MeshLimits
    var candidates: [Key: KnownAddress] = [:] { didSet { quiet = nil } }
    /// Until when there is nobody to dial, as long as nothing else changes: what ``dials(wanted:isKnown:at:using:)`` found last.
    var quiet: (until: Instant, wanted: Set<NodeID>)?
    /// Whose addresses are kept when there is no room for all.
    var chosen: Set<NodeID> = []
    /// Who is no choice until then: dialled in vain.
    var passed: [NodeID: Instant] = [:]
    /// Who had no place for this node, and is not dialled until then.
    var full: [NodeID: Instant] = [:]
    package private(set) var links: [LinkID: Link] = [:]
    var standing: [NodeID: LinkID] = [:] { didSet { quiet = nil } }

    package init(me: NodeID, mesh: MeshID, limits: MeshLimits) {
        self.me = me
        self.mesh = mesh
        self.limits = limits
    }

    // MARK: Links

    /// Peers with a link, in order.
    package var peers: [NodeID] { standing.keys.sorted() }
    /// The links that spread and carry calls, one a peer, in order.
    package var active: [LinkID] { standing.values.sorted() }
    package var linkedPeers: Set<NodeID> { Set(standing.keys) }
    package var linkCount: Int { standing.count }
    package func link(to peer: NodeID) -> LinkID? { standing[peer] }
    package func peer(of link: LinkID) -> NodeID? { links[link]?.facts.peer }
    package var addresses: [KnownAddress] {
        candidates.values.sorted {
            Self.order(Key(address: $0.address, node: $0.node), Key(address: $1.address, node: $1.node))
        }
    }

    /// A link came up. Of two links to one peer both ends keep the same: that of the peer's later life, then the
    /// one which the smaller node id opened, then the newer one.
    ///
    /// - Parameter isOtherwiseAlone: whether the peer lists no link yet; such a one is let in even when all places
    ///   are taken.
    package mutating func up(
        _ id: LinkID, _ facts: LinkFacts, isOtherwiseAlone: Bool, at now: Instant
    ) -> Admission {
        noteReached(facts, at: now)
        guard facts.peer != me else { return .refuse(.sameNode, "this is \(me) itself, or its copy") }
        let fresh = Link(facts: facts, since: now, roundTripClass: Self.firstClass)
        if let otherID = standing[facts.peer], let other = links[otherID] {
            guard Self.stands(fresh, beside: other, me: me) else {
                links[id] = fresh
                links[id]?.retiresAt = now + Self.drain
                return .keep
            }
            links[otherID]?.retiresAt = now + Self.drain
        } else if !facts.openedByMe, standing.count >= limits.acceptedLinks, !isOtherwiseAlone {
            return .refuse(.full, "")
        }
        links[id] = fresh
        standing[facts.peer] = id
        return .keep
    }

    /// - Parameter isRejection: whether one of the two ends would not have the other.
    /// - Returns: the peer that has no link any more.
    package mutating func down(
        _ id: LinkID, isRejection: Bool = false, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> NodeID? {
        guard let link = links.removeValue(forKey: id) else { return nil }
        let peer = link.facts.peer
        guard standing[peer] == id else { return nil }
        standing[peer] = nil
        // A link that drains is better than none.
        if let other = links.filter({ $0.value.facts.peer == peer }).keys.sorted().last {
            links[other]?.retiresAt = nil
            standing[peer] = other
            return nil
        }
        retry(peer, after: now - link.since, isRejection: isRejection, at: now, using: &random)
        if standing.isEmpty { hurry(at: now, using: &random) }
        return peer
    }

    /// Links whose time to drain is over.
    package mutating func takeRetired(at now: Instant) -> [LinkID] {
        var due: [LinkID] = []
        for (id, link) in links {
            if let retiresAt = link.retiresAt, retiresAt <= now { due.append(id) }
        }
        due.sort()
        for id in due { links[id] = nil }
        return due
    }

    /// - Returns: whether the link's class, and with it what others should know, changed.
    package mutating func measured(_ id: LinkID, _ roundTrip: Duration) -> Bool {
        guard var link = links[id] else { return false }
        let first = link.roundTrip == nil
        let moved = first ? RoundTripClass(roundTrip) : link.roundTripClass.moved(to: roundTrip)
        defer { links[id] = link }
        link.roundTrip = roundTrip
        guard moved != link.roundTripClass else { return false }
        link.roundTripClass = moved
        return true
    }

    /// What this node lists of its links.
    package func listed(relays: Bool) -> [NodeID: ListedLink] {
        standing.compactMapValues { id in
            links[id].map { ListedLink(roundTrip: $0.roundTripClass, relays: relays) }
        }
    }

    private static func stands(_ fresh: Link, beside old: Link, me: NodeID) -> Bool {
        let (a, b) = (fresh.facts, old.facts)
        if a.hello.incarnation != b.hello.incarnation { return a.hello.incarnation > b.hello.incarnation }
        if a.openedByMe != b.openedByMe { return a.openedByMe == (me < a.peer) }
        return true
    }
}

extension Neighbourhood.KnownAddress {
    /// Who is most likely there.
    package var reaches: NodeID? { node ?? leadsTo }
}
