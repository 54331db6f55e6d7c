import Synchronization

/// Counts durations in fixed buckets, from any thread, without a lock.
///
/// Each number is exact; a reading that is taken while others count may have one of them and not the next.
struct DurationHistogram: ~Copyable, Sendable {
    /// Upper bounds in seconds: from a call that never leaves this node to one that its owner gives up.
    static let bounds: InlineArray<17, Double> = [
        0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    private let counts = InlineArray<18, Atomic<Int>> { _ in Atomic(0) }
    private let nanoseconds = Atomic<Int>(0)

    /// - Complexity: O(buckets), two atomic additions.
    func add(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let taken = Double(seconds) + Double(attoseconds) * 1e-18
        var bucket = 0
        while bucket < Self.bounds.count, taken > Self.bounds[bucket] { bucket += 1 }
        counts[bucket].wrappingAdd(1, ordering: .relaxed)
        nanoseconds.wrappingAdd(
            Int(clamping: seconds).multipliedReportingOverflow(by: 1_000_000_000).partialValue
                &+ Int(attoseconds / 1_000_000_000), ordering: .relaxed)
    }

    func read() -> HistogramReading {
        HistogramReading(
            bounds: Self.bounds.indices.map { Self.bounds[$0] },
            counts: counts.indices.map { counts[$0].load(ordering: .relaxed) },
            sum: Double(nanoseconds.load(ordering: .relaxed)) / 1e9)
    }
}
