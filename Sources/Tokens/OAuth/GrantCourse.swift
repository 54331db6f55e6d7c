/// The token for one backend over time: when it is used, when another is asked for, and when nothing is asked any more. A state machine
/// for any number of callers; of whom at most one is told to fetch.
package struct GrantCourse: Sendable {
    /// Of a clock that does not jump.
    package typealias Milliseconds = Int64

    /// A new token is asked for so long before the old one ends, or in the last quarter of its life if that is shorter.
    package static let renewalMax: Milliseconds = 60_000
    /// A token is not used in its last moments, or the last tenth of its life: a request takes time to arrive.
    package static let marginMax: Milliseconds = 5_000
    /// How long a token is used whose server does not say how long it is good.
    package static let lifeDefault: Milliseconds = 300_000
    /// The longest that one is used, whatever its server says: a client that is taken its rights away keeps them no longer.
    package static let lifeMax: Milliseconds = 24 * 3_600_000
    /// Between two tokens that are asked for because the backend refused one: a backend that refuses all must not make us ask for ever.
    package static let refusedPause: Milliseconds = 30_000
    /// After what may pass by itself: doubles from the first to the last.
    package static let failurePauses: ClosedRange<Milliseconds> = 2_000...60_000
    /// After a refusal: a wrong secret shown again and again may have the client locked out.
    package static let refusalPause: Milliseconds = 300_000

    package struct Held: Hashable, Sendable {
        package let token: AccessToken
        /// 1, 2, 3, …
        package let number: UInt64
        let since: Milliseconds
        let renewAt: Milliseconds
        let endsAt: Milliseconds
        /// Whether its predecessor was refused.
        let isForced: Bool
    }

    package enum Step: Hashable, Sendable {
        case use(Held)
        /// Good enough; somebody should fetch meanwhile.
        case useAndFetch(Held)
        /// Somebody should fetch, and whoever asked waits for that.
        case fetch
        /// A fetch is under way: wait for it.
        case wait
        case refuse(GrantTrouble)
    }

    private var held: Held?
    private var lastNumber: UInt64 = 0
    /// When the fetch that is under way began.
    private var fetchingSince: Milliseconds?
    private var isForced = false
    private var failures = 0
    private var restsUntil: Milliseconds = .min
    private var trouble: GrantTrouble?

    package init() {}

    /// - Parameter number: of the token that the backend has just refused; `nil`: it refused none.
    package mutating func next(refusing number: UInt64? = nil, at now: Milliseconds) -> Step {
        if let number, let current = held, current.number == number {
            if current.isForced, now - current.since < Self.refusedPause {
                return .refuse(.freshTokenRefused)
            }
            held = nil
            isForced = true
        }
        if let current = held, now < current.endsAt {
            guard now >= current.renewAt, now >= restsUntil, fetchingSince == nil else {
                return .use(current)
            }
            fetchingSince = now
            return .useAndFetch(current)
        }
        if fetchingSince != nil { return .wait }
        if now < restsUntil, let trouble { return .refuse(trouble) }
        fetchingSince = now
        return .fetch
    }

    /// - Returns: what is held now, for those who waited.
    @discardableResult
    package mutating func granted(_ token: AccessToken, at now: Milliseconds) -> Held {
        // From when it was asked for, since nobody knows when it was made.
        let since = fetchingSince ?? now
        let life = min(token.life.map { $0.multipliedClamped(by: 1_000) } ?? Self.lifeDefault, Self.lifeMax)
        lastNumber += 1
        let fresh = Held(
            token: token, number: lastNumber, since: since,
            renewAt: since + life - min(Self.renewalMax, life / 4),
            endsAt: since + life - min(Self.marginMax, life / 10), isForced: isForced)
        held = fresh
        (fetchingSince, isForced, failures, restsUntil, trouble) = (nil, false, 0, .min, nil)
        return fresh
    }

    /// The token that there is, if any, stays for as long as it is good.
    package mutating func failed(_ trouble: GrantTrouble, at now: Milliseconds) {
        fetchingSince = nil
        self.trouble = trouble
        switch trouble.kind {
        // Where nobody outside was asked, nobody is asked too often.
        case .sealed, .refused: restsUntil = trouble.isOfThisNode ? now : now + Self.refusalPause
        case .unavailable:
            let pause = Self.failurePauses.lowerBound << Int64(min(failures, 10))
            restsUntil = now + min(pause, Self.failurePauses.upperBound)
        }
        failures += 1
    }

    /// A person changed something: what was said before counts no more, nor what a fetch under way will bring.
    package mutating func forget() {
        held = nil
        credentialRotated()
    }

    /// The credential has a new value, and the former one is good for a while. The token that there is stays; what was said of the
    /// former value counts no more, nor what a fetch under way will bring.
    package mutating func credentialRotated() {
        fetchingSince = nil
        (isForced, failures, restsUntil, trouble) = (false, 0, .min, nil)
    }
}

extension Int64 {
    fileprivate func multipliedClamped(by other: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}
