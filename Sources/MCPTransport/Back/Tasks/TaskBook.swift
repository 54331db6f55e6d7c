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
    }

    /// Added to a server's own time: its clock began before ours, and it says itself when a task is gone.
    private static let grace = Duration.seconds(60)

    private let limits: Limits
    private var entries: [Key: Entry] = [:]

    init(_ limits: Limits) { self.limits = limits }

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
            if isFull(for: key.caller) { entries = entries.filter { $0.value.expiry > now } }
            if count(of: key.caller) >= limits.perCallerMax, !forgetOne(where: { $0.caller == key.caller }) {
                return false
            }
            if entries.count >= limits.countMax, !forgetOne(where: { _ in true }) { return false }
        }
        let life = life(of: task)
        entries[key] = Entry(
            since: now, expiry: now + life, isOver: TaskStatus(of: task)?.isTerminal ?? false, run: run)
        return true
    }

    /// Whether that caller has that task.
    func knows(_ key: Key, at now: ContinuousClock.Instant) -> Bool {
        entries[key].map { $0.expiry > now } ?? false
    }

    func run(_ key: Key) -> LegacyTask? { entries[key]?.run }

    /// Takes note of what its server says of a task now: its time may change, and it may have come to its end.
    mutating func saw(_ task: JSON, as key: Key, at now: ContinuousClock.Instant) {
        guard var entry = entries[key], let status = TaskStatus(of: task) else { return }
        entry.isOver = status.isTerminal
        if task["ttlMs"] != nil {
            // Without an end of its own it is known for ``Limits/lifeMax`` from now on, as often as it is asked after.
            let begin = task["ttlMs"]?.int == nil ? now : entry.since
            entry.expiry = begin + life(of: task)
        }
        entries[key] = entry
    }

    /// A task is over whose result lies here; where that takes too much room, those that would go first go now.
    mutating func keeps(_ bytes: Int, as key: Key) {
        guard entries[key] != nil else { return }
        entries[key]?.bytes = bytes
        entries[key]?.isOver = true
        while entries.values.reduce(0, { $0 + $1.bytes }) > limits.bytesMax, forgetOne(where: { $0 != key }) {
        }
    }

    mutating func forget(_ key: Key) { entries[key] = nil }

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
        entries[first.key] = nil
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
