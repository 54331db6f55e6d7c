package import Catalog

/// When the mesh is told that a link is up again: at once, unless it comes and goes.
///
/// A down is always told at once. From the third within ``withinDowns`` on, the next up waits ``firstWait``, and twice
/// as long after each further one. A peer that started again has a reason to have been away, and is told at once, if
/// not too often. Quiet forgives.
package struct LinkDamping: Sendable {
    /// So many downs …
    package static let downs = 3
    /// … within so long are a link that comes and goes.
    package static let withinDowns: Duration = .seconds(60)
    package static let firstWait: Duration = .seconds(5)
    package static let waitMax: Duration = .seconds(60)
    /// A link that did not break for so long is like any other.
    package static let forgiveAfter: Duration = .seconds(300)
    /// Ups after a restart of the peer that are told at once, within ``forgiveAfter``.
    package static let restartsMax = 3
    /// Peers that are remembered; more than list a link with one node.
    static let peersMax = 512

    private struct Course: Sendable {
        /// The last few.
        var downs: [Instant] = []
        var wait: Duration?
        /// Until then the link that is up is not told.
        var heldUntil: Instant?
        var life: UInt64?
        var restarts: [Instant] = []
    }

    private var courses: [NodeID: Course] = [:]

    package init() {}

    /// A peer that had no link has one.
    ///
    /// - Parameter life: of the peer, as its hello says.
    package mutating func up(_ peer: NodeID, life: UInt64, at now: Instant) {
        forgive(at: now)
        guard var course = courses[peer] else { return }
        defer { courses[peer] = course }
        let isRestart = course.life.map { $0 != life } ?? false
        course.life = life
        course.heldUntil = nil
        guard let wait = course.wait else { return }
        if isRestart {
            course.restarts = course.restarts.filter { now - $0 < Self.forgiveAfter }
            if course.restarts.count < Self.restartsMax {
                course.restarts.append(now)
                return
            }
        }
        course.heldUntil = now + wait
    }

    /// A peer has no link any more.
    ///
    /// - Parameter life: of the peer, on the link that is gone.
    package mutating func down(_ peer: NodeID, life: UInt64, at now: Instant) {
        forgive(at: now)
        if courses[peer] == nil, courses.count >= Self.peersMax {
            let oldest = courses.min {
                ($0.value.downs.last ?? now, $0.key) < ($1.value.downs.last ?? now, $1.key)
            }
            if let oldest { courses[oldest.key] = nil }
        }
        var course = courses[peer] ?? Course()
        course.life = life
        course.heldUntil = nil
        course.downs = course.downs.suffix(Self.downs - 1) + [now]
        if let wait = course.wait {
            course.wait = min(wait * 2, Self.waitMax)
        } else if course.downs.count == Self.downs, let first = course.downs.first,
            now - first <= Self.withinDowns
        {
            course.wait = Self.firstWait
        }
        courses[peer] = course
    }

    /// Peers whose link is up and not told yet.
    package func held(at now: Instant) -> Set<NodeID> {
        Set(courses.filter { $0.value.heldUntil.map { $0 > now } ?? false }.keys)
    }

    /// - Returns: whether a link may be told since the last question.
    package mutating func release(at now: Instant) -> Bool {
        var isDue = false
        for (peer, course) in courses {
            guard let until = course.heldUntil, until <= now else { continue }
            courses[peer]?.heldUntil = nil
            isDue = true
        }
        return isDue
    }

    package mutating func forget(_ peer: NodeID) { courses[peer] = nil }

    private mutating func forgive(at now: Instant) {
        guard !courses.isEmpty else { return }
        courses = courses.filter { now - ($0.value.downs.last ?? now) < Self.forgiveAfter }
    }
}
