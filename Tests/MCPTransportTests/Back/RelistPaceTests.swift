import MartletTestKit
import Testing

@testable import MCPTransport

@Suite struct RelistPaceTests {
    private let start = ContinuousClock.now

    @Test func `a few changes one after the other are each listed at once, then the pace holds`() {
        var pace = RelistPace(every: .seconds(1), at: start)
        #expect((0..<3).map { _ in pace.take(at: start) } == [.zero, .zero, .zero])
        #expect(pace.take(at: start) == .seconds(1))
        // What was taken ahead is paid back, then it is as at first.
        let later = start + .seconds(10)
        #expect((0..<4).map { _ in pace.take(at: later) } == [.zero, .zero, .zero, .seconds(1)])
    }

    @Test(arguments: UInt64(1)...20)
    func `whoever claims changes all the time is listed a burst and once a second`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var pace = RelistPace(every: .seconds(1), at: start)
        var now = start
        var begins: [ContinuousClock.Instant] = []
        while now < start + .seconds(60) {
            now += .milliseconds(Int.random(in: 0...300, using: &random))
            now += pace.take(at: now)
            begins.append(now)
        }
        for (index, begin) in begins.enumerated() {
            let within = begins[index...].prefix { $0 < begin + .seconds(10) }
            #expect(within.count <= RelistPace.burst + 10)
        }
    }
}
