/// So many calls in a time, all at once if need be; what is used comes back evenly.
package struct CallRate: Hashable, Sendable {
    /// With these bounds a bucket's arithmetic on nanoseconds is exact.
    package static let countRange = 1...10_000
    package static let timeRange = Duration.seconds(1)...Duration.seconds(86_400)

    package let count: Int
    package let time: Duration

    /// - Returns: `nil` out of bounds.
    package init?(_ count: Int, in time: Duration) {
        guard Self.countRange.contains(count), Self.timeRange.contains(time) else { return nil }
        self.count = count
        self.time = time
    }
}
