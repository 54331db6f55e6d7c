#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A point in calendar time, in milliseconds since 1970-01-01T00:00:00Z.
///
/// For showing to people and for expiry across restarts; never for putting events in order.
package struct WallTime: Hashable, Comparable, Sendable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// What the system's clock says now.
    package static func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Saturates at the ends of the range.
    package func advanced(by duration: Duration) -> WallTime {
        let (seconds, attoseconds) = duration.components
        let (whole, over) = seconds.multipliedReportingOverflow(by: 1000)
        let step = over ? (seconds < 0 ? Int64.min : .max) : whole
        let (sum, past) = milliseconds.addingReportingOverflow(step)
        let (total, beyond) = sum.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return WallTime(milliseconds: past || beyond ? (seconds < 0 ? Int64.min : .max) : total)
    }

    /// How long from this until another; negative where that comes before. Saturates.
    package func duration(to other: WallTime) -> Duration {
        let (difference, over) = other.milliseconds.subtractingReportingOverflow(milliseconds)
        return .milliseconds(over ? (other < self ? Int64.min : .max) : difference)
    }

    package static func < (a: Self, b: Self) -> Bool { a.milliseconds < b.milliseconds }
}
