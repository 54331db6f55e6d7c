import JSONSlice
import MCPModel

/// The tasks that one legacy session has made, newest last: what it lists, and the results that no
/// server keeps.
///
/// A modern server decides by itself whether a call becomes a task. Where it answered at once, the client that wanted a
/// task has one nevertheless: it is over, and its result lies here.
struct SessionTasks: Sendable {
    private struct Entry: Sendable {
        let id: String
        /// As last heard, in modern terms; the whole of it, result included, where it is kept here.
        var task: JSON
        var isKeptHere: Bool
        /// The client cancelled it, and for this revision that is final.
        var isCancelled = false
        var expiry: ContinuousClock.Instant
    }

    private let countMax: Int
    private let bytesMax: Int
    private let lifeMax: Duration
    private var entries: [Entry] = []

    init(_ limits: FrontLimits) {
        countMax = limits.sessionTasksMax
        bytesMax = limits.sessionTaskBytesMax
        lifeMax = limits.sessionTaskLifeMax
    }

    /// Tasks at servers, newest first, that may have moved on since they were last heard of.
    func unsettled(atMost count: Int) -> [String] {
        Array(
            entries.reversed().filter { !$0.isKeptHere && TaskStatus(of: $0.task)?.isTerminal != true }
                .prefix(count).map(\.id))
    }

    /// All of them, in modern terms, oldest first.
    func list(at now: ContinuousClock.Instant) -> [JSON] {
        entries.filter { $0.expiry > now }.map { Self.shown($0) }
    }

    /// A task that was made at a server. The session forgets its oldest ones; their servers do not.
    mutating func made(_ task: JSON, at now: ContinuousClock.Instant) {
        guard let id = task["taskId"]?.string else { return }
        let life = task["ttlMs"]?.int.map { Duration.milliseconds(min(max($0, 0), 86_400_000)) }
        add(
            Entry(
                id: id, task: task.removing("resultType").detached, isKeptHere: false,
                expiry: now + (life ?? .seconds(86_400))), at: now)
    }

    /// A call that ended before it became a task.
    ///
    /// - Parameters:
    ///   - id: that no other task bears.
    ///   - ttl: what the client asked for, in milliseconds.
    ///   - stamp: the time, as ISO 8601.
    /// - Returns: the task, its result included.
    mutating func keep(
        _ result: JSON, as id: String, ttl: Int?, stamp: String, at now: ContinuousClock.Instant
    ) -> JSON {
        let life = ttl.map { min(.milliseconds(min(max($0, 0), 86_400_000)), lifeMax) } ?? lifeMax
        let milliseconds = Int(life / .milliseconds(1))
        let task: JSON = [
            "taskId": .string(id), "status": "completed", "createdAt": .string(stamp),
            "lastUpdatedAt": .string(stamp), "ttlMs": .number(milliseconds), "result": result,
        ]
        add(Entry(id: id, task: task.detached, isKeptHere: true, expiry: now + life), at: now)
        return task
    }

    /// A task whose result lies here.
    func kept(_ id: String, at now: ContinuousClock.Instant) -> JSON? {
        entries.first { $0.id == id && $0.isKeptHere && $0.expiry > now }?.task
    }

    /// Takes note of a task's state.
    ///
    /// - Returns: the task as the client is to see it: what it cancelled stays so.
    mutating func saw(_ task: JSON) -> JSON {
        guard let id = task["taskId"]?.string, let place = entries.firstIndex(where: { $0.id == id }),
            !entries[place].isKeptHere
        else { return task }
        let noise: Set = ["resultType", "result", "error", "inputRequests", "_meta"]
        entries[place].task = task.removing(where: noise.contains).detached
        return entries[place].isCancelled ? Self.cancelled(task) : task
    }

    mutating func cancelled(_ id: String) {
        guard let place = entries.firstIndex(where: { $0.id == id }) else { return }
        entries[place].isCancelled = true
    }

    /// A task object that says that it was cancelled, whatever it said.
    static func cancelled(_ task: JSON) -> JSON {
        task.removing { ["result", "error", "inputRequests"].contains($0) }.setting("status", to: "cancelled")
    }

    private static func shown(_ entry: Entry) -> JSON {
        entry.isCancelled ? cancelled(entry.task) : entry.task
    }

    private mutating func add(_ entry: Entry, at now: ContinuousClock.Instant) {
        entries.removeAll { $0.expiry <= now || $0.id == entry.id }
        entries.append(entry)
        while entries.count > countMax || bytes > bytesMax, entries.count > 1 { entries.removeFirst() }
    }

    private var bytes: Int { entries.reduce(0) { $0 + $1.task.bytes.count } }
}
