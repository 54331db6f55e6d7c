/// One line of `access.limits`: how often, and how many at once.
package struct AccessLimit: Hashable, Sendable {
    /// So many in a time, all at once if need be; what is used comes back evenly.
    package struct Rate: Hashable, Sendable {
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

    package static let concurrencyRange = 1...10_000

    /// What a person called it, or where it stands in the file.
    package var name: String
    package var scope: AccessScope
    package var rate: Rate?
    package var concurrency: Int?
    /// Whether all whom it is about share it; otherwise each has it for himself.
    package var isShared: Bool

    package init(
        _ name: String, _ scope: AccessScope = AccessScope(), rate: Rate? = nil, concurrency: Int? = nil,
        isShared: Bool = false
    ) {
        self.name = name
        self.scope = scope
        self.rate = rate
        self.concurrency = concurrency
        self.isShared = isShared
    }
}

extension AccessRules {
    /// The limits that count a call of this subject, as places in ``limits``.
    package func limits(on target: AccessTarget, by subject: AccessSubject) -> [Int] {
        limits.indices.filter { index in
            let scope = limits[index].scope
            return scope.fits(subject.place) && scope.fits(target)
                && includes(subject.principal, in: scope.who)
        }
    }
}
