/// Which session each call of a backend over Streamable HTTP goes to, as a state machine: one session for each
/// declaration, and never more than the bound. Each call there has a stream of its own, on which it is asked, so calls run
/// side by side.
///
/// Sessions are numbers here; ``AskingSessions`` opens and closes the real ones.
struct SessionShelf: Sendable {
    enum Choice: Hashable, Sendable {
        case use(Int)
        /// Open a new one; `after`: only when that one, which is to end now, has ended.
        case open(Int, after: Int?)
        /// All there may be are in use.
        case full
    }

    enum Idleness: Hashable, Sendable {
        /// It is to end now.
        case over
        case lookAgain(in: Duration)
        /// Calls run there; ``released(_:at:)`` will say when to look again.
        case busy
    }

    private struct Slot: Sendable {
        var declared: DeclaredCapabilities
        var calls = 0
        var idleSince: ContinuousClock.Instant
        /// Whether somebody will look how long it has been idle.
        var isWatched = false
        var isEnding = false
        /// Whether another session waits for the end of this one.
        var isAwaited = false
    }

    private let countMax: Int
    private var slots: [Int: Slot] = [:]
    private var lastNumber = 0

    init(countMax: Int) { self.countMax = countMax }

    var count: Int { slots.count }

    /// Finds a session for one call, which counts there from now on.
    mutating func choose(for declared: DeclaredCapabilities, at now: ContinuousClock.Instant) -> Choice {
        let fitting = slots.filter { _, slot in slot.declared == declared && !slot.isEnding }
        if let best = fitting.min(by: { ($0.value.calls, $0.key) < ($1.value.calls, $1.key) }) {
            slots[best.key]?.calls += 1
            return .use(best.key)
        }
        let predecessor: Int?
        if slots.values.lazy.filter({ !$0.isAwaited }).count < countMax {
            predecessor = nil
        } else {
            let free = slots.filter { $0.value.calls == 0 && !$0.value.isAwaited }
            let longest = free.min { ($0.value.idleSince, $0.key) < ($1.value.idleSince, $1.key) }
            guard let longest else { return .full }
            slots[longest.key]?.isEnding = true
            slots[longest.key]?.isAwaited = true
            predecessor = longest.key
        }
        lastNumber += 1
        slots[lastNumber] = Slot(declared: declared, calls: 1, idleSince: now)
        return .open(lastNumber, after: predecessor)
    }

    /// One call of that session is over.
    ///
    /// - Returns: whether the session is idle now, and ``idleness(of:after:at:)`` is to be asked in a while. Once is
    ///   enough until it says ``Idleness/busy``.
    mutating func released(_ number: Int, at now: ContinuousClock.Instant) -> Bool {
        guard slots[number] != nil else { return false }
        slots[number]?.calls -= 1
        slots[number]?.idleSince = now
        guard slots[number]?.calls == 0, slots[number]?.isWatched == false else { return false }
        slots[number]?.isWatched = true
        return true
    }

    /// Whether a session has been idle for so long that it is to end.
    mutating func idleness(
        of number: Int, after time: Duration, at now: ContinuousClock.Instant
    ) -> Idleness {
        guard let slot = slots[number], slot.calls == 0, !slot.isEnding else {
            slots[number]?.isWatched = false
            return .busy
        }
        let idle = slot.idleSince.duration(to: now)
        guard idle >= time else { return .lookAgain(in: time - idle) }
        slots[number]?.isEnding = true
        return .over
    }

    /// No further call goes there; those that run may end.
    mutating func ending(_ number: Int) { slots[number]?.isEnding = true }

    /// Whether nothing runs there any more, and nothing will.
    func isSpent(_ number: Int) -> Bool { slots[number].map { $0.isEnding && $0.calls == 0 } ?? false }

    mutating func ended(_ number: Int) { slots[number] = nil }
}
