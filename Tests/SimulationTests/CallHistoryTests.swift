import Catalog
import MCPModel
import MartletTestKit
import Mesh
import Testing

/// A call runs at most once, whatever is killed when; every call ends as ok, failed or unknown.
struct CallHistoryTests {
    private static let callsPerSeed = 12

    private func history(
        _ seed: UInt64, calls: Int = callsPerSeed, _ change: (inout SimulatedCalls.Faults) -> Void
    ) -> SimulatedCalls {
        var faults = SimulatedCalls.Faults()
        change(&faults)
        let calls = SimulatedCalls(seed: seed, calls: calls, faults)
        calls.run()
        return calls
    }

    /// What must hold of every history.
    private func check(_ calls: SimulatedCalls, seed: UInt64, runsAtMostOnce: Bool = true) {
        for (index, fate) in calls.fates.enumerated() {
            let what = Comment(rawValue: "call \(index): \(fate); replay with seed \(seed)")
            guard let outcome = fate.outcome else {
                Issue.record("it never ended: \(what)")
                continue
            }
            let isRead = fate.method != Method.toolsCall
            if runsAtMostOnce, !isRead { #expect(fate.runs <= 1, what) }
            switch outcome {
            case .gone: #expect(fate.endings == 0, what)
            case .ok:
                #expect(fate.endings == 1, what)
                #expect(fate.runs >= 1, what)
            case .unknown: #expect(fate.endings == 1, what)
            case .failed:
                #expect(fate.endings == 1, what)
                if !isRead { #expect(fate.runs == 0, what) }
            }
        }
    }

    @Test func `where nothing breaks every call ends as it should`() {
        let calls = history(1, calls: 200) { _ in }
        check(calls, seed: 1)
        #expect(calls.asked == 0)
        for fate in calls.fates {
            #expect(fate.outcome == .ok || fate.outcome == .failed(.backendUnavailable), "\(fate)")
        }
    }

    @Test func `links that break, and nothing else, leave no outcome unknown`() {
        var (asked, fenced, attached) = (0, 0, 0)
        for seed in UInt64(1)...2000 {
            let calls = history(seed) { $0.cuts = 0.25 }
            check(calls, seed: seed)
            for fate in calls.fates {
                if case .unknown = fate.outcome {
                    Issue.record("an outcome is unknown: \(fate); replay with seed \(seed)")
                }
            }
            asked += calls.asked
            fenced += calls.fenced
            attached += calls.attached
        }
        // It was not the weather: every answer was given, and often.
        #expect(asked > 1000 && fenced > 100 && attached > 100, "\(asked) \(fenced) \(attached)")
    }

    @Test func `whatever is killed, starved, cut or cancelled, nothing runs twice`() {
        for seed in UInt64(1)...4000 {
            let calls = history(seed) {
                $0.cuts = 0.2
                $0.ownerKills = seed.isMultiple(of: 2) ? 0.1 : 0
                $0.entryKills = seed.isMultiple(of: 3) ? 0.05 : 0
                $0.pauses = seed.isMultiple(of: 5) ? 0.1 : 0
                $0.cancels = seed.isMultiple(of: 7) ? 0.2 : 0
            }
            check(calls, seed: seed)
        }
    }

    @Test func `a journal too small forgets, and still nothing runs twice`() {
        for seed in UInt64(1)...2000 {
            let calls = history(seed, calls: 40) {
                $0.cuts = 0.3
                $0.pauses = 0.1
                $0.limits.idsPerSource = Int(seed % 7) + 1
                $0.limits.resultBytes = 3
                $0.limits.keep = .seconds(6)
                $0.limits.orphanMax = .seconds(4)
            }
            check(calls, seed: seed)
        }
    }

    @Test func `what reads, or is called repeatable, ends well where others end as unknown`() {
        var repeated = 0
        for seed in UInt64(1)...1000 {
            let calls = history(seed) {
                $0.cuts = 0.1
                $0.ownerKills = 0.1
                $0.isRepeatable = true
            }
            check(calls, seed: seed, runsAtMostOnce: false)
            repeated += calls.fates.count { $0.runs > 1 }
            for fate in calls.fates { #expect(fate.runs <= CallCourse.sendsMax, "\(fate), seed \(seed)") }
        }
        #expect(repeated > 50)
    }

    @Test func `a peer of the first protocol version cannot be asked, and nothing runs twice`() {
        for seed in UInt64(1)...500 {
            let calls = history(seed) {
                $0.cuts = 0.3
                $0.speaksOldVersion = true
            }
            check(calls, seed: seed)
            #expect(calls.asked == 0)
        }
    }

    @Test func `the same seed gives the same history`() {
        func fates(_ seed: UInt64) -> [String] {
            history(seed) {
                $0.cuts = 0.2
                $0.ownerKills = 0.1
            }.fates.map { "\($0)" }
        }
        #expect(fates(7) == fates(7))
        #expect(fates(7) != fates(8))
    }
}
