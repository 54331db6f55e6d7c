/// How a backend fares while its link stands, told by what calls and probes bring; and when it is to be probed.
///
/// Calls speak first: while they are answered nobody probes. Time and chance are parameters.
struct BackendHealth: Hashable, Sendable {
    typealias Moment = ContinuousClock.Instant

    enum Condition: Hashable, Sendable {
        case up
        /// It is there, and not all of it works; why, as part of a sentence.
        case degraded(String)

        var isUp: Bool { self == .up }
    }

    enum Verdict: Hashable, Sendable {
        /// The link goes on.
        case stands
        /// Nothing comes over this link any more; why. It is closed and opened anew.
        case lost(String)
    }

    /// Calls that fail in a row, whoever made them, before others are told: fewer may be the arguments' fault.
    static let callFailuresMax = 3
    /// Probes that fail in a row before the link is given up: one may be lost, two may meet a busy moment.
    static let probeFailuresMax = 3
    /// The shortest time between two probes, however many calls ask for one.
    static let probeAgainMin = Duration.seconds(1)

    private let pauses: ClosedRange<Duration>
    /// How long it may be silent over a call before its silence counts: for as long its callers wait.
    private let patience: Duration
    /// When it last answered anything, whatever it answered.
    private(set) var lastAnswer: Moment?
    private var lastProbe: Moment?
    /// From the last word of it to the next probe.
    private var pause: Duration
    private var isDoubted = false
    private var failedCalls = 0
    private var callFailure = ""
    /// Whether a call has failed since the last probe.
    private var hasFreshFailure = false
    private var failedProbes = 0
    private var probeFailure = ""
    private var listFailure: String?
    /// Calls under way there.
    private var running = 0
    /// Since when it has owed a word on a call: from the first that began after the last sign of life, or from that sign
    /// on. Calls that come one after the other and are all given up are one silence.
    private var silentSince: Moment?
    /// Calls in a row whose time ran out, without any other answer.
    private var silentCalls = 0
    /// Probes since the last sign that were not answered in time and did not count, for the sake of a call.
    private var excusedProbes = 0

    /// - Parameters:
    ///   - pauses: the time without a word after which it is probed.
    ///   - patience: how long it may be silent over a call, and not answer probes for it.
    init(pauses: ClosedRange<Duration>, patience: Duration) {
        self.pauses = pauses
        self.patience = patience
        pause = pauses.lowerBound
    }

    var condition: Condition {
        if failedProbes > 0 { return .degraded(probeFailure) }
        if silentCalls >= Self.callFailuresMax, excusedProbes > 0 {
            return .degraded("it answered neither its last \(silentCalls) calls nor a probe")
        }
        if failedCalls >= Self.callFailuresMax {
            return .degraded("its last \(failedCalls) calls failed: \(callFailure)")
        }
        return listFailure.map { .degraded($0) } ?? .up
    }

    /// A new link that has listed what it offers.
    ///
    /// - Parameter chance: 0 to 1.
    mutating func began(at now: Moment, chance: Double) {
        let (last, calls) = (lastAnswer, running)
        self = BackendHealth(pauses: pauses, patience: patience)
        // Calls at sessions beside the first link go on.
        (lastAnswer, running) = (last, calls)
        answered(at: now)
        probed(at: now, chance)
    }

    // MARK: Calls

    /// What is heard of a call where it runs.
    ///
    /// - Returns: whether the condition is another now.
    mutating func heard(_ sign: HeardLink.Sign, at now: Moment) -> Bool {
        switch sign {
        case .began:
            running += 1
            silentSince = silentSince ?? now
        case .ended: running = max(0, running - 1)
        case .answered: return answered(at: now)
        case .stirred:
            let before = condition
            alive(at: now)
            failedProbes = 0
            return condition != before
        }
        return false
    }

    private mutating func alive(at now: Moment) {
        silentSince = running > 0 ? now : nil
        (silentCalls, excusedProbes) = (0, 0)
    }

    /// Whether it may be busy with a call: a server that does one thing after the other answers probes late.
    private func isAtWork(at now: Moment) -> Bool {
        guard running > 0, let silentSince else { return false }
        return silentSince.duration(to: now) < patience
    }

    /// A call was answered, if only with an error.
    ///
    /// - Returns: whether the condition is another now.
    @discardableResult
    mutating func answered(at now: Moment) -> Bool {
        lastAnswer = now
        let before = condition
        alive(at: now)
        guard failedCalls > 0 || failedProbes > 0 || isDoubted else { return condition != before }
        (failedCalls, failedProbes, hasFreshFailure, isDoubted) = (0, 0, false, false)
        return condition != before
    }

    /// A call brought no answer.
    ///
    /// - Returns: whether somebody should look: it is up no longer, or a probe is due that was not before. What else is said of it is
    ///   told with that probe, so that a storm of refusals is no storm of news.
    mutating func callFailed(_ fault: BackendFault, at now: Moment) -> Bool {
        let (wasUp, wasDoubted) = (condition.isUp, isDoubted)
        switch fault.bearing {
        case .answers: return answered(at: now)
        case .silence: break
        case .asksFor:
            isDoubted = true
            if fault.kind == .timedOut { silentCalls = min(silentCalls + 1, 1_000) }
        case .failure:
            failedCalls = min(failedCalls + 1, 1_000)
            callFailure = fault.detail
            (hasFreshFailure, isDoubted) = (true, true)
        }
        return condition.isUp != wasUp || isDoubted && !wasDoubted
    }

    // MARK: Probes

    /// When it is to be probed, if nothing is heard until then.
    var probeDue: Moment? {
        guard let lastProbe else { return nil }
        if isDoubted { return lastProbe + Self.probeAgainMin }
        return max(lastProbe, lastAnswer ?? lastProbe) + pause
    }

    /// What a probe brought.
    ///
    /// - Parameters:
    ///   - fault: `nil`: an answer.
    ///   - chance: 0 to 1.
    /// - Returns: what becomes of the link. What runs is not ended while its server may be busy with it.
    mutating func probed(_ fault: BackendFault?, at now: Moment, chance: Double) -> Verdict {
        let hadFreshFailure = hasFreshFailure
        probed(at: now, chance)
        guard let fault, fault.bearing != .answers else {
            lastAnswer = now
            alive(at: now)
            failedProbes = 0
            // Probes may be answered while every call fails.
            if !hadFreshFailure { failedCalls = 0 }
            return .stands
        }
        guard fault.bearing != .silence else { return .stands }
        let isAtWork = isAtWork(at: now)
        guard !isAtWork || fault.kind != .timedOut else {
            excusedProbes += 1
            return .stands
        }
        failedProbes += 1
        probeFailure = fault.detail
        guard failedProbes >= Self.probeFailuresMax, !isAtWork else { return .stands }
        return .lost("\(failedProbes) probes in a row failed: \(fault.detail)")
    }

    /// What a listing brought: an answer is as good as a probe's; otherwise calls go on, what was listed stands, and a probe
    /// tells whether it is the lists alone.
    mutating func listed(_ fault: BackendFault?, at now: Moment, chance: Double) {
        guard let fault else {
            listFailure = nil
            _ = probed(nil, at: now, chance: chance)
            return
        }
        guard fault.bearing != .answers else { return lastAnswer = now }
        listFailure = "its lists could not be read again: \(fault.detail)"
        isDoubted = true
    }

    private mutating func probed(at now: Moment, _ chance: Double) {
        lastProbe = now
        pause = pauses.lowerBound + (pauses.upperBound - pauses.lowerBound) * min(max(chance, 0), 1)
        (hasFreshFailure, isDoubted) = (false, false)
    }
}

extension BackendFault {
    /// What a fault says of the server's health.
    enum Bearing: Hashable, Sendable {
        /// It is there, and answers.
        case answers
        /// It works badly or not at all.
        case failure
        /// Perhaps; a probe will tell.
        case asksFor
        /// Nothing: the fault is on this side.
        case silence
    }

    var bearing: Bearing {
        switch kind {
        // Busy, or without a method that is optional: answers all the same.
        case .refused(400), .refused(405), .refused(429), .refused(501), .sessionGone: .answers
        case .refused, .broken: .failure
        // It may be over its limit with this answer alone, this credential may be one person's, this tool may be slow.
        case .tooLarge, .authNeeded, .timedOut: .asksFor
        // The supervisor hears of a broken way from the link itself, and of a suspicion from the call.
        case .notReached, .lost: .asksFor
        case .sealed, .cancelled: .silence
        }
    }
}
