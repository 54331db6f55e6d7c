/// When an issuer's keys are asked for, and how long what it said is good: a state machine, for any number of waiting callers.
///
/// Keys are used while they are fresh; while they are stale they are still used, and asked for meanwhile; they are thrown away when nobody
/// could say for ``keptMax`` whether they still hold. A token that names an unknown key has the keys asked for at once, for an issuer
/// that changes its keys tells nobody; but not more often than ``unknownKeyPause``, for anybody can invent a key's name.
package struct KeySetCache: Sendable {
    /// All times are seconds of a clock that does not jump.
    package typealias Seconds = Int64

    /// How long keys are fresh: an issuer that withdraws one is obeyed within this time.
    package static let freshFor: Seconds = 15 * 60
    /// How long keys are used that could not be asked for again. Long enough for an issuer's bad day, short enough that a key that was
    /// stolen and withdrawn does not open doors for ever.
    package static let keptMax: Seconds = 24 * 60 * 60
    /// Between two questions that unknown keys cause.
    package static let unknownKeyPause: Seconds = 30
    /// Between two questions after a failure: doubles from the first to the last.
    package static let failurePauses: ClosedRange<Seconds> = 2...300

    package enum Step: Sendable {
        case use(WebKeySet)
        /// Good enough to decide with; somebody should fetch meanwhile.
        case useAndFetch(WebKeySet)
        /// Somebody should fetch, and whoever asked waits for that.
        case fetch
        /// A fetch is under way: wait for it.
        case wait
        /// There are no keys, and it is too early to ask again.
        case noKeys
    }

    private var keys: WebKeySet?
    private var fetchedAt: Seconds = 0
    private var isFetching = false
    private var failures = 0
    /// Before this time nothing is asked for.
    private var restsUntil: Seconds = .min
    /// When the keys were last asked for with an answer, or an unknown key had them asked for.
    private var askedAt: Seconds?

    package init() {}

    package var hasKeys: Bool { keys != nil }
    package var failuresInARow: Int { failures }

    /// What to do for a token. Whoever gets ``Step/fetch`` or ``Step/useAndFetch(_:)`` fetches, and says how it went.
    package mutating func next(for token: CompactSignature, at now: Seconds) -> Step {
        if now - fetchedAt >= Self.keptMax { keys = nil }
        guard let keys else { return ask(at: now) }
        guard !keys.candidates(for: token).isEmpty else {
            if isFetching { return .wait }
            let isTooEarly = askedAt.map { now - $0 < Self.unknownKeyPause } ?? false
            guard !isTooEarly, now >= restsUntil else { return .use(keys) }
            askedAt = now
            isFetching = true
            return .fetch
        }
        guard now - fetchedAt >= Self.freshFor, !isFetching, now >= restsUntil else { return .use(keys) }
        isFetching = true
        return .useAndFetch(keys)
    }

    /// At the start, so that a wrong address is seen before the first caller comes.
    package mutating func shouldFetchAtStart() -> Bool {
        guard keys == nil, !isFetching else { return false }
        isFetching = true
        return true
    }

    package mutating func fetched(_ keys: WebKeySet, at now: Seconds) {
        self.keys = keys
        fetchedAt = now
        askedAt = now
        isFetching = false
        failures = 0
        restsUntil = .min
    }

    /// The keys that are there stay.
    package mutating func failed(at now: Seconds) {
        isFetching = false
        let pause = Self.failurePauses.lowerBound << Int64(min(failures, 10))
        restsUntil = now + min(pause, Self.failurePauses.upperBound)
        failures += 1
    }

    private mutating func ask(at now: Seconds) -> Step {
        if isFetching { return .wait }
        guard now >= restsUntil else { return .noKeys }
        isFetching = true
        return .fetch
    }
}
