package import Catalog

/// One line of `access.limits`: how often, and how many at once.
package struct AccessLimit: Hashable, Sendable {
    package typealias Rate = CallRate

    package static let concurrencyRange = CallAllowance.concurrencyRange

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
