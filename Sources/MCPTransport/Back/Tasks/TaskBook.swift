import JSONSlice
import MCPModel

/// Whose task is whose at one backend: who was handed a task may ask after it, to anybody else it is as good as none.
///
/// Bounded in number, for each caller and for all, and in time: from its making on, or, where its server names no time, from
/// when its caller last asked after it. A full book forgets what is past its time, then what has come to its end, before it
/// refuses what is new.
struct TaskBook: Sendable {
    struct Limits: Hashable, Sendable {
        var countMax: Int
        var perCallerMax: Int
        /// Bytes of all that is kept of tasks that are over.
        var bytesMax: Int
        /// How long a task is known whose server names no time, and the longest for any.
        var lifeMax: Duration
    }

    /// A server may hand one task to two callers; each has it then.
    struct Key: Hashable, Sendable {
        var id: String
        var caller: Caller
    }

    private struct Entry: Sendable {
        var since: ContinuousClock.Instant
        var expiry: ContinuousClock.Instant
        var isOver: Bool
        /// What it takes to keep its result here.
        var bytes = 0
        /// What the gateway itself has to do with it, at a legacy backend.
        var run: LegacyTask?
        /// Its server was a process that is gone.
        var isLost = false
        /// It was handed out in an earlier life of the gateway, and its server has not spoken of it in this one.
        var isRemembered = false
        /// Its caller has said something of it, and so knows it.
        var isAskedAfter = false
        /// The expiry that was last noted in ``TaskMemory``.
        var noted: ContinuousClock.Instant?
    }

    /// What a caller may know of a task.
    enum Standing: Hashable, Sendable {
        case known
        /// It was this caller's, and went with the process that ran it.
        case lost
        /// It never was, is past its time, or is another caller's.
        case unknown
    }

    /// Added to a server's own time: its clock began before ours, and it says itself when a task is gone.
    private static let grace = Duration.seconds(60)

    /// How far the time of a task that has no end of its own moves on before that is noted: it does with every question.
    private static let noteStep = Duration.seconds(3_600)

    private let limits: Limits
    private var entries: [Key: Entry] = [:]
    private var changes: [TaskMemory.Change] = []
    /// Tasks that only the gateway knew, and that may run on for nobody: to be cancelled when their server is there.
    private var left: [Key] = []

    /// - Parameters:
    ///   - remembered: of an earlier life of the gateway.
    ///   - areLost: whether the server's process went with it, and its tasks with that.
    init(
        _ limits: Limits, remembering remembered: [TaskMemory.Entry] = [], areLost: Bool = false,
        at now: ContinuousClock.Instant = .now
    ) {
        self.limits = limits
        for task in remembered where task.isHidden {
            let key = Key(id: task.id, caller: task.caller)
            if areLost { hidesNoMore(key) } else { leaves(key) }
        }
        for task in remembered.lazy.filter({ !$0.isHidden }).prefix(limits.countMax) {
            let expiry = now + min(task.left, limits.lifeMax)
            entries[Key(id: task.id, caller: task.caller)] = Entry(
                since: now - task.age, expiry: expiry, isOver: areLost, isLost: areLost,
                isRemembered: true, noted: expiry)
        }
    }

    /// What is to be noted since this was last asked.
    mutating func takeChanges() -> [TaskMemory.Change] {
        defer { changes = [] }
        return changes
    }

    var count: Int { entries.count }

    /// Takes a task in that a caller is about to be told of.
    ///
    /// - Parameter task: as its server described it, in modern terms.
    /// - Returns: `false` when there is no room: too many tasks run.
    /// - Complexity: O(*n*) of the tasks in the book.
    mutating func admit(
        _ task: JSON, as key: Key, run: LegacyTask? = nil, at now: ContinuousClock.Instant
    ) -> Bool {
        if entries[key] == nil {
            if isFull(for: key.caller) {
                for (old, entry) in entries where entry.expiry <= now { forget(old) }
            }
            if count(of: key.caller) >= limits.perCallerMax, !forgetOne(where: { $0.caller == key.caller }) {
                return false
            }
            if entries.count >= limits.countMax, !forgetOne(where: { _ in true }) { return false }
        }
        // A server that counts its tasks begins anew when it does, and may have while the gateway was away: then the id is this
        // caller's alone. Those that are known to be lost harm nobody.
        for (old, entry) in entries
        where old.id == key.id && old.caller != key.caller && entry.isRemembered && !entry.isLost {
            forget(old)
        }
        let life = life(of: task)
        // A server may answer two calls with one task: whoever has it from the first knows it.
        let isKnown = entries[key] != nil
        entries[key] = Entry(
            since: now, expiry: now + life, isOver: TaskStatus(of: task)?.isTerminal ?? false, run: run,
            isAskedAfter: isKnown)
        note(key, at: now)
        return true
    }

    func standing(of key: Key, at now: ContinuousClock.Instant) -> Standing {
        guard let entry = entries[key], entry.expiry > now else { return .unknown }
        return entry.isLost ? .lost : .known
    }

    /// Whether that caller has that task.
    func knows(_ key: Key, at now: ContinuousClock.Instant) -> Bool { standing(of: key, at: now) == .known }

    /// The same, when the caller itself asks.
    mutating func asked(after key: Key, at now: ContinuousClock.Instant) -> Standing {
        entries[key]?.isAskedAfter = true
        return standing(of: key, at: now)
    }

    /// Whether it is a task that its caller has not asked after yet, and may know nothing of. One of an earlier life it may
    /// have asked after then.
    func isUnasked(_ key: Key, at now: ContinuousClock.Instant) -> Bool {
        guard knows(key, at: now), let entry = entries[key] else { return false }
        return !entry.isAskedAfter && !entry.isRemembered
    }

    func run(_ key: Key) -> LegacyTask? { entries[key]?.run }

    /// The callers who have a task of that id at a legacy backend.
    func runs(of id: String) -> [(key: Key, run: LegacyTask)] {
        entries.compactMap { key, entry in
            guard key.id == id, let run = entry.run else { return nil }
            return (key, run)
        }
    }

    /// The gateway goes on with a task of an earlier life.
    ///
    /// - Returns: the run that stands, this or one that came first, and how long the task may still be asked after; `nil`: it
    ///   is not known any more.
    mutating func takeUp(
        _ key: Key, _ run: LegacyTask, at now: ContinuousClock.Instant
    ) -> (run: LegacyTask, left: Duration)? {
        guard let entry = entries[key], entry.expiry > now, !entry.isLost else { return nil }
        if entry.run == nil { entries[key]?.run = run }
        entries[key]?.isRemembered = false
        return (entry.run ?? run, now.duration(to: entry.expiry))
    }

    /// Takes note of what its server says of a task now: its time may change, and it may have come to its end.
    mutating func saw(_ task: JSON, as key: Key, at now: ContinuousClock.Instant) {
        guard var entry = entries[key], let status = TaskStatus(of: task) else { return }
        entry.isOver = status.isTerminal
        entry.isRemembered = false
        if task["ttlMs"] != nil {
            // Without an end of its own it is known for ``Limits/lifeMax`` from now on, as often as it is asked after.
            let begin = task["ttlMs"]?.int == nil ? now : entry.since
            entry.expiry = begin + life(of: task)
        }
        entries[key] = entry
        let isFixed = task["ttlMs"]?.int != nil
        guard let noted = entry.noted else { return note(key, at: now) }
        let moved = noted < entry.expiry ? noted.duration(to: entry.expiry) : entry.expiry.duration(to: noted)
        if moved > (isFixed ? .seconds(1) : Self.noteStep) { note(key, at: now) }
    }

    /// A task is over whose result lies here; where that takes too much room, those that would go first go now.
    mutating func keeps(_ bytes: Int, as key: Key) {
        guard entries[key] != nil else { return }
        entries[key]?.bytes = bytes
        entries[key]?.isOver = true
        while entries.values.reduce(0, { $0 + $1.bytes }) > limits.bytesMax, forgetOne(where: { $0 != key }) {
        }
    }

    mutating func forget(_ key: Key) {
        guard entries.removeValue(forKey: key) != nil else { return }
        changes.append(.forget(id: key.id, caller: key.caller))
    }

    // MARK: Tasks that only the gateway knows

    /// One is made. Its caller knows none, so it is noted only for whoever comes after this life.
    mutating func hides(_ task: JSON, as key: Key, at now: ContinuousClock.Instant) {
        guard entries[key] == nil else { return }
        changes.append(
            .keep(
                TaskMemory.Entry(
                    id: key.id, caller: key.caller, age: .zero, left: life(of: task), isHidden: true)))
    }

    /// It is over, or its server has heard that nobody wants it.
    mutating func hidesNoMore(_ key: Key) {
        left.removeAll { $0 == key }
        guard entries[key] == nil else { return }
        changes.append(.forget(id: key.id, caller: key.caller))
    }

    /// It may run on, and there is no way to its server now.
    mutating func leaves(_ key: Key) {
        guard left.count < limits.countMax, !left.contains(key) else { return }
        left.append(key)
    }

    /// Those that are to be cancelled now; they stay noted until their server has answered.
    mutating func takeLeft() -> [Key] {
        defer { left = [] }
        return left
    }

    private mutating func note(_ key: Key, at now: ContinuousClock.Instant) {
        guard let entry = entries[key] else { return }
        entries[key]?.noted = entry.expiry
        changes.append(
            .keep(
                TaskMemory.Entry(
                    id: key.id, caller: key.caller, age: entry.since.duration(to: now),
                    left: now.duration(to: entry.expiry))))
    }

    /// How long a task may be asked after, from its making on.
    func life(of task: JSON) -> Duration {
        guard let milliseconds = task["ttlMs"]?.int, milliseconds >= 0 else { return limits.lifeMax }
        let day = 86_400_000
        return min(.milliseconds(min(milliseconds, 366 * day)) + Self.grace, limits.lifeMax)
    }

    private func isFull(for caller: Caller) -> Bool {
        entries.count >= limits.countMax || count(of: caller) >= limits.perCallerMax
    }

    private func count(of caller: Caller) -> Int { entries.keys.lazy.filter { $0.caller == caller }.count }

    /// Of those that are over, the one that would be forgotten first anyhow.
    private mutating func forgetOne(where isChosen: (Key) -> Bool) -> Bool {
        let over = entries.filter { $0.value.isOver && isChosen($0.key) }
        guard let first = over.min(by: { ($0.value.expiry, $0.key.id) < ($1.value.expiry, $1.key.id) }) else {
            return false
        }
        forget(first.key)
        return true
    }
}

extension TaskBook.Limits {
    init(_ limits: BackendLimits) {
        self.init(
            countMax: limits.tasksMax, perCallerMax: limits.tasksPerCallerMax,
            bytesMax: limits.taskBytesMax, lifeMax: limits.taskLifeMax)
    }
}
