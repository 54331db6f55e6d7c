import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import MCPTransport

/// Where calls run whose callers can be asked, at a backend whose questions name no call.
struct InstanceQueueTests {
    private static let start = ContinuousClock.now
    private static let limits = InstanceQueue.Limits(
        usual: 1, most: 3, waitingMax: 4, trial: .milliseconds(250), patience: .seconds(1),
        idleMax: .seconds(60))

    private static func asking(_ limits: InstanceQueue.Limits = limits) -> InstanceQueue {
        var queue = InstanceQueue(limits)
        _ = queue.asked(at: start)
        return queue
    }

    @Test func `calls of entries that did not ask run side by side, the first of each alone for a moment`() {
        var queue = InstanceQueue(Self.limits)
        #expect(
            queue.arrived(1, "a", at: Self.start)
                == [.start(call: 1, instance: 0), .wake(.trial(call: 1), in: .milliseconds(250))])
        #expect(queue.arrived(2, "b", at: Self.start).isEmpty)
        #expect(queue.arrived(3, "a", at: Self.start).isEmpty)
        // It is late, and has not asked.
        #expect(
            queue.woke(.trial(call: 1), at: Self.start)
                == [
                    .start(call: 2, instance: 0), .wake(.trial(call: 2), in: .milliseconds(250)),
                    .start(call: 3, instance: 0),
                ])
        #expect(queue.arrived(4, "a", at: Self.start) == [.start(call: 4, instance: 0)])
        #expect(queue.ended(2, at: Self.start).isEmpty)
        #expect(queue.arrived(5, "b", at: Self.start) == [.start(call: 5, instance: 0)])
    }

    @Test func `from the first question on one call runs at a time, in the order in which they came`() {
        var queue = Self.asking()
        #expect(queue.arrived(1, "a", at: Self.start) == [.start(call: 1, instance: 0)])
        #expect(queue.arrived(2, "a", at: Self.start).isEmpty)
        #expect(queue.arrived(3, "b", at: Self.start).isEmpty)
        #expect(queue.left(2, at: Self.start).isEmpty)
        #expect(queue.ended(1, at: Self.start) == [.start(call: 3, instance: 0)])
        for call in 4..<8 { #expect(queue.arrived(call, "a", at: Self.start).isEmpty) }
        #expect(queue.arrived(8, "a", at: Self.start) == [.refuse(call: 8, .crowded)])
    }

    @Test func `further instances are opened while people think, up to the bound; then calls are refused`() {
        var queue = Self.asking()
        let now = Self.start
        _ = queue.arrived(1, "a", at: now)
        #expect(queue.suspended(1) == [.wake(.suspended(call: 1, round: 1), in: .seconds(1))])
        // A program answers soon.
        #expect(queue.arrived(2, "a", at: now).isEmpty)
        #expect(queue.woke(.suspended(call: 1, round: 1), at: now) == [.open(instance: 1)])
        #expect(queue.opened(1, at: now) == [.start(call: 2, instance: 1)])
        _ = queue.suspended(2)
        #expect(queue.woke(.suspended(call: 2, round: 1), at: now).isEmpty)
        #expect(queue.arrived(3, "a", at: now) == [.open(instance: 2)])
        #expect(queue.opened(2, at: now) == [.start(call: 3, instance: 2)])
        #expect(queue.arrived(4, "a", at: now).isEmpty)
        _ = queue.suspended(3)
        #expect(
            queue.woke(.suspended(call: 3, round: 1), at: now) == [.refuse(call: 4, .suspended)])
        #expect(queue.arrived(5, "a", at: now) == [.refuse(call: 5, .suspended)])
        // Resumed, it works; so there is something to wait for.
        queue.resumed(1)
        #expect(queue.arrived(6, "a", at: now).isEmpty)
        #expect(queue.ended(1, at: now) == [.start(call: 6, instance: 0)])
        #expect(queue.instanceCount == 3)
    }

    @Test func `an answer in time brings its own instance back`() {
        var queue = Self.asking()
        _ = queue.arrived(1, "a", at: Self.start)
        _ = queue.suspended(1)
        _ = queue.arrived(2, "a", at: Self.start)
        queue.resumed(1)
        _ = queue.suspended(1)
        #expect(queue.woke(.suspended(call: 1, round: 1), at: Self.start).isEmpty)
        #expect(queue.ended(1, at: Self.start) == [.start(call: 2, instance: 0)])
    }

    @Test func `instances that may be there as usual are opened because calls wait`() {
        var limits = Self.limits
        limits.usual = 2
        var queue = Self.asking(limits)
        _ = queue.arrived(1, "a", at: Self.start)
        #expect(queue.arrived(2, "a", at: Self.start) == [.open(instance: 1)])
        #expect(queue.arrived(3, "a", at: Self.start).isEmpty)
        #expect(queue.failed(1, at: Self.start) == [.refuse(call: 2, .notOpened), .open(instance: 2)])
        #expect(queue.opened(2, at: Self.start) == [.start(call: 3, instance: 2)])
    }

    @Test func `only an instance that is idle for long enough is closed, and never the first`() {
        var limits = Self.limits
        limits.usual = 2
        var queue = Self.asking(limits)
        _ = queue.arrived(1, "a", at: Self.start)
        _ = queue.arrived(2, "a", at: Self.start)
        _ = queue.opened(1, at: Self.start)
        #expect(queue.ended(1, at: Self.start).isEmpty)
        #expect(
            queue.ended(2, at: Self.start) == [.wake(.idle(instance: 1), in: .seconds(60))])
        #expect(
            queue.woke(.idle(instance: 1), at: Self.start + .seconds(50))
                == [.wake(.idle(instance: 1), in: .seconds(10))])
        #expect(
            queue.woke(.idle(instance: 1), at: Self.start + .seconds(60)) == [.close(instance: 1)])
        _ = queue.arrived(3, "a", at: Self.start)
        #expect(queue.arrived(4, "a", at: Self.start).isEmpty)
        #expect(queue.gone(1, at: Self.start) == [.open(instance: 2)])
    }

    @Test func `retired instances end with their calls`() {
        var limits = Self.limits
        limits.usual = 3
        var queue = Self.asking(limits)
        for call in 1...3 { _ = queue.arrived(call, "a", at: Self.start) }
        _ = queue.opened(1, at: Self.start)
        _ = queue.opened(2, at: Self.start)
        _ = queue.ended(2, at: Self.start)
        #expect(queue.retire() == [.close(instance: 1)])
        #expect(queue.ended(3, at: Self.start) == [.close(instance: 2)])
        #expect(queue.ended(1, at: Self.start).isEmpty)
    }
}
