import Testing

@testable import MCPTransport

/// What counts against a server and what does not, and when it is probed: decided without a clock.
struct BackendHealthTests {
    private let start = ContinuousClock.now
    private let pauses = Duration.seconds(15) ... .seconds(30)

    private func healthy(chance: Double = 0) -> BackendHealth {
        var health = BackendHealth(pauses: pauses)
        health.began(at: start, chance: chance)
        return health
    }

    private static let outage = BackendFault(.refused(status: 502), "it answers HTTP 502")
    private static let silence = BackendFault(.timedOut, "no answer to ping within 10 seconds")

    // MARK: When

    @Test(arguments: [(0.0, 15), (0.5, 22.5), (1.0, 30), (7.0, 30)])
    func `a silent server is probed after 15 to 30 seconds`(chance: Double, seconds: Double) {
        #expect(healthy(chance: chance).probeDue == start + .seconds(seconds))
    }

    @Test func `calls that are answered put the probe off`() {
        var health = healthy()
        health.answered(at: start + .seconds(14))
        #expect(health.probeDue == start + .seconds(29))
        #expect(health.lastAnswer == start + .seconds(14))
    }

    @Test func `a call that fails asks for a probe at once, and a hundred ask for one a second`() {
        var health = healthy()
        for _ in 0..<100 { _ = health.callFailed(Self.outage, at: start + .seconds(5)) }
        #expect(health.probeDue == start + BackendHealth.probeAgainMin)
        _ = health.probed(nil, at: start + .seconds(5), chance: 0, isBusy: false)
        _ = health.callFailed(Self.outage, at: start + .seconds(5.1))
        #expect(health.probeDue == start + .seconds(6))
    }

    // MARK: What counts

    @Test(
        arguments: [
            BackendFault(.refused(status: 429), "429"), BackendFault(.refused(status: 405), "405"),
            BackendFault(.authNeeded, "403, for this person"), BackendFault(.timedOut, "a slow tool"),
            BackendFault(.tooLarge, "this answer"), BackendFault(.cancelled, "by the caller"),
            BackendFault(.sealed, "our own vault"), BackendFault(.sessionGone, "one session"),
        ])
    func `what is no outage does not count as one, however often calls bring it`(fault: BackendFault) {
        var health = healthy()
        for second in 1...50 { _ = health.callFailed(fault, at: start + .seconds(second)) }
        #expect(health.condition == .up)
    }

    @Test func `three outages in a row degrade, an answer mends`() {
        var health = healthy()
        for _ in 1...3 {
            let mustTell = health.callFailed(Self.outage, at: start)
            #expect(mustTell)
        }
        #expect(health.condition == .degraded("its last 3 calls failed: it answers HTTP 502"))
        let (isNews, isNewsAgain) = (health.answered(at: start), health.answered(at: start))
        #expect(isNews && !isNewsAgain && health.condition == .up)
    }

    @Test func `a probe is no excuse for calls that went on failing`() {
        var health = healthy()
        for _ in 1...3 { _ = health.callFailed(Self.outage, at: start) }
        _ = health.probed(nil, at: start + .seconds(1), chance: 0, isBusy: false)
        #expect(health.condition != .up, "calls failed since the probe before")
        _ = health.probed(nil, at: start + .seconds(16), chance: 0, isBusy: false)
        #expect(health.condition == .up, "none has failed since")
    }

    @Test func `one silent probe degrades, the third ends the link`() {
        var health = healthy()
        for second in 1...2 {
            #expect(
                health.probed(Self.silence, at: start + .seconds(second), chance: 0, isBusy: false) == .stands
            )
            #expect(health.condition == .degraded(Self.silence.detail))
        }
        let third = health.probed(Self.silence, at: start + .seconds(3), chance: 0, isBusy: false)
        #expect(third == .lost("3 probes in a row failed: \(Self.silence.detail)"))
    }

    @Test func `a server at work that answers no probe is let be, one that refuses them is not`() {
        var health = healthy()
        for second in 1...9 {
            #expect(
                health.probed(Self.silence, at: start + .seconds(second), chance: 0, isBusy: true) == .stands)
        }
        #expect(health.condition == .up)
        for second in 10...19 {
            #expect(
                health.probed(Self.outage, at: start + .seconds(second), chance: 0, isBusy: true) == .stands)
        }
        #expect(health.condition == .degraded(Self.outage.detail), "but no call is ended for it")
    }

    @Test func `lists that cannot be read degrade and end nothing; a busy server's are no matter`() {
        var health = healthy()
        health.listed(BackendFault(.refused(status: 429), "429"), at: start, chance: 0)
        #expect(health.condition == .up)
        for _ in 1...5 { health.listed(BackendFault(.broken, "no JSON"), at: start, chance: 0) }
        #expect(health.condition == .degraded("its lists could not be read again: no JSON"))
        #expect(health.probed(nil, at: start + .seconds(1), chance: 0, isBusy: false) == .stands)
        #expect(health.condition != .up, "a probe says nothing of lists")
        health.listed(nil, at: start + .seconds(2), chance: 0)
        #expect(health.condition == .up)
    }

    @Test func `a new link begins without the old one's failures, and remembers the last answer`() {
        var health = healthy()
        for _ in 1...3 { _ = health.probed(Self.outage, at: start, chance: 0, isBusy: false) }
        health.began(at: start + .seconds(60), chance: 0)
        #expect(health.condition == .up && health.lastAnswer == start + .seconds(60))
        #expect(health.probeDue == start + .seconds(75))
    }
}
