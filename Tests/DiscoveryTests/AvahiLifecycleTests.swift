import Catalog
import MartletTestKit
import Testing

@testable import Discovery

struct AvahiLifecycleTests {
    private typealias Effect = AvahiLifecycle.Effect

    private static let announcement = announced(port: 7332)
    private var random = Steady()
    private var lifecycle = AvahiLifecycle(announcing: announcement)

    /// The same jitter always: the tests are about the waits around it.
    private struct Steady: RandomNumberGenerator {
        mutating func next() -> UInt64 { .max }
    }

    private static func announced(port: UInt16) -> Announcement? {
        Announcement(
            name: "plant-a", port: port, families: .ipv4,
            advertisement: Advertisement(versions: 1...1, mesh: nil, node: nil))
    }

    private mutating func handle(_ event: AvahiLifecycle.Event, at seconds: Double = 0) -> [Effect] {
        lifecycle.handle(event, at: Instant(nanoseconds: Int64(seconds * 1e9)), using: &random)
    }

    /// Fires the timer when it is due.
    private mutating func wake() throws -> [Effect] {
        lifecycle.handle(.timerFired, at: try #require(lifecycle.wakeAt), using: &random)
    }

    @Test mutating func `with the daemon there, it browses and announces once`() throws {
        let announcement = try #require(Self.announcement)
        #expect(lifecycle.state == .off)
        #expect(handle(.started) == [.openClient])
        #expect(lifecycle.state == .connecting)
        #expect(handle(.daemonRunning) == [.browse, .publish(announcement)])
        #expect(handle(.daemonRunning).isEmpty)
        #expect(lifecycle.publication == .pending)
        #expect(handle(.published(name: "plant-a")).isEmpty)
        #expect(lifecycle.state == .running)
        #expect(lifecycle.publication == .published(name: "plant-a"))
        #expect(lifecycle.wakeAt == nil)
    }

    @Test mutating func `with nothing to announce it only browses`() {
        lifecycle = AvahiLifecycle(announcing: nil)
        _ = handle(.started)
        #expect(handle(.daemonRunning) == [.browse])
        #expect(lifecycle.publication == .none)
    }

    @Test mutating func `D-Bus without a daemon is waited for without a timer`() {
        _ = handle(.started)
        #expect(handle(.daemonAbsent).isEmpty)
        #expect(lifecycle.state == .connecting)
        #expect(lifecycle.wakeAt == nil)
    }

    @Test mutating func `no D-Bus is tried again, each time later, up to a bound`() throws {
        #expect(handle(.started) == [.openClient])
        var waits: [Duration] = []
        var now = Instant.zero
        for _ in 0..<40 {
            #expect(lifecycle.handle(.openFailed(reason: "no bus"), at: now, using: &random).isEmpty)
            #expect(lifecycle.state == .unavailable(reason: "no bus"))
            let due = try #require(lifecycle.wakeAt)
            waits.append(due - now)
            now = due
            #expect(try wake() == [.openClient])
        }
        #expect(zip(waits, waits.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(waits.allSatisfy { $0 <= AvahiLifecycle.reopenDelays.upperBound })
        #expect(waits[0] <= AvahiLifecycle.reopenDelays.lowerBound)
        #expect(waits[39] >= AvahiLifecycle.reopenDelays.upperBound / 2)
    }

    @Test mutating func `a daemon that dies is left, and all is done anew when it is back`() throws {
        let announcement = try #require(Self.announcement)
        _ = handle(.started)
        _ = handle(.daemonRunning)
        #expect(handle(.clientFailed(reason: "gone"), at: 1) == [.closeClient])
        #expect(handle(.clientFailed(reason: "gone"), at: 1).isEmpty, "said twice, done once")
        #expect(lifecycle.state == .unavailable(reason: "gone"))
        #expect(lifecycle.publication == .pending)
        #expect(handle(.timerFired, at: 1).isEmpty, "not before its time")
        #expect(try wake() == [.openClient])
        #expect(handle(.daemonAbsent, at: 3).isEmpty)
        #expect(handle(.daemonRunning, at: 9) == [.browse, .publish(announcement)])
    }

    @Test mutating func `a daemon that changes its host name gets the announcement again afterwards`() throws
    {
        let announcement = try #require(Self.announcement)
        _ = handle(.started)
        _ = handle(.daemonRunning)
        _ = handle(.published(name: "plant-a"))
        #expect(handle(.daemonRegistering) == [.withdraw])
        #expect(handle(.published(name: "plant-a")).isEmpty)
        #expect(lifecycle.publication == .pending, "an answer that came too late is none")
        #expect(handle(.daemonRunning) == [.publish(announcement)])
    }

    @Test mutating func `a taken name makes way for the next, but not for ever`() throws {
        let announcement = try #require(Self.announcement)
        _ = handle(.started)
        _ = handle(.daemonRunning)
        for _ in 1..<AvahiLifecycle.namesMax {
            #expect(
                handle(.nameTaken(wish: "plant-a")) == [.publishUnderNextName(announcement, of: "plant-a")])
        }
        #expect(handle(.nameTaken(wish: "plant-a")) == [.withdraw])
        guard case .refused(let reason) = lifecycle.publication else {
            Issue.record("\(lifecycle.publication)")
            return
        }
        #expect(reason.contains("node.name"))
        #expect(try wake() == [.publish(announcement)])
    }

    @Test mutating func `a name that is taken is news of that service alone`() throws {
        let services = ["ops", "lab"].map { Announcement.Service(name: $0, port: 1, text: []) }
        let both = Announcement(families: .ipv4, services: services)
        lifecycle = AvahiLifecycle(announcing: both)
        _ = handle(.started)
        _ = handle(.daemonRunning)
        for _ in 1..<AvahiLifecycle.namesMax {
            #expect(handle(.nameTaken(wish: "ops")) == [.publishUnderNextName(both, of: "ops")])
        }
        #expect(handle(.nameTaken(wish: "lab")) == [.publishUnderNextName(both, of: "lab")], "counted apart")
        #expect(handle(.nameTaken(wish: "gone")).isEmpty, "announced no more")
        #expect(handle(.published(name: "ops #16, lab #2")).isEmpty)
        #expect(handle(.nameTaken(wish: "ops")) == [.publishUnderNextName(both, of: "ops")], "counted anew")
    }

    @Test mutating func `a refused announcement is tried again while browsing goes on`() throws {
        let announcement = try #require(Self.announcement)
        _ = handle(.started)
        _ = handle(.daemonRunning)
        #expect(handle(.publishFailed(reason: "not permitted"), at: 1) == [.withdraw])
        #expect(lifecycle.state == .running)
        #expect(lifecycle.publication == .refused(reason: "not permitted"))
        #expect(handle(.timerFired, at: 2).isEmpty)
        #expect(try wake() == [.publish(announcement)])
        #expect(lifecycle.wakeAt == nil)
    }

    @Test mutating func `a new wish replaces the old one, now or when there is somebody to tell`() throws {
        let other = try #require(Self.announced(port: 9))
        #expect(handle(.announce(other)).isEmpty)
        _ = handle(.started)
        #expect(handle(.daemonRunning) == [.browse, .publish(other)])
        #expect(handle(.announce(other)).isEmpty)
        #expect(handle(.announce(Self.announcement)) == [.publish(try #require(Self.announcement))])
        #expect(handle(.announce(nil)) == [.withdraw])
        #expect(lifecycle.publication == .none)
        #expect(handle(.nameTaken(wish: "plant-a")).isEmpty)
        #expect(handle(.publishFailed(reason: "late")).isEmpty)
    }

    @Test mutating func `stopping closes what is open and leaves no timer`() {
        #expect(handle(.stopped).isEmpty)
        _ = handle(.started)
        _ = handle(.daemonRunning)
        #expect(handle(.stopped) == [.closeClient])
        #expect(lifecycle.state == .off)
        _ = handle(.started)
        _ = handle(.openFailed(reason: "no bus"))
        #expect(handle(.stopped).isEmpty)
        #expect(lifecycle.wakeAt == nil)
    }
}
