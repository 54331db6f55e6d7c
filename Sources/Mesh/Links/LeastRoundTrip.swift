package import Catalog

/// The least round trip of the last half minute to minute, from measurements that are often much longer.
///
/// What TCP measures holds the time that the other end keeps an acknowledgement back (RFC 1122 §4.2.3.2: up to 40 ms on Linux, when
/// it has nothing to send), and that its processor was busy: on a quiet link it wanders over several classes of what others are told,
/// within seconds. The least of many is what the way itself takes; one that became longer shows a minute later.
package struct LeastRoundTrip: Hashable, Sendable {
    /// Two spans, the one that runs and the one before, each with its least.
    package static let span: Duration = .seconds(30)

    private var since: Instant
    private var current: Duration
    private var before: Duration?

    package init(_ first: Duration, at now: Instant) {
        since = now
        current = first
    }

    package var least: Duration { min(current, before ?? current) }

    package mutating func add(_ roundTrip: Duration, at now: Instant) {
        let elapsed = now - since
        guard elapsed >= Self.span else {
            current = min(current, roundTrip)
            return
        }
        // Of a span without any measurement nothing is known.
        before = elapsed < Self.span * 2 ? current : nil
        current = roundTrip
        since = now
    }
}
