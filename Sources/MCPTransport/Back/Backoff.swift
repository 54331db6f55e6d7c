/// How long to wait before the next attempt: twice as long after every failure, up to a bound, and never the
/// same time for all who failed together.
package struct Backoff: Hashable, Sendable {
    private let shortest: Duration
    private let longest: Duration
    private var failures = 0

    package init(from shortest: Duration, to longest: Duration) {
        self.shortest = shortest
        self.longest = longest
    }

    /// - Parameter chance: 0 to 1; the wait is between half and all of the step.
    package mutating func next(chance: Double) -> Duration {
        // 2^16 times any sane start is past any sane bound.
        let step = min(shortest * (1 << min(failures, 16)), longest)
        failures += 1
        return step / 2 + step / 2 * min(max(chance, 0), 1)
    }

    package mutating func reset() { failures = 0 }
}
