package import Catalog

/// When to send a heartbeat on a link, and when its silence means that it is down.
///
/// Silence is counted in punctual ticks of one's own loop, not read off a clock: a node that was starved or
/// suspended has heard nothing because it did not listen, and blames nobody. The owner calls ``tick(at:)`` every
/// ``tickEvery``, and reads what arrived before its timers fire.
package struct SilenceWatch: Hashable, Sendable {
    package static let tickEvery: Duration = .milliseconds(100)
    /// A tick later than that says that this node was not listening.
    package static let lateAfter: Duration = .milliseconds(250)
    /// 1 s without having sent anything.
    package static let heartbeatAfterTicks = 10
    /// 2.5 s without a byte.
    package static let downAfterTicks = 25

    package enum Verdict: Hashable, Sendable {
        case quiet
        case sendHeartbeat
        case down
    }

    private var lastTick: Instant
    private var ticksSinceHeard = 0
    private var ticksSinceSent = 0

    package init(at now: Instant) { lastTick = now }

    /// Any byte counts.
    package mutating func heard() { ticksSinceHeard = 0 }
    package mutating func sent() { ticksSinceSent = 0 }

    package mutating func tick(at now: Instant) -> Verdict {
        let late = now - lastTick > Self.tickEvery + Self.lateAfter
        lastTick = now
        if late {
            ticksSinceHeard = 0
            // The peer has heard nothing of us for just as long.
            ticksSinceSent = 0
            return .sendHeartbeat
        }
        ticksSinceHeard += 1
        ticksSinceSent += 1
        if ticksSinceHeard >= Self.downAfterTicks { return .down }
        if ticksSinceSent >= Self.heartbeatAfterTicks {
            ticksSinceSent = 0
            return .sendHeartbeat
        }
        return .quiet
    }
}
