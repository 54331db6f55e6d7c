import Catalog
import MartletTestKit
import Mesh
import Testing

@Suite struct LeastRoundTripTests {
    @Test(arguments: UInt64(1)...10)
    func `acknowledgements that are kept back do not move what others are told`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var now = Instant.zero
        var least = LeastRoundTrip(.microseconds(300), at: now)
        var told = RoundTripClass(least.least)
        var changes = 0
        for _ in 0..<1_000 {
            now = now + .seconds(1)
            // Mostly late, and within thirty measurements once in time.
            let isLate = Int.random(in: 0..<4, using: &random) > 0
            let kept = isLate ? Duration.milliseconds(Int64.random(in: 1...40, using: &random)) : .zero
            least.add(.microseconds(300) + kept, at: now)
            let moved = told.moved(to: least.least)
            if moved != told { changes += 1 }
            told = moved
        }
        #expect(changes == 0)
    }

    @Test func `a way that became longer shows within a minute, a shorter one at once`() {
        var least = LeastRoundTrip(.milliseconds(1), at: .zero)
        for second in 1...25 { least.add(.milliseconds(1), at: .zero + .seconds(second)) }
        for second in 26...90 {
            least.add(.milliseconds(100), at: .zero + .seconds(second))
            if second < 30 { #expect(least.least == .milliseconds(1)) }
        }
        #expect(least.least == .milliseconds(100))
        least.add(.milliseconds(2), at: .zero + .seconds(91))
        #expect(least.least == .milliseconds(2))
    }

    @Test func `what was measured before a long silence does not count`() {
        var least = LeastRoundTrip(.milliseconds(1), at: .zero)
        least.add(.milliseconds(50), at: .zero + .seconds(600))
        #expect(least.least == .milliseconds(50))
    }
}
