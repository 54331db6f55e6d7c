import Catalog
import Logging
import MCPModel
import MCPTransport
import Storage
import Synchronization

/// Whose task is whose at all servers of this node, over restarts (docs/decisions/0012).
///
/// Backends note what they hand out; it is on disk a moment later, since nothing on the way of a call waits for a disk. What
/// was handed out in the last moment before a crash is forgotten.
final class TaskLedger: Sendable {
    private struct State: Sendable {
        var tasks: [StoredTask.Key: StoredTask] = [:]
        /// What is not on disk yet, the last word on each: no more than were ever known at once, and those forgotten since.
        var pending: [StoredTask.Key: TaskShelf.Change] = [:]
    }

    /// Tasks that are kept, of all servers: as many as sixteen backends may have, some 300 bytes each.
    static let countMax = 16_384
    /// A longer id is remembered until the restart only; servers use UUIDs.
    static let idBytesMax = 1_024
    /// Where there is no more room, this part of it is made at once.
    private static let roomShare = 16

    private let shelf: TaskShelf
    private let log: Logger
    private let countMax: Int
    private let state: Mutex<State>
    /// Rung when there is something to write.
    private let bell: AsyncStream<Void>
    private let ring: AsyncStream<Void>.Continuation

    init(_ database: NodeDatabase, countMax: Int = countMax, log: Logger) async throws {
        shelf = TaskShelf(database)
        self.log = log
        self.countMax = countMax
        let kept = try await shelf.load(at: .now(), atMost: countMax)
        state = Mutex(State(tasks: Dictionary(kept.map { ($0.key, $0) }) { first, _ in first }))
        (bell, ring) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// What a server's backend knows from before, and where it notes what it hands out. Tasks that were made where the server
    /// was then, and is no more, are forgotten.
    func memory(of definition: ServerDefinition, at now: WallTime = .now()) -> TaskMemory {
        let (server, place) = (definition.name, definition.place)
        forget { $0.key.server == server && $0.place != place }
        let known = state.withLock { $0.tasks.values.filter { $0.key.server == server } }
        return TaskMemory(
            entries: known.filter { $0.expires > now }.map { task in
                TaskMemory.Entry(
                    id: task.key.task, caller: Caller(issuer: task.key.issuer, subject: task.key.subject),
                    age: max(.zero, task.made.duration(to: now)), left: now.duration(to: task.expires),
                    isHidden: task.isHidden)
            }.sorted { ($0.left, $0.id) > ($1.left, $1.id) }
        ) { [weak self] changes in self?.take(changes, of: server, at: place) }
    }

    /// Forgets the tasks of a server that is none of this node's any more.
    func forget(_ server: Label) { forget { $0.key.server == server } }

    /// Forgets the tasks of all other servers.
    func keepOnly(_ servers: Set<Label>) { forget { !servers.contains($0.key.server) } }

    /// Writes what there is to write, until cancelled; ``close()`` writes the rest.
    func run() async {
        for await _ in bell {
            let changes = takePending()
            do {
                try await shelf.apply(Array(changes.values))
            } catch {
                // With what comes next, or at the end.
                putBack(changes)
                if !(error is CancellationError) { warn(error) }
            }
        }
    }

    /// Writes what is left; blocks. To be called once nothing more is noted.
    func close() {
        do { try shelf.applyAtEnd(Array(takePending().values)) } catch { warn(error) }
    }

    private func takePending() -> [StoredTask.Key: TaskShelf.Change] {
        state.withLock { state in
            defer { state.pending = [:] }
            return state.pending
        }
    }

    private func putBack(_ changes: [StoredTask.Key: TaskShelf.Change]) {
        state.withLock { state in
            // A disk that stays full must not fill the memory.
            guard state.pending.count + changes.count <= 2 * countMax else { return }
            state.pending.merge(changes) { newer, _ in newer }
        }
    }

    private func warn(_ error: any Error) {
        log.warning("Whose task is whose could not be kept.", metadata: ["error": "\(error)"])
    }

    // MARK: -

    private func take(_ changes: [TaskMemory.Change], of server: Label, at place: String) {
        let now = WallTime.now()
        state.withLock { state in
            for change in changes {
                switch change {
                case .forget(let id, let caller): Self.remove(Self.key(server, id, caller), from: &state)
                case .keep(let entry):
                    let key = Self.key(server, entry.id, entry.caller)
                    guard entry.id.utf8.count <= Self.idBytesMax, key.isStorable else { continue }
                    if state.tasks[key] == nil, state.tasks.count >= countMax {
                        makeRoom(in: &state, at: now)
                    }
                    let task = StoredTask(
                        key: key, place: place, made: now.advanced(by: .zero - entry.age),
                        expires: now.advanced(by: entry.left), isHidden: entry.isHidden)
                    state.tasks[key] = task
                    state.pending[key] = .save(task)
                }
            }
        }
        ring.yield()
    }

    /// Those go whose time is over first.
    private func makeRoom(in state: inout State, at now: WallTime) {
        let old = state.tasks.values.sorted { ($0.expires, $0.key.task) < ($1.expires, $1.key.task) }
        let dead = old.prefix { $0.expires <= now }.count
        for task in old.prefix(max(dead, countMax / Self.roomShare, 1)) {
            Self.remove(task.key, from: &state)
        }
    }

    private func forget(where isMeant: (StoredTask) -> Bool) {
        let isAny = state.withLock { state in
            let meant = state.tasks.values.filter(isMeant)
            for task in meant { Self.remove(task.key, from: &state) }
            return !meant.isEmpty
        }
        if isAny { ring.yield() }
    }

    private static func remove(_ key: StoredTask.Key, from state: inout State) {
        guard state.tasks.removeValue(forKey: key) != nil else { return }
        state.pending[key] = .remove(key)
    }

    private static func key(_ server: Label, _ id: String, _ caller: Caller) -> StoredTask.Key {
        StoredTask.Key(server: server, task: id, issuer: caller.issuer, subject: caller.subject)
    }
}

extension ServerDefinition {
    /// Where the server is that keeps its tasks; a child keeps them no longer than it lives.
    fileprivate var place: String {
        switch transport {
        case .stdio: ""
        case .http(let url, _, _): url
        }
    }
}
