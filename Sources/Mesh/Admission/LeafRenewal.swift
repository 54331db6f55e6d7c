package import Catalog

/// Seconds since 1970 by a wall clock: what certificates say. All else counts on ``Instant``.
package struct WallSeconds: Hashable, Comparable, Sendable {
    package let seconds: Int64

    package init(_ seconds: Int64) { self.seconds = seconds }

    package static func < (a: Self, b: Self) -> Bool { a.seconds < b.seconds }
    package static func + (a: Self, b: Duration) -> Self { WallSeconds(a.seconds + b.components.seconds) }
    package static func - (a: Self, b: Self) -> Duration { .seconds(a.seconds - b.seconds) }
}

/// From when to when a certificate is valid.
package struct LeafSpan: Hashable, Sendable {
    package var from: WallSeconds
    package var until: WallSeconds

    package init(from: WallSeconds, until: WallSeconds) {
        self.from = from
        self.until = until
    }

    var life: Duration { until - from }
}

/// An issuer that could give this node a new leaf.
package struct IssuerWay: Hashable, Sendable {
    package var issuer: NodeID
    /// The ids to cross over this node's own links, the issuer last; `nil`: only as a guest, from outside.
    package var path: [NodeID]?

    package init(issuer: NodeID, path: [NodeID]?) {
        self.issuer = issuer
        self.path = path
    }
}

/// When a node asks for its next leaf, and whom.
///
/// Wall time comes in with each question: a clock that jumps makes a leaf due earlier or later, and nothing else.
package struct LeafRenewal: Sendable {
    /// So long after its end a leaf can still be renewed, by the node key alone.
    package static let coldFor: Duration = .seconds(14 * 86_400)
    /// Renewed from a third of its life …
    private static let dueAfter = 3
    /// … spread over another twelfth, so that a mesh that was made in one day does not renew in one minute.
    private static let spreadOver = 12
    private static let retryFirst: Duration = .seconds(60)
    private static let retryMax: Duration = .seconds(3600)
    /// Issuers whose failures are remembered; a mesh has a few.
    private static let issuersMax = 64

    package enum Phase: Hashable, Sendable {
        case fresh
        /// To be renewed over links.
        case due
        /// Over; to be renewed as a guest.
        case expired
        /// Over for so long that only a new join helps.
        case past
    }

    package private(set) var span: LeafSpan
    package private(set) var renewsAt: WallSeconds
    /// Why the last try failed; `nil` after a success.
    package private(set) var lastProblem: String?
    private var failures = 0
    private var nextTry: Instant?
    private var failuresOf: [NodeID: Int] = [:]

    package init(_ span: LeafSpan, using random: inout some RandomNumberGenerator) {
        self.span = span
        renewsAt = Self.renewal(of: span, using: &random)
    }

    package func phase(at wall: WallSeconds) -> Phase {
        if wall >= span.until + Self.coldFor { return .past }
        if wall >= span.until { return .expired }
        return wall >= renewsAt ? .due : .fresh
    }

    /// Whom to ask now; `nil`: nobody for the moment.
    ///
    /// - Parameters:
    ///   - ways: issuers of the mesh that are known, this node not among them.
    ///   - isDistrusted: whether the issuer of the present leaf was revoked, so that others refuse the leaf already.
    package func choice(
        among ways: [IssuerWay], isDistrusted: Bool, at wall: WallSeconds, _ now: Instant
    ) -> IssuerWay? {
        let phase = phase(at: wall)
        guard phase != .past, phase != .fresh || isDistrusted else { return nil }
        if let nextTry, now < nextTry { return nil }
        // From outside only when links are closed to this node: inside, whoever is reached is asked over links.
        let usable = ways.filter { $0.path != nil || phase == .expired || isDistrusted }
        return usable.min { a, b in
            let (x, y) = (failuresOf[a.issuer] ?? 0, failuresOf[b.issuer] ?? 0)
            if x != y { return x < y }
            let (m, n) = (a.path?.count ?? .max, b.path?.count ?? .max)
            return m == n ? a.issuer < b.issuer : m < n
        }
    }

    package mutating func failed(
        _ issuer: NodeID, _ problem: String, at now: Instant, using random: inout some RandomNumberGenerator
    ) {
        lastProblem = problem
        failures += 1
        if failuresOf.count < Self.issuersMax || failuresOf[issuer] != nil {
            failuresOf[issuer, default: 0] += 1
        }
        let longest = min(Self.retryFirst * (1 << min(failures - 1, 10)), Self.retryMax)
        nextTry = now + longest / 2 + longest / 2 * Int.random(in: 0...1000, using: &random) / 1000
    }

    /// The issuer dates a leaf by its own clock, so to a node whose clock is ahead the new one may be due at once; it is not
    /// asked for again before a while.
    package mutating func renewed(
        _ span: LeafSpan, at now: Instant, using random: inout some RandomNumberGenerator
    ) {
        self = LeafRenewal(span, using: &random)
        nextTry = now + Self.retryMax
    }

    private static func renewal(
        of span: LeafSpan, using random: inout some RandomNumberGenerator
    ) -> WallSeconds {
        let jitter = span.life / spreadOver * Int.random(in: 0...1000, using: &random) / 1000
        return span.from + span.life / dueAfter + jitter
    }
}
