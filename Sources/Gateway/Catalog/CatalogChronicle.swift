import Catalog
import Storage

/// Writes down what this node sees entries become. It looks when it is told to, compares each server that changed with what it
/// last noted, and notes the difference.
///
/// What it noted last lies in the data folder, so that a restart is no change.
actor CatalogChronicle {
    private let shelf: EntryVersionShelf
    private let now: @Sendable () -> WallTime
    /// What is noted as standing; `nil` until it was read.
    private var standing: [ServerKey: [EntryAddress: ContentHash]]?
    /// What each server offered when it was last looked at.
    private var seen: [ServerKey: [Entry]] = [:]
    /// When something of each server was last noted.
    private var noted: [ServerKey: WallTime] = [:]
    private var lastSweep: WallTime?
    private var stepsSinceSweep = 0

    /// Changes in one answer; a person reads no more, and they stay within a page of a terminal's memory.
    static let differencesMax = 1_000
    /// How soon a server that changed is looked at again: one that changes all the time must not keep the disk busy. What it
    /// was in between is not noted.
    static let restMin = Duration.seconds(10)
    private static let sweepInterval = Duration.seconds(3_600)
    /// Steps after which it is swept before its time, so that what is forgotten keeps up with what is noted.
    private static let stepsPerSweep = 10_000

    init(shelf: EntryVersionShelf, now: @escaping @Sendable () -> WallTime = { .now() }) {
        self.shelf = shelf
        self.now = now
    }

    /// Notes what is new since the last look. To be called only once the node has taken up all that it stored.
    ///
    /// - Throws: the first failure, after all servers were looked at: what fails for one must not keep the others unnoted.
    /// - Complexity: O(servers), and O(entries) of those that changed
    func look(at snapshot: CatalogSnapshot) async throws {
        var standing = try await known()
        var failure: (any Error)?
        for (key, server) in snapshot.servers {
            // Without a manifest nobody knows yet what it offers.
            guard let manifest = server.manifest else { continue }
            let entries = server.record.state == .disabled ? [] : manifest.entries
            if seen[key] == entries || isResting(key) { continue }
            let steps = EntryStep.from(standing[key] ?? [:], seen[key] ?? [], to: entries, of: key)
            do {
                try await note(steps, &standing)
                seen[key] = entries
            } catch {
                failure = failure ?? error
            }
        }
        for (key, entries) in standing
        where snapshot.servers[key] == nil && !entries.isEmpty && !isResting(key) {
            do {
                try await note(EntryStep.from(entries, [], to: [], of: key), &standing)
            } catch {
                failure = failure ?? error
            }
        }
        seen = seen.filter { snapshot.servers[$0.key] != nil }
        noted = noted.filter { isResting($0.key) }
        do {
            try await sweep()
        } catch {
            failure = failure ?? error
        }
        if let failure { throw failure }
    }

    /// - Returns: at most ``differencesMax``, the newest, in the order of addresses; and whether there are more.
    func differences(sinceSeconds seconds: Int) async throws -> (list: [EntryDifference], isCut: Bool) {
        let time = now().advanced(by: .zero - .seconds(seconds))
        let all = EntryDifference.since(time.milliseconds, try await shelf.touched(since: time))
        guard all.count > Self.differencesMax else { return (all, false) }
        let newest = all.sorted { ($1.at, $0.address) < ($0.at, $1.address) }.prefix(Self.differencesMax)
        return (newest.sorted { $0.address < $1.address }, true)
    }

    func versions(of address: EntryAddress) async throws -> [EntryVersion] {
        try await shelf.versions(of: address)
    }

    // MARK: -

    private func known() async throws -> [ServerKey: [EntryAddress: ContentHash]] {
        if let standing { return standing }
        let read = try await shelf.standing()
        standing = read
        return read
    }

    private func note(
        _ steps: [EntryStep], _ standing: inout [ServerKey: [EntryAddress: ContentHash]]
    ) async throws {
        guard let server = steps.first?.address.server else { return }
        let now = now()
        try await shelf.note(steps, at: now)
        noted[server] = now
        stepsSinceSweep += steps.count
        for step in steps {
            switch step {
            case .added(let address, let hash), .changed(let address, let hash, _):
                standing[address.server, default: [:]][address] = hash
            case .removed(let address): standing[address.server]?[address] = nil
            }
        }
        self.standing = standing
    }

    private func isResting(_ server: ServerKey) -> Bool {
        guard let last = noted[server] else { return false }
        let now = now()
        // A clock that was set back holds nothing up.
        return last <= now && now < last.advanced(by: Self.restMin)
    }

    private func sweep() async throws {
        let now = now()
        if stepsSinceSweep < Self.stepsPerSweep, let lastSweep,
            lastSweep <= now, now < lastSweep.advanced(by: Self.sweepInterval)
        {
            return
        }
        try await shelf.forgetOld(at: now)
        lastSweep = now
        stepsSinceSweep = 0
    }
}
