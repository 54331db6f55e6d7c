import NIOCore

/// When a call is given up: after so long without an answer and without progress, and in any case at the end of all its
/// time. Progress moves the first of the two, never the second.
struct CallPatience: Hashable, Sendable {
    enum Verdict: Hashable, Sendable {
        case wait(until: NIODeadline)
        case silent
        case overall
    }

    private let end: NIODeadline
    private let silence: TimeAmount
    private var lastSign: NIODeadline

    init(silence: Duration, overall: Duration, from now: NIODeadline) {
        self.silence = TimeAmount(silence)
        end = now + TimeAmount(overall)
        lastSign = now
    }

    /// The backend has shown that it works on the call.
    mutating func progressed(at now: NIODeadline) { lastSign = now }

    func verdict(at now: NIODeadline) -> Verdict {
        if now >= end { return .overall }
        let due = lastSign + silence
        if now >= due { return .silent }
        return .wait(until: min(due, end))
    }
}
