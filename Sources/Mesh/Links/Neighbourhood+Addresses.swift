package import Catalog

/// The addresses that may be dialled, from all sources in one list: whom to try next, and how patiently.
extension Neighbourhood {
    /// An own address is tried no oftener than one that failed so often.
    private static let failuresOfMyself = 10
    /// Once may be an accident.
    private static let failuresToPassOver = 2

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
            // Its host has just said that it is there.
            if isNews, candidate.source == .sighting { known.forgetFailures() }
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

    /// Takes over who should be linked with this node, and keeps their addresses whatever else must go.
    package mutating func choose(_ wanted: Set<NodeID>, of nodes: [NodeID: NodeBody], at now: Instant) {
        chosen = wanted
        for node in wanted.sorted() where node != me && standing[node] == nil {
            for address in nodes[node]?.addresses ?? [] {
                let key = Key(address: address, node: node)
                guard candidates[key] == nil else { continue }
                makeRoom()
                guard candidates.count < limits.candidates else { return }
                // As with sightings: the smaller id dials first.
                candidates[key] = KnownAddress(
                    address: address, node: node, sources: [.document],
                    nextDial: now + (node < me ? limits.dialBackoffFirst : .zero))
            }
        }
    }

    /// Who is no choice now, but to whom there may be a path.
    package mutating func passedOver(at now: Instant) -> Set<NodeID> {
        passed = passed.filter { $0.value > now }
        full = full.filter { $0.value > now }
        return Set(passed.keys).union(full.keys)
    }

    /// A peer had no place for this node.
    package mutating func turnedAway(_ peer: NodeID, at now: Instant) {
        let until = now + limits.dialAfterFull
        full[peer] = until
        for key in candidates.keys where candidates[key]?.reaches == peer {
            candidates[key]?.nextDial = until
        }
    }

    /// What a full node named is tried once: the next one names others, and nobody fills the list so.
    mutating func forgetReferrals() {
        for key in candidates.keys where candidates[key]?.sources.contains(.referral) == true {
            candidates[key]?.sources.remove(.referral)
            if candidates[key]?.sources.isEmpty == true { candidates[key] = nil }
        }
    }

    /// A node is no more of the mesh: nobody dials it any more, whoever told of its addresses.
    package mutating func forget(_ node: NodeID) {
        for key in candidates.keys where key.node == node { candidates[key] = nil }
        passed[node] = nil
        full[node] = nil
        lookAgain()
    }

    package mutating func dialFailed(
        _ address: String, expecting node: NodeID?, _ problem: DialProblem, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) {
        let key = Key(address: address, node: node)
        guard var known = candidates[key] else { return }
        known.dialledAt = nil
        known.failures += 1
        known.failingSince = known.failingSince ?? now
        known.lastProblem = problem
        switch problem {
        case .otherNode(let other): known.leadsTo = other
        case .myself:
            known.leadsTo = me
            known.failures = max(known.failures, Self.failuresOfMyself)
        case .otherMesh(let mesh): known.mesh = mesh ?? known.mesh
        case .unreachable, .refused, .outsideItsTime: break
        }
        if let node, known.failures >= Self.failuresToPassOver {
            passed[node] = now + limits.passOverFor
        }
        known.nextDial = now + backoff(of: known, at: now, using: &random)
        if case .outsideItsTime = problem {
            known.nextDial = max(known.nextDial, now + limits.dialAfterWrongTime)
        }
        candidates[key] = known
    }

    /// Gives nodes that seem to be back a new chance at once.
    package mutating func encourage(_ nodes: Set<NodeID>, at now: Instant) {
        for node in nodes { passed[node] = nil }
        for (key, known) in candidates where known.dialledAt == nil {
            guard let node = known.reaches, nodes.contains(node), known.failures > 1 else { continue }
            candidates[key]?.forgetFailures()
            let soon = now + limits.dialBackoffFirst
            candidates[key]?.nextDial = min(known.nextDial, soon)
        }
    }

    /// Something changed that lets addresses answer which did not before: none waits longer than it had to at first, or than a node
    /// without any link waits.
    package mutating func hurry(at now: Instant, using random: inout some RandomNumberGenerator) {
        for key in candidates.keys.sorted(by: Self.order) {
            guard var known = candidates[key], known.failures > 0, !isHeldBack(known, at: now) else {
                continue
            }
            let longest = longestAtFirst(known, at: now)
            guard known.nextDial - now > longest else { continue }
            known.failingSince = known.failingSince.map { _ in now }
            known.nextDial = now + Self.jitter(longest, using: &random)
            candidates[key] = known
        }
    }

    /// Whether an address waits for something else than to be in reach.
    private func isHeldBack(_ known: KnownAddress, at now: Instant) -> Bool {
        if case .outsideItsTime? = known.lastProblem { return true }
        return known.reaches.flatMap { full[$0] }.map { $0 > now } ?? false
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
        if let quiet, now < quiet.until, quiet.wanted == wanted { return [] }
        var unanswered: [Key] = []
        for (key, known) in candidates {
            if let dialled = known.dialledAt, now - dialled >= limits.dialTimeout { unanswered.append(key) }
        }
        for key in unanswered.sorted(by: Self.order) {
            dialFailed(key.address, expecting: key.node, .unreachable("no answer"), at: now, using: &random)
        }
        let inFlight = candidates.filter { $0.value.dialledAt != nil }
        var busy = Set(inFlight.compactMap { $0.value.reaches })
        var room = limits.dialsAtOnce - inFlight.count
        guard room > 0 else { return [] }

        var until = Instant.last
        var due: [(key: Key, value: KnownAddress)] = []
        for (key, candidate) in candidates {
            if let dialled = candidate.dialledAt {
                until = min(until, dialled + limits.dialTimeout)
            } else if candidate.nextDial > now {
                until = min(until, candidate.nextDial)
            } else if isDue(candidate, wanted: wanted, isKnown: isKnown) {
                due.append((key, candidate))
            }
        }
        if due.isEmpty { quiet = (until, wanted) }
        due.sort { a, b in
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

    /// Whether an address whose time has come is to be dialled.
    private func isDue(_ candidate: KnownAddress, wanted: Set<NodeID>, isKnown: (NodeID) -> Bool) -> Bool {
        guard (candidate.mesh ?? mesh) == mesh else { return false }
        // An address that led back here may be another's by now; it is tried, but seldom.
        guard let node = candidate.reaches, node != me else { return true }
        return standing[node] == nil && (standing.isEmpty || wanted.contains(node) || !isKnown(node))
    }

    /// Which nodes are known has changed.
    mutating func lookAgain() { quiet = nil }

    /// A lost link is tried again soon, unless it comes up and breaks again and again.
    ///
    /// - Parameter stood: how long the link lasted.
    mutating func retry(
        _ peer: NodeID, after stood: Duration, isRejection: Bool, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) {
        let wasSteady = stood >= limits.linkSteadyAfter
        for key in candidates.keys.sorted(by: Self.order) {
            guard var known = candidates[key], known.reaches == peer else { continue }
            known.failures = wasSteady ? 0 : known.failures + 1
            // It was there: what it takes to come up and stay is another matter.
            known.failingSince = nil
            known.lostAt = now
            if isRejection { known.lastProblem = .refused("the link was ended for what one of us said") }
            known.nextDial =
                now
                + (known.failures <= 1
                    ? Self.jitter(limits.dialBackoffFirst, using: &random)
                    : backoff(of: known, at: now, using: &random))
            if let until = full[peer] { known.nextDial = max(known.nextDial, until) }
            candidates[key] = known
        }
    }

    mutating func noteReached(_ facts: LinkFacts, at now: Instant) {
        if facts.openedByMe { passed[facts.peer] = nil }
        full[facts.peer] = nil
        guard let address = facts.address else { return }
        let soon = now + limits.dialBackoffFirst
        for key in candidates.keys where key.address == address && (key.node == nil || key.node == facts.peer)
        {
            candidates[key]?.dialledAt = nil
            // What failed before is forgotten once the link has stood for a while.
            candidates[key]?.lastProblem = nil
            candidates[key]?.leadsTo = facts.peer
            candidates[key]?.nextDial = soon
        }
    }

    /// A full list loses the address that failed most; seeds stay, and who should be linked.
    private mutating func makeRoom() {
        guard candidates.count >= limits.candidates else { return }
        var worst: (failures: Int, key: Key)?
        for (key, known) in candidates {
            if let worst, known.failures < worst.failures { continue }
            guard known.dialledAt == nil, !(known.node.map(chosen.contains) ?? false),
                !known.sources.contains(.seed), !known.sources.contains(.dns)
            else { continue }
            if let worst, known.failures == worst.failures, Self.order(key, worst.key) { continue }
            worst = (known.failures, key)
        }
        if let worst { candidates[worst.key] = nil }
    }

    /// How long an address waits that was dialled in vain. A node without any link is the only one that could end that, and goes on as
    /// at first.
    private func backoff(
        of known: KnownAddress, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> Duration {
        let doubled = limits.dialBackoffFirst * (1 << min(max(known.failures - 1, 0), 16))
        var longest = min(doubled, longestAtFirst(known, at: now))
        if let since = known.failingSince, !standing.isEmpty {
            longest = max(longest, min((now - since) / limits.dialBackoffShare, limits.dialBackoffLongest))
        }
        return longest / 2 + Self.jitter(longest / 2, using: &random)
    }

    /// How long an address waits at most that was not in vain for long: hardly at all where a node without any link comes from, since
    /// it and whom it was to reach both need their way back at the same time.
    private func longestAtFirst(_ known: KnownAddress, at now: Instant) -> Duration {
        guard standing.isEmpty else { return limits.dialBackoffMax }
        switch known.lastProblem {
        case nil, .unreachable: break
        case .otherNode, .myself, .otherMesh, .refused, .outsideItsTime: return limits.dialBackoffMax
        }
        let isGiven = known.sources.contains(.seed) || known.sources.contains(.dns)
        let stoodLately = known.lostAt.map { now - $0 < limits.wayBackFor } ?? false
        return isGiven || stoodLately ? limits.dialBackoffAlone : limits.dialBackoffMax
    }

    private static func jitter(_ span: Duration, using random: inout some RandomNumberGenerator) -> Duration {
        span * Int.random(in: 0...1000, using: &random) / 1000
    }

    static func order(_ a: Key, _ b: Key) -> Bool {
        a.address == b.address ? (a.node ?? .least) < (b.node ?? .least) : a.address < b.address
    }
}

extension Neighbourhood.KnownAddress {
    /// There is a reason to think that it answers now.
    fileprivate mutating func forgetFailures() {
        failures = min(failures, 1)
        failingSince = nil
    }
}

extension NodeID {
    /// Sorts before every other; stands where none is known.
    fileprivate static let least = NodeID(high: 0, low: 0)
}

extension Instant {
    /// After all that this process will see.
    fileprivate static let last = Instant(nanoseconds: .max)
}
