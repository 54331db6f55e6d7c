/// A point on this process's monotonic clock. Cores are handed one; they never read a clock.
///
/// Means nothing in another process: what crosses processes are durations.
package struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since some fixed point of this process's life.
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static let zero = Instant(nanoseconds: 0)

    package func advanced(by duration: Duration) -> Instant {
        let (seconds, attoseconds) = duration.components
        return Instant(nanoseconds: nanoseconds + seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    package func duration(to other: Instant) -> Duration {
        .nanoseconds(other.nanoseconds - nanoseconds)
    }

    package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
    package static func + (a: Self, b: Duration) -> Self { a.advanced(by: b) }
    package static func - (a: Self, b: Self) -> Duration { b.duration(to: a) }
}
