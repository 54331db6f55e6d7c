package import Catalog

/// This node's links and the addresses it may dial: who is linked, who should be, whom to try next.
package struct Neighbourhood: Sendable {
    package struct Link: Hashable, Sendable {
        package var facts: LinkFacts
        package var since: Instant
        package var roundTrip: Duration?
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
        package var lastProblem: DialProblem?
        package var nextDial: Instant
        package var dialledAt: Instant?
        /// Who was really there.
        package var leadsTo: NodeID?
    }

    private struct Key: Hashable {
        var address: String
        var node: NodeID?
    }

    /// Two links to one peer live side by side for so long, so that neither end is ever without one.
    private static let drain: Duration = .seconds(1)
    /// Assumed until measured.
    private static let firstClass = RoundTripClass(level: 2)

    /// An own address is tried no oftener than one that failed so often.
    private static let failuresOfMyself = 10

    private let me: NodeID
    private let mesh: MeshID
    private let limits: MeshLimits
    private var candidates: [Key: KnownAddress] = [:]
    package private(set) var links: [LinkID: Link] = [:]
    private var standing: [NodeID: LinkID] = [:]

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
    package func link(to peer: NodeID) -> LinkID? { standing[peer] }
    package func peer(of link: LinkID) -> NodeID? { links[link]?.facts.peer }
    package var addresses: [KnownAddress] {
        candidates.values.sorted {
            ($0.address, $0.node?.description ?? "") < ($1.address, $1.node?.description ?? "")
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

    /// - Returns: the peer that has no link any more.
    package mutating func down(_ id: LinkID, at now: Instant, using random: inout some RandomNumberGenerator)
        -> NodeID?
    {
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
        for key in candidates.keys.sorted(by: Self.order) where candidates[key]?.reaches == peer {
            candidates[key]?.nextDial = now + Self.jitter(limits.dialBackoffFirst, using: &random)
        }
        return peer
    }

    /// Links whose time to drain is over.
    package mutating func takeRetired(at now: Instant) -> [LinkID] {
        let due = links.filter { $0.value.retiresAt.map { $0 <= now } ?? false }.keys.sorted()
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

    // MARK: Candidates

    package mutating func sighted(
        _ candidate: Candidate, at now: Instant, using random: inout some RandomNumberGenerator
    ) {
        guard candidate.node != me, candidate.address.utf8.count <= NodeBody.addressMax else { return }
        let key = Key(address: candidate.address, node: candidate.node)
        // Both ends sight each other at once: the smaller id dials first, so that mostly one link is made.
        let wait = candidate.node.map { $0 < me } ?? false ? limits.dialBackoffFirst : .zero
        let soon = now + wait + Self.jitter(.milliseconds(100), using: &random)
        if var known = candidates[key] {
            let isNews = known.sources.insert(candidate.source).inserted
            known.mesh = candidate.mesh ?? known.mesh
            if isNews { known.nextDial = min(known.nextDial, soon) }
            candidates[key] = known
            return
        }
        makeRoom()
        guard candidates.count < limits.candidates else { return }
        candidates[key] = KnownAddress(
            address: candidate.address, node: candidate.node, mesh: candidate.mesh,
            sources: [candidate.source],
            nextDial: soon)
    }

    package mutating func vanished(_ address: String, _ source: CandidateSource) {
        for key in candidates.keys where key.address == address {
            candidates[key]?.sources.remove(source)
            if candidates[key]?.sources.isEmpty == true { candidates[key] = nil }
        }
    }

    /// Replaces the addresses that a node's own document gave.
    package mutating func documented(
        _ node: NodeID, _ addresses: [String], at now: Instant, using random: inout some RandomNumberGenerator
    ) {
        guard node != me else { return }
        for key in candidates.keys where key.node == node && !addresses.contains(key.address) {
            candidates[key]?.sources.remove(.document)
            if candidates[key]?.sources.isEmpty == true { candidates[key] = nil }
        }
        for address in addresses {
            sighted(Candidate(address: address, source: .document, node: node), at: now, using: &random)
        }
    }

    package mutating func dialFailed(
        _ address: String, expecting node: NodeID?, _ problem: DialProblem, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) {
        let key = Key(address: address, node: node)
        guard var known = candidates[key] else { return }
        known.dialledAt = nil
        known.failures += 1
        known.lastProblem = problem
        switch problem {
        case .otherNode(let other): known.leadsTo = other
        case .myself:
            known.leadsTo = me
            known.failures = max(known.failures, Self.failuresOfMyself)
        case .otherMesh(let mesh): known.mesh = mesh ?? known.mesh
        case .unreachable, .refused: break
        }
        known.nextDial = now + backoff(after: known.failures, using: &random)
        candidates[key] = known
    }

    /// Gives nodes that seem to be back a new chance at once.
    package mutating func encourage(_ nodes: Set<NodeID>, at now: Instant) {
        for (key, known) in candidates where known.dialledAt == nil {
            guard let node = known.reaches, nodes.contains(node), known.failures > 1 else { continue }
            candidates[key]?.failures = 1
            candidates[key]?.nextDial = min(known.nextDial, now + limits.dialBackoffFirst)
        }
    }

    /// Whom to dial now. Nobody who is linked, nobody of another mesh, a few at a time.
    ///
    /// - Parameters:
    ///   - wanted: peers that should have a standing link.
    ///   - isKnown: whether documents of a node are held; one without may be an island, and is always tried.
    package mutating func dials(
        wanted: Set<NodeID>, isKnown: (NodeID) -> Bool, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [(address: String, expecting: NodeID?)] {
        for key in candidates.keys.sorted(by: Self.order) {
            guard let at = candidates[key]?.dialledAt, now - at >= limits.dialTimeout else { continue }
            dialFailed(key.address, expecting: key.node, .unreachable("no answer"), at: now, using: &random)
        }
        let inFlight = candidates.filter { $0.value.dialledAt != nil }
        var busy = Set(inFlight.compactMap { $0.value.reaches })
        var room = limits.dialsAtOnce - inFlight.count
        guard room > 0 else { return [] }

        let due = candidates.filter { _, candidate in
            guard candidate.nextDial <= now, candidate.dialledAt == nil, (candidate.mesh ?? mesh) == mesh
            else {
                return false
            }
            // An address that led back here may be another's by now; it is tried, but seldom.
            guard let node = candidate.reaches, node != me else { return true }
            return standing[node] == nil && (standing.isEmpty || wanted.contains(node) || !isKnown(node))
        }
        .sorted { a, b in
            a.value.nextDial == b.value.nextDial
                ? Self.order(a.key, b.key) : a.value.nextDial < b.value.nextDial
        }
        var dials: [(address: String, expecting: NodeID?)] = []
        for (key, candidate) in due where room > 0 {
            if let node = candidate.reaches, !busy.insert(node).inserted { continue }
            candidates[key]?.dialledAt = now
            room -= 1
            dials.append((key.address, key.node))
        }
        return dials
    }

    private mutating func noteReached(_ facts: LinkFacts, at now: Instant) {
        guard let address = facts.address else { return }
        for key in candidates.keys where key.address == address && (key.node == nil || key.node == facts.peer)
        {
            candidates[key]?.dialledAt = nil
            candidates[key]?.failures = 0
            candidates[key]?.lastProblem = nil
            candidates[key]?.leadsTo = facts.peer
            candidates[key]?.nextDial = now + limits.dialBackoffFirst
        }
    }

    /// A full list loses the address that failed most; seeds stay.
    private mutating func makeRoom() {
        guard candidates.count >= limits.candidates else { return }
        let worst = candidates.filter { !$0.value.sources.contains(.seed) && $0.value.dialledAt == nil }
            .max { a, b in
                a.value.failures == b.value.failures
                    ? Self.order(a.key, b.key) : a.value.failures < b.value.failures
            }
        if let worst { candidates[worst.key] = nil }
    }

    private func backoff(after failures: Int, using random: inout some RandomNumberGenerator) -> Duration {
        let doubled = limits.dialBackoffFirst * (1 << min(failures - 1, 16))
        let longest = min(doubled, limits.dialBackoffMax)
        return longest / 2 + Self.jitter(longest / 2, using: &random)
    }

    private static func jitter(_ span: Duration, using random: inout some RandomNumberGenerator) -> Duration {
        span * Int.random(in: 0...1000, using: &random) / 1000
    }

    private static func order(_ a: Key, _ b: Key) -> Bool {
        (a.address, a.node?.description ?? "") < (b.address, b.node?.description ?? "")
    }
}

extension Neighbourhood.KnownAddress {
    /// Who is most likely there.
    package var reaches: NodeID? { node ?? leadsTo }
}
