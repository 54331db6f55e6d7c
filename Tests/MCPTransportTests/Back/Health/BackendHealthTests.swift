import Testing

@testable import MCPTransport

/// What counts against a server and what does not, and when it is probed: decided without a clock.
struct BackendHealthTests {
    private let start = ContinuousClock.now
    private let pauses = Duration.seconds(15) ... .seconds(30)
    private let patience = Duration.seconds(60)

    private func healthy(chance: Double = 0) -> BackendHealth {
        var health = BackendHealth(pauses: pauses, patience: patience)
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
        _ = health.probed(nil, at: start + .seconds(5), chance: 0)
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

    @Test func `three outages in a row degrade, which is told once, and an answer mends`() {
        var health = healthy()
        let mustTell = (1...5).map { _ in health.callFailed(Self.outage, at: start) }
        #expect(mustTell == [true, false, true, false, false], "a probe is due, and then it is up no longer")
        #expect(health.condition == .degraded("its last 5 calls failed: it answers HTTP 502"))
        let (isNews, isNewsAgain) = (health.answered(at: start), health.answered(at: start))
        #expect(isNews && !isNewsAgain && health.condition == .up)
    }

    @Test func `a probe is no excuse for calls that went on failing`() {
        var health = healthy()
        for _ in 1...3 { _ = health.callFailed(Self.outage, at: start) }
        _ = health.probed(nil, at: start + .seconds(1), chance: 0)
        #expect(health.condition != .up, "calls failed since the probe before")
        _ = health.probed(nil, at: start + .seconds(16), chance: 0)
        #expect(health.condition == .up, "none has failed since")
    }

    @Test func `one silent probe degrades, the third ends the link`() {
        var health = healthy()
        for second in 1...2 {
            #expect(
                health.probed(Self.silence, at: start + .seconds(second), chance: 0) == .stands
            )
            #expect(health.condition == .degraded(Self.silence.detail))
        }
        let third = health.probed(Self.silence, at: start + .seconds(3), chance: 0)
        #expect(third == .lost("3 probes in a row failed: \(Self.silence.detail)"))
    }

    /// Probes it at that second, in vain.
    private func silentProbe(_ health: inout BackendHealth, at second: Double) -> BackendHealth.Verdict {
        health.probed(Self.silence, at: start + .seconds(second), chance: 0)
    }

    @Test func `a server at work that answers no probe is let be, one that refuses them is not`() {
        var health = healthy()
        _ = health.heard(.began, at: start)
        for second in 1...9 { #expect(silentProbe(&health, at: Double(second)) == .stands) }
        #expect(health.condition == .up)
        for second in 10...19 {
            #expect(health.probed(Self.outage, at: start + .seconds(second), chance: 0) == .stands)
        }
        #expect(health.condition == .degraded(Self.outage.detail), "but no call is ended for it")
    }

    @Test func `calls that keep coming excuse nothing once nobody would wait for the first of them`() {
        var health = healthy()
        for second in 0..<60 {
            _ = health.heard(.began, at: start + .seconds(second))
            #expect(silentProbe(&health, at: Double(second) + 0.5) == .stands)
        }
        #expect(health.condition == .up, "the first began less than a minute ago")
        #expect(silentProbe(&health, at: 60) == .stands)
        #expect(health.condition == .degraded(Self.silence.detail))
        #expect(silentProbe(&health, at: 61) == .stands)
        #expect(silentProbe(&health, at: 62) != .stands, "though 60 calls run")
    }

    @Test func `calls one after the other that are all given up are one silence`() {
        var health = healthy()
        var verdicts: [BackendHealth.Verdict] = []
        for call in 0..<6 {
            _ = health.heard(.began, at: start + .seconds(call * 20))
            verdicts.append(silentProbe(&health, at: Double(call) * 20 + 10))
            _ = health.heard(.ended, at: start + .seconds(call * 20 + 20))
        }
        #expect(verdicts.dropLast() == Array(repeating: .stands, count: 5)[...])
        #expect(verdicts.last != .stands)
    }

    @Test(arguments: [HeardLink.Sign.stirred, .answered])
    func `progress or another answer begins the wait anew`(sign: HeardLink.Sign) {
        var health = healthy()
        _ = health.heard(.began, at: start)
        for minute in 1...10 {
            let second = Double(minute) * 59
            #expect(silentProbe(&health, at: second) == .stands)
            let isNews = health.heard(sign, at: start + .seconds(second))
            #expect(!isNews && health.condition == .up)
        }
        _ = silentProbe(&health, at: 660)
        #expect(health.condition != .up)
        let isNews = health.heard(sign, at: start + .seconds(661))
        #expect(isNews && health.condition == .up)
    }

    @Test func `three calls in a row whose time ran out degrade where a probe is not answered either`() {
        var health = healthy()
        _ = health.heard(.began, at: start)
        let late = BackendFault(.timedOut, "a slow tool")
        for _ in 1...3 { _ = health.callFailed(late, at: start + .seconds(5)) }
        #expect(health.condition == .up, "a probe will tell")
        _ = silentProbe(&health, at: 6)
        #expect(health.condition == .degraded("it answered neither its last 3 calls nor a probe"))
        _ = health.probed(nil, at: start + .seconds(7), chance: 0)
        #expect(health.condition == .up, "one slow tool is no outage")
    }

    @Test func `lists that cannot be read degrade and end nothing; a busy server's are no matter`() {
        var health = healthy()
        health.listed(BackendFault(.refused(status: 429), "429"), at: start, chance: 0)
        #expect(health.condition == .up)
        for _ in 1...5 { health.listed(BackendFault(.broken, "no JSON"), at: start, chance: 0) }
        #expect(health.condition == .degraded("its lists could not be read again: no JSON"))
        #expect(health.probed(nil, at: start + .seconds(1), chance: 0) == .stands)
        #expect(health.condition != .up, "a probe says nothing of lists")
        health.listed(nil, at: start + .seconds(2), chance: 0)
        #expect(health.condition == .up)
    }

    @Test func `a new link begins without the old one's failures, and remembers the last answer`() {
        var health = healthy()
        for _ in 1...3 { _ = health.probed(Self.outage, at: start, chance: 0) }
        health.began(at: start + .seconds(60), chance: 0)
        #expect(health.condition == .up && health.lastAnswer == start + .seconds(60))
        #expect(health.probeDue == start + .seconds(75))
    }
}
