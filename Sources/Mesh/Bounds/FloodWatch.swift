package import Catalog

/// Somebody who says more than this node takes in, as `status` names it.
package struct Flood: Hashable, Sendable {
    package enum Part: Hashable, Comparable, Sendable {
        /// It signs too many documents, whoever passes them on.
        case origin
        /// It sends too much over its link, whoever signed it.
        case neighbour
    }

    package let node: NodeID
    package let part: Part
    /// When the first of it was left out.
    package let since: Instant
    /// Documents (of an origin) or frames (of a neighbour) that were left out since.
    package var leftOut: Int
    var lastAt: Instant

    package init(node: NodeID, part: Part, since: Instant, leftOut: Int, lastAt: Instant) {
        self.node = node
        self.part = part
        self.since = since
        self.leftOut = leftOut
        self.lastAt = lastAt
    }

    /// Whether both are one and the same flood, at two times.
    package func isSame(as other: Flood) -> Bool {
        node == other.node && part == other.part && since == other.since
    }
}

/// Bounds what each origin and each neighbour can make this node do, and remembers who goes over.
///
/// An origin has an allowance of documents and of bytes; what is over it is neither looked at nor passed on, and comes
/// later by repair, as its newest version only. What says who is alive (node and links) has an allowance of its own, so
/// that a node with too many servers is not taken for a dead one. A neighbour has an allowance of bytes, and one of signatures
/// that it has this node check in vain. Only what is news and well signed counts against its origin: nobody can use up
/// another's allowance.
///
/// Memory: one entry for each enrolled node that said something in the last minutes.
struct FloodWatch: Sendable {
    private struct Origin: Sendable {
        var presence: Allowance
        var content: Allowance
        var bytes: Allowance

        func isWhole(at now: Instant) -> Bool {
            presence.isWhole(at: now) && content.isWhole(at: now) && bytes.isWhole(at: now)
        }
    }

    private struct Neighbour: Sendable {
        var received: Allowance
        var forged: Allowance
        var answered: Allowance

        func isWhole(at now: Instant) -> Bool {
            received.isWhole(at: now) && forged.isWhole(at: now) && answered.isWhole(at: now)
        }
    }

    private struct Key: Hashable {
        var node: NodeID
        var part: Flood.Part
    }

    private let limits: MeshLimits
    private var origins: [NodeID: Origin] = [:]
    private var neighbours: [NodeID: Neighbour] = [:]
    private var floods: [Key: Flood] = [:]

    init(limits: MeshLimits) { self.limits = limits }

    // MARK: Origins

    /// How many more documents of an origin are taken in now.
    func documentsLeft(of origin: NodeID, _ kind: DocumentKind, at now: Instant) -> Int {
        guard let known = origins[origin] else { return limits.documentsBurst }
        if kind.isPresence { return max(0, known.presence.left(at: now)) }
        return known.bytes.left(at: now) > 0 ? max(0, known.content.left(at: now)) : 0
    }

    /// A document was news, and its origin's.
    mutating func took(_ document: Document, at now: Instant) {
        let terms = Allowance.Terms(perSecond: limits.documentsPerSecond, burst: limits.documentsBurst)
        var origin =
            origins[document.key.origin]
            ?? Origin(
                presence: Allowance(terms), content: Allowance(terms),
                bytes: Allowance(
                    Allowance.Terms(
                        perSecond: limits.originBytesPerSecond, burst: limits.originBytesBurst)))
        if document.key.kind.isPresence {
            origin.presence.take(1, at: now)
        } else {
            origin.content.take(1, at: now)
            origin.bytes.take(document.encodedCount, at: now)
        }
        origins[document.key.origin] = origin
    }

    mutating func leftOut(_ count: Int = 1, of origin: NodeID, at now: Instant) {
        note(Key(node: origin, part: .origin), count, at: now)
    }

    // MARK: Neighbours

    /// Whether a neighbour may have one more frame looked at; what it costs is taken from its allowance.
    ///
    /// - Parameter isStatement: whether it is of revocations, which a neighbour that says much must still bring: only one that
    ///   forges is not heard.
    mutating func admit(_ bytes: Int, isStatement: Bool, from peer: NodeID, at now: Instant) -> Bool {
        var neighbour = neighbours[peer] ?? newNeighbour
        guard neighbour.forged.left(at: now) > 0, isStatement || neighbour.received.left(at: now) > 0 else {
            note(Key(node: peer, part: .neighbour), 1, at: now)
            return false
        }
        neighbour.received.take(bytes, at: now)
        neighbours[peer] = neighbour
        return true
    }

    /// A neighbour passed on what no honest node does, and had this node check a signature in vain.
    mutating func charge(_ peer: NodeID, at now: Instant) {
        var neighbour = neighbours[peer] ?? newNeighbour
        neighbour.forged.take(1, at: now)
        neighbours[peer] = neighbour
    }

    /// Whether a neighbour may have so many bytes more of what it asks for.
    mutating func answer(_ bytes: Int, to peer: NodeID, at now: Instant) -> Bool {
        var neighbour = neighbours[peer] ?? newNeighbour
        guard neighbour.answered.left(at: now) > 0 else { return false }
        neighbour.answered.take(bytes, at: now)
        neighbours[peer] = neighbour
        return true
    }

    // MARK: What is shown

    /// Who goes over now, in the order of their ids.
    func current(at now: Instant) -> [Flood] {
        floods.values.filter { now - $0.lastAt < limits.floodForgottenAfter }
            .sorted { ($0.node, $0.part) < ($1.node, $1.part) }
    }

    /// Lets go of whoever has kept within bounds for long enough.
    mutating func tidy(at now: Instant) {
        floods = floods.filter { now - $0.value.lastAt < limits.floodForgottenAfter }
        origins = origins.filter { !$0.value.isWhole(at: now) }
        neighbours = neighbours.filter { !$0.value.isWhole(at: now) }
    }

    mutating func forget(_ node: NodeID) {
        origins[node] = nil
        neighbours[node] = nil
        floods[Key(node: node, part: .origin)] = nil
        floods[Key(node: node, part: .neighbour)] = nil
    }

    private var newNeighbour: Neighbour {
        Neighbour(
            received: Allowance(
                Allowance.Terms(
                    perSecond: limits.neighbourBytesPerSecond, burst: limits.neighbourBytesBurst)),
            forged: Allowance(
                Allowance.Terms(perSecond: limits.forgeriesPerSecond, burst: limits.forgeriesBurst)),
            answered: Allowance(
                Allowance.Terms(perSecond: limits.answerBytesPerSecond, burst: limits.answerBytesBurst)))
    }

    private mutating func note(_ key: Key, _ count: Int, at now: Instant) {
        if var flood = floods[key], now - flood.lastAt < limits.floodForgottenAfter {
            flood.leftOut += count
            flood.lastAt = now
            floods[key] = flood
        } else {
            floods[key] = Flood(node: key.node, part: key.part, since: now, leftOut: count, lastAt: now)
        }
    }
}

extension DocumentKind {
    /// Whether it says who is alive and how to get there, rather than what is offered.
    var isPresence: Bool { self == .node || self == .links }
}

extension Frame {
    /// What a neighbour's frame costs this node, in bytes of its allowance; `nil` for what is bounded otherwise: pages
    /// by this node's own asking, scoped documents by ``ScopedAllowance`` (a set of which a part is let drop is no set).
    var costToReader: Int? {
        switch self {
        case .documents(let documents):
            documents.reduce(1024) { $0 + $1.count + 64 }
        case .announce(let rows): 1024 + rows.count * 128
        case .pull(let keys): 1024 + keys.count * 64
        case .digest, .scopedOffer, .scopedHeld, .manifestPull: 1024
        // All rows that are held are gone through for each.
        case .digestRows(let page): 64 * 1024 + page.rows.count * 128
        case .bucketRows(let rows): 64 * 1024 + rows.page.rows.count * 128
        case .bucketDigest(let digest): 16 * 1024 + digest.hashes.count * 16
        // Nearly nothing: a whole set must get through. Forgeries among them are charged one by one.
        case .statements(let statements, _): statements.count
        case .statementDigest: 256
        default: nil
        }
    }
}
