package import Catalog
package import MCPModel

/// The course of one call at its entry node, from the caller to the one final event that ends it.
///
/// Under one id a call is sent once, ever. When its stream breaks, the owner is asked what became of it, over whatever
/// link or circuit opens next: it goes on where it runs, its result is fetched, or, where the owner never saw it and
/// now never will, it is sent again under a new id. Where nobody can know, it ends as `outcome_unknown`; only what
/// reads may then simply be sent again, and what the owner's configuration calls repeatable, which the owner decides.
///
/// The shell finds ways to the owner and moves bytes; times are on its monotonic clock.
package struct CallCourse: Sendable {
    package enum Effect: Sendable {
        /// Look for a way to the owner after a pause, and come back with ``way(life:asks:at:using:)`` or ``noWay(_:at:)``.
        case reach(after: Duration)
        /// Open the call's stream on the way just given.
        case send(CallID, isRepeat: Bool)
        /// Open a stream there that asks what became of the call.
        case ask(CallID)
        /// Tell the owner, over the stream that is open, that no answer is wanted any more.
        case stop
        /// For the caller; nothing follows a final event.
        case deliver(CallEvent)
    }

    private enum Phase: Hashable, Sendable {
        /// Nothing is sent under the present id.
        case waiting
        /// Its stream is open.
        case sent(life: UInt64)
        /// Its stream broke; to be asked for.
        case lost(life: UInt64)
        /// The question is on its way.
        case asking(life: UInt64)
        /// The owner said that it runs; what follows comes on the question's stream.
        case attached(life: UInt64)
        /// The caller has its end, and the owner is still to be told.
        case abandoned(life: UInt64)
        case over
    }

    /// The id it goes by now; the caller knows it by its first.
    package private(set) var id: CallID
    private let method: String
    private let owner: String
    private let server: Label
    private let mayMakeTask: Bool
    private var phase = Phase.waiting
    /// When the last stream broke.
    private var lostAt: Instant?
    private var waysTried = 0
    private var sends = 0
    private var isRepeat = false
    /// Under an earlier id, with an outcome that nobody knows.
    private var mayHaveRun = false

    /// - Parameters:
    ///   - owner: its label, for whoever reads what happened.
    ///   - isRepeat: whether it was sent before, to another replica, with an outcome that nobody knows: only what this
    ///     owner's configuration lets run twice may run now.
    ///   - mayMakeTask: whether its answer may name a task.
    package init(
        _ id: CallID, _ method: String, owner: String, server: Label, isRepeat: Bool = false,
        mayMakeTask: Bool = false
    ) {
        self.mayMakeTask = mayMakeTask
        self.id = id
        self.method = method
        self.owner = owner
        self.server = server
        self.isRepeat = isRepeat
        mayHaveRun = isRepeat
    }

    package var isOver: Bool { phase == .over }
    /// Whether its caller has the end of it, and the owner is still to be told that no answer is wanted.
    package var isAbandoned: Bool { if case .abandoned = phase { true } else { false } }
    /// Whether a way to the owner is wanted now.
    package var wantsWay: Bool {
        switch phase {
        case .waiting, .lost, .abandoned: true
        case .sent, .asking, .attached, .over: false
        }
    }
    private var isRead: Bool { Self.reads.contains(method) }

    // MARK: Ways to the owner

    /// There is a link to the owner.
    ///
    /// - Parameters:
    ///   - life: of the owner, as the link was greeted.
    ///   - asks: whether the protocol spoken on it knows `ask`.
    package mutating func way(
        life: UInt64, asks: Bool, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Effect] {
        switch phase {
        case .waiting where isRepeat && !asks:
            // The mark of a repeat is none of the older protocol's, so the owner would run it as if it were the first.
            return fail(
                .outcomeUnknown, "\(owner) cannot be told that it may have run: it speaks an older protocol")
        case .waiting: return send(life)
        case .lost(life) where asks, .abandoned(life) where asks:
            guard case .abandoned = phase else {
                phase = .asking(life: life)
                return [.ask(id)]
            }
            phase = .over
            return [.ask(id), .stop]
        case .lost(life):
            return unknown("\(owner) cannot be asked whether it ran: it speaks an older protocol") { course in
                course.again(life, asOwner: false, &random)
            }
        case .lost:
            return unknown("\(owner) has started again since") { course in
                course.again(life, asOwner: asks, &random)
            }
        case .abandoned:
            phase = .over
            return []
        case .sent, .asking, .attached, .over: return []
        }
    }

    /// There is none now.
    package mutating func noWay(_ obstacle: Obstacle, at now: Instant) -> [Effect] {
        switch phase {
        case .waiting where lostAt == nil: return neverSent(obstacle)
        case .waiting, .lost:
            if case .tooLarge(let text) = obstacle, phase == .waiting {
                return fail(.tooLarge, text, isUnsent: true)
            }
            guard !obstacle.isFinal, let lostAt, now - lostAt < Self.askingMax else {
                return giveUp(obstacle)
            }
            return [.reach(after: Self.askAgainAfter)]
        case .abandoned:
            let limit = mayMakeTask ? Self.decliningMax : Self.askingMax
            guard !obstacle.isFinal, let lostAt, now - lostAt < limit else {
                phase = .over
                return []
            }
            let isRecent = now - lostAt < Self.askingMax
            return [.reach(after: isRecent ? Self.askAgainAfter : Self.declineAgainAfter)]
        case .sent, .asking, .attached, .over: return []
        }
    }

    /// The stream just ordered could not be opened, so nothing of it left; ``noWay(_:at:)`` says why.
    package mutating func notOpened() {
        switch phase {
        case .sent:
            sends -= 1
            phase = .waiting
        case .asking(let life): phase = .lost(life: life)
        case .waiting, .lost, .attached, .abandoned, .over: break
        }
    }

    // MARK: What the owner says

    /// An event on the call's stream, or on the one that asked for it.
    package mutating func heard(_ event: CallEvent) -> [Effect] {
        switch phase {
        case .sent, .asking, .attached: break
        case .waiting, .lost, .abandoned, .over: return []
        }
        guard event.isFinal else { return [.deliver(event)] }
        if case .failure(let failure) = event, mayHaveRun, !isRead {
            // Of the second time only: the first may have run all the same.
            return fail(.outcomeUnknown, failure.detail, hint: failure.hint ?? hintIfUnknown)
        }
        phase = .over
        if case .failure(var failure) = event, mayHaveRun {
            failure.isUnsent = false
            return [.deliver(.failure(failure))]
        }
        return [.deliver(event)]
    }

    /// The owner's answer to the question.
    package mutating func answered(
        _ standing: CallStanding, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Effect] {
        guard case .asking(let life) = phase else { return [] }
        switch standing {
        case .running:
            phase = .attached(life: life)
            return []
        case .notSeen:
            guard sends < Self.sendsMax else {
                return fail(
                    .noPath,
                    "the call was sent \(sends) times, and each time the link broke before \(owner) had it",
                    hint: "martlet peers", isUnsent: true)
            }
            id = CallID(using: &random)
            phase = .waiting
            return [.reach(after: .zero)]
        case .forgotten:
            return unknown("\(owner) no longer knows what became of it") { course in
                course.reachAgain(asOwner: true, &random)
            }
        case .otherLife:
            return unknown("\(owner) has started again since") { course in
                course.reachAgain(asOwner: true, &random)
            }
        }
    }

    /// The stream ended early.
    package mutating func broke(_ why: Break, at now: Instant) -> [Effect] {
        switch (phase, why) {
        case (.sent, .limited(let text)):
            return fail(.limited, "\(owner) takes no more calls now: \(text)", isUnsent: true)
        case (.sent, .refused(let text)):
            return fail(.denied, "\(owner) refused the call: \(text)", isUnsent: true)
        case (.sent, .overflow(let text)):
            return fail(.limited, "the link to \(owner) is too busy: \(text)", isUnsent: true)
        case (.sent(let life), .lost), (.attached(let life), _):
            lostAt = now
            phase = .lost(life: life)
            return [.reach(after: Self.askFirstAfter)]
        case (.asking(let life), _):
            phase = .lost(life: life)
            guard let lostAt, now - lostAt < Self.askingMax else { return giveUp(.noPath(why.text)) }
            return [.reach(after: Self.askAgainAfter)]
        default: return []
        }
    }

    /// What came cannot be read, or the stream ended properly without an answer: the owner is broken, and asking it would
    /// bring the same.
    package mutating func garbled(_ detail: String) -> [Effect] {
        switch phase {
        case .sent, .asking, .attached: break
        case .waiting, .lost, .abandoned, .over: return []
        }
        return fail(.outcomeUnknown, "\(owner) \(detail)", hint: hintIfUnknown) + [.stop]
    }

    // MARK: What the caller does

    package mutating func cancelled() -> [Effect] {
        leave(.cancelled, "the caller cancelled the call")
    }

    /// - Parameter limit: how long the caller wanted to wait.
    package mutating func deadlinePassed(_ limit: Duration) -> [Effect] {
        switch phase {
        case .lost, .asking:
            leave(
                .outcomeUnknown,
                "its link broke after it was sent, and what became of it was not learnt within \(limit)",
                hint: hintIfUnknown)
        default: leave(.deadlineExceeded, "no answer from \(owner) in \(limit)")
        }
    }

    // MARK: Private parts

    private mutating func send(_ life: UInt64) -> [Effect] {
        phase = .sent(life: life)
        sends += 1
        return [.send(id, isRepeat: isRepeat)]
    }

    /// Sends a call whose outcome nobody knows once more, under a new id.
    private mutating func again(
        _ life: UInt64, asOwner: Bool, _ random: inout some RandomNumberGenerator
    ) -> [Effect]? {
        guard mayRepeat(asOwner: asOwner, &random) else { return nil }
        return send(life)
    }

    private mutating func reachAgain(
        asOwner: Bool, _ random: inout some RandomNumberGenerator
    ) -> [Effect]? {
        guard mayRepeat(asOwner: asOwner, &random) else { return nil }
        return [.reach(after: .zero)]
    }

    /// - Parameter asOwner: whether the owner can be left to decide, by its configuration.
    private mutating func mayRepeat(
        asOwner: Bool, _ random: inout some RandomNumberGenerator
    ) -> Bool {
        guard sends < Self.sendsMax, isRead || asOwner else { return false }
        id = CallID(using: &random)
        isRepeat = !isRead
        mayHaveRun = true
        phase = .waiting
        return true
    }

    private mutating func unknown(
        _ detail: String, unless repeated: (inout CallCourse) -> [Effect]?
    ) -> [Effect] {
        if let effects = repeated(&self) { return effects }
        return fail(
            isRead ? .ownerUnreachable : .outcomeUnknown,
            "the link broke after the call was sent, and \(detail)",
            hint: isRead ? "try again" : hintIfUnknown)
    }

    private mutating func neverSent(_ obstacle: Obstacle) -> [Effect] {
        switch obstacle {
        case .unreachable:
            return fail(
                .ownerUnreachable, "no path leads to \(owner) now", hint: "martlet peers", isUnsent: true)
        case .limited(let text):
            return fail(.limited, text, hint: "try again in a moment", isUnsent: true)
        case .tooLarge(let text): return fail(.tooLarge, text, isUnsent: true)
        case .final(let text):
            return fail(
                .noPath, "\(text); the call was not sent", hint: "call through another node", isUnsent: true)
        case .noPath(let text):
            waysTried += 1
            guard waysTried < Self.waysMax else {
                return fail(
                    .noPath, "no circuit to \(owner) could be opened: \(text)", hint: "martlet peers",
                    isUnsent: true)
            }
            return [.reach(after: Self.wayAgainAfter)]
        }
    }

    /// The owner was not reached again in time.
    private mutating func giveUp(_ obstacle: Obstacle) -> [Effect] {
        let before = phase
        let effects = giveUpWaiting(obstacle)
        // Its caller knows of no task, so the owner is to hear of that when it is there again.
        guard mayMakeTask, !obstacle.isFinal, case .lost(let life) = before else { return effects }
        phase = .abandoned(life: life)
        return effects + [.reach(after: Self.declineAgainAfter)]
    }

    private mutating func giveUpWaiting(_ obstacle: Obstacle) -> [Effect] {
        let why =
            switch obstacle {
            case .final(let text): text
            case .unreachable: "no path has led to \(owner) for \(Self.askingMax)"
            case .noPath(let text), .limited(let text), .tooLarge(let text):
                "no way to \(owner) was found in \(Self.askingMax): \(text)"
            }
        if phase == .waiting, !mayHaveRun {
            return fail(
                .ownerUnreachable, "\(why); it is sure that the call did not run",
                hint: "martlet peers", isUnsent: true)
        }
        return unknown(why) { _ in nil }
    }

    private var hintIfUnknown: String {
        "look at \(owner) whether it ran before you call again; servers.\(server).tools there can mark a tool repeatable: true"
    }

    /// - Parameter isUnsent: whether it is sure that the call, as it was sent last, reached no backend.
    private mutating func fail(
        _ reason: Reason, _ detail: String, hint: String? = nil, isUnsent: Bool = false
    ) -> [Effect] {
        phase = .over
        var (reason, hint) = (reason, hint)
        if mayHaveRun, !isRead, reason != .cancelled, reason != .deadlineExceeded {
            (reason, hint) = (.outcomeUnknown, hintIfUnknown)
        }
        return [
            .deliver(
                .failure(
                    CallFailure(reason, detail, hint: hint, callID: id, isUnsent: isUnsent && !mayHaveRun)))
        ]
    }

    /// The caller waits no longer.
    private mutating func leave(_ reason: Reason, _ detail: String, hint: String? = nil) -> [Effect] {
        let before = phase
        switch before {
        case .over, .abandoned: return []
        case .waiting: return fail(reason, detail, hint: hint)
        case .sent, .attached, .asking: return fail(reason, detail, hint: hint) + [.stop]
        case .lost(let life):
            let effects = fail(reason, detail, hint: hint)
            phase = .abandoned(life: life)
            return effects
        }
    }
}
