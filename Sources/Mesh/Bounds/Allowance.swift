import Catalog

/// How much of something somebody may do: so much at once, and then so much a second.
///
/// Keeps one instant, the one at which it is whole again, and so needs no beat of its own.
struct Allowance: Hashable, Sendable {
    struct Terms: Hashable, Sendable {
        let perSecond: Int
        let burst: Int
    }

    let terms: Terms
    private var wholeAt = Instant.zero

    init(_ terms: Terms) { self.terms = terms }

    /// What is left now; negative after something that was larger than what was left.
    func left(at now: Instant) -> Int {
        guard wholeAt > now else { return terms.burst }
        let (seconds, rest) = (wholeAt.nanoseconds - now.nanoseconds)
            .quotientAndRemainder(dividingBy: Self.second)
        let ofRest = (rest * Int64(terms.perSecond) + Self.second - 1) / Self.second
        return terms.burst - Int(seconds) * terms.perSecond - Int(ofRest)
    }

    /// Takes it, though it be more than is left: who may begin may end.
    mutating func take(_ amount: Int, at now: Instant) {
        let nanoseconds = Int64(amount) * Self.second / Int64(terms.perSecond)
        wholeAt = max(wholeAt, now) + .nanoseconds(nanoseconds)
    }

    private static let second: Int64 = 1_000_000_000

    func isWhole(at now: Instant) -> Bool { wholeAt <= now }
}
