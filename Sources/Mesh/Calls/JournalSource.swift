import Catalog
import MCPModel

/// What a ``CallJournal`` remembers of one life of one entry node.
struct JournalSource: Sendable {
    enum State: Sendable {
        case running
        case done(CallEvent, bytes: Int, task: AnsweredTask?)
        case fenced
    }

    struct Entry: Sendable {
        var call: CallID
        var state: State
        /// When it ended or was fenced, or lost its stream.
        var since: Instant
    }

    /// As its link was greeted.
    var caller: CallJournal.Caller
    private(set) var entries: [UInt64: Entry] = [:]
    /// Of the results in it.
    private(set) var bytes = 0
    /// The greatest number of a call that had to make room.
    private(set) var horizon: UInt64 = 0
    /// How many of those that ended or were fenced are still there.
    private(set) var settledLive = 0
    /// Numbers of what ended or was fenced, oldest first; also of some that were dropped since.
    private var settled: [UInt64] = []
    private var settledGone = 0
    private var orphans: Set<UInt64> = []

    init(_ caller: CallJournal.Caller) { self.caller = caller }

    // MARK: Looking

    /// Why a call must not be run.
    func objection(to number: UInt64, from caller: CallJournal.Caller) -> CallJournal.Refusal? {
        guard self.caller.life == caller.life else { return .formerLife }
        switch state(of: number) {
        case .fenced?: return .fenced
        case .running?, .done?: return .seenBefore
        case nil: return remembers(number) ? nil : .beyondMemory
        }
    }

    /// Whether a call of that number would be here, if it had come.
    func remembers(_ number: UInt64) -> Bool { number > horizon }

    func state(of number: UInt64) -> State? { entries[number]?.state }

    /// What a later life of the same node finds.
    var remains: CallJournal.Remains {
        var remains = CallJournal.Remains()
        for (number, entry) in entries.sorted(by: { $0.key < $1.key }) {
            switch entry.state {
            case .running: remains.running.append(CallJournal.Key(of: caller, number: number))
            case .done(_, _, let task?): remains.tasks.append(task)
            case .done, .fenced: break
            }
        }
        return remains
    }

    /// Calls that run, and have been without a stream for so long.
    func orphaned(for time: Duration, at now: Instant) -> [CallJournal.Key] {
        orphans.filter { number in entries[number].map { now - $0.since >= time } ?? false }
            .map { CallJournal.Key(of: caller, number: $0) }
    }

    // MARK: Calls

    mutating func run(_ call: CallID, _ number: UInt64, at now: Instant) {
        entries[number] = Entry(call: call, state: .running, since: now)
    }

    /// - Returns: `nil` where the call was not seen.
    mutating func answer(to call: CallID, _ number: UInt64) -> CallJournal.Answer? {
        guard let entry = entries[number] else { return nil }
        guard entry.call == call else { return .standing(.forgotten) }
        switch entry.state {
        case .fenced: return .standing(.notSeen)
        case .done(let event, _, _): return .done(event)
        case .running:
            orphans.remove(number)
            return .standing(.running)
        }
    }

    mutating func fence(_ call: CallID, _ number: UInt64, at now: Instant) {
        entries[number] = Entry(call: call, state: .fenced, since: now)
        settle(number)
    }

    mutating func lost(_ number: UInt64, at now: Instant) {
        guard let place = entries.index(forKey: number), case .running = entries.values[place].state else {
            return
        }
        entries.values[place].since = now
        orphans.insert(number)
    }

    /// - Returns: the bytes that its result takes.
    mutating func ended(
        _ number: UInt64, _ event: CallEvent, naming task: AnsweredTask?, at now: Instant
    ) -> Int {
        guard let place = entries.index(forKey: number), case .running = entries.values[place].state else {
            return 0
        }
        let weight = event.weight
        entries.values[place].state = .done(event, bytes: weight, task: task)
        entries.values[place].since = now
        if !orphans.isEmpty { orphans.remove(number) }
        bytes += weight
        settle(number)
        return weight
    }

    /// Forgets a call that its entry node will not ask for; a fence stays.
    ///
    /// - Returns: the bytes that were freed; `nil` where nothing was forgotten.
    mutating func acknowledged(_ number: UInt64) -> Int? {
        if case .fenced? = state(of: number) { return nil }
        return remove(number)
    }

    /// - Returns: the bytes that were freed; `nil` where there was no such call.
    mutating func remove(_ number: UInt64) -> Int? {
        guard let entry = entries.removeValue(forKey: number) else { return nil }
        if !orphans.isEmpty { orphans.remove(number) }
        var freed = 0
        switch entry.state {
        case .running: return freed
        case .fenced: break
        case .done(_, let weight, _): freed = weight
        }
        bytes -= freed
        settledLive -= 1
        compact()
        return freed
    }

    // MARK: The oldest

    /// The one that settled first of those that are still there; steps over the others for good.
    var oldestSettled: Entry? {
        mutating get { oldestSettledNumber().flatMap { entries[$0] } }
    }

    /// Has the oldest make room: from now on nothing is known of calls up to its number.
    ///
    /// - Returns: the bytes that were freed; `nil` where there is none.
    mutating func dropOldest() -> Int? {
        guard let number = oldestSettledNumber() else { return nil }
        horizon = max(horizon, number)
        return remove(number)
    }

    private mutating func oldestSettledNumber() -> UInt64? {
        while settledGone < settled.count {
            let number = settled[settledGone]
            if let state = state(of: number) {
                if case .running = state {} else { return number }
            }
            settledGone += 1
        }
        return nil
    }

    private mutating func settle(_ number: UInt64) {
        settled.append(number)
        settledLive += 1
    }

    /// Most calls are acknowledged as soon as they end: their numbers must not pile up in the queue.
    private mutating func compact() {
        guard settled.count > 2 * settledLive + 64 else { return }
        settled = settled[settledGone...].filter { entries[$0] != nil }
        settledGone = 0
    }
}
