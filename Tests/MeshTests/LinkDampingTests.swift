import Catalog
import Mesh
import Testing

struct LinkDampingTests {
    private let peer = NodeID(high: 1, low: 1)
    private func at(_ seconds: Double) -> Instant { .zero + .seconds(seconds) }

    /// Breaks and makes the link so often, every `every` seconds from `start` on.
    private func flap(
        _ damping: inout LinkDamping, _ times: Int, every: Double, from start: Double = 0, life: UInt64 = 1
    ) -> Double {
        var now = start
        for _ in 0..<times {
            damping.down(peer, life: life, at: at(now))
            damping.up(peer, life: life, at: at(now + 0.5))
            now += every
        }
        return now - every + 0.5
    }

    @Test func `the first two ups are told at once, that after the third down waits five seconds`() {
        var damping = LinkDamping()
        damping.up(peer, life: 1, at: at(0))
        #expect(damping.held(at: at(0)).isEmpty)
        let second = flap(&damping, 2, every: 10, from: 10)
        #expect(damping.held(at: at(second)).isEmpty)
        let third = flap(&damping, 1, every: 10, from: 30)
        #expect(damping.held(at: at(third)) == [peer])
        #expect(damping.held(at: at(third + 4.9)) == [peer])
        #expect(!damping.released(at: at(third + 4.9)))
        #expect(damping.held(at: at(third + 5)).isEmpty)
        #expect(damping.released(at: at(third + 5)))
        _ = damping.release(at: at(third + 5))
        #expect(!damping.released(at: at(third + 6)))
    }

    @Test func `three downs in more than a minute are no flapping`() {
        var damping = LinkDamping()
        let end = flap(&damping, 6, every: 31)
        #expect(damping.held(at: at(end)).isEmpty)
    }

    @Test(arguments: [(3, 5.0), (4, 10), (5, 20), (6, 40), (7, 60), (12, 60)])
    func `the wait doubles up to a minute`(downs: Int, wait: Double) {
        var damping = LinkDamping()
        let end = flap(&damping, downs, every: 2)
        #expect(damping.held(at: at(end + wait - 0.1)) == [peer])
        #expect(damping.held(at: at(end + wait)).isEmpty)
    }

    @Test func `five quiet minutes forgive`() {
        var damping = LinkDamping()
        _ = flap(&damping, 6, every: 2)
        var later = damping
        let soon = flap(&later, 1, every: 1, from: 300)
        #expect(later.held(at: at(soon)) == [peer])
        let late = flap(&damping, 1, every: 1, from: 311)
        #expect(damping.held(at: at(late)).isEmpty)
    }

    @Test func `a peer that started again is told at once, three times in five minutes`() {
        var damping = LinkDamping()
        _ = flap(&damping, 4, every: 2)
        for (index, life) in (UInt64(2)...5).enumerated() {
            let now = 10 + Double(index) * 5
            damping.down(peer, life: life - 1, at: at(now))
            damping.up(peer, life: life, at: at(now + 1))
            #expect(damping.held(at: at(now + 1)).isEmpty == (index < 3), "restart \(index + 1)")
        }
    }

    @Test func `a link that goes while it is held back is no longer held`() {
        var damping = LinkDamping()
        let end = flap(&damping, 3, every: 2)
        #expect(damping.held(at: at(end)) == [peer])
        damping.down(peer, life: 1, at: at(end + 1))
        #expect(damping.held(at: at(end + 1)).isEmpty)
        #expect(!damping.released(at: at(end + 60)))
    }
}

extension LinkDamping {
    /// Not within an expectation, which calls nothing that mutates.
    fileprivate func released(at now: Instant) -> Bool {
        var copy = self
        return copy.release(at: now)
    }
}
