package import Catalog
import Synchronization

/// Keeps the addresses of all `dns+srv://` seeds current. Yields what appears and vanishes, decides nothing.
package final class SRVSeeds: Sendable {
    /// Lookups at once: each blocks a thread.
    static let lanesMax = 4

    private let lookup: @Sendable (String) async -> SRVSeed.Outcome
    private let now: @Sendable () -> Instant
    private let seeds: Mutex<[SRVSeed]>
    private let tally = Mutex(SeedTally())

    /// - Parameters:
    ///   - names: whole, such as `_martlet._tcp.example.net`.
    ///   - now: the process's monotonic clock.
    package init(
        _ names: [String], now: @escaping @Sendable () -> Instant,
        lookup: @escaping @Sendable (String) async -> SRVSeed.Outcome = { await SRVLookup()($0) }
    ) {
        self.lookup = lookup
        self.now = now
        seeds = Mutex(names.map { SRVSeed($0, at: now()) })
    }

    /// How each stands, for `doctor`.
    package var all: [SRVSeed] { seeds.withLock { $0 } }

    /// Asks, and asks again, until cancelled.
    ///
    /// - Parameter changed: called one at a time, in order; an address that several seeds name has vanished when none does
    ///   any more. Must neither block nor ask anything of this object.
    package func run(changed: @escaping @Sendable (SRVSeed.Change) -> Void) async {
        let count = seeds.withLock { $0.count }
        await withTaskGroup(of: Void.self) { group in
            for lane in 0..<min(count, Self.lanesMax) {
                group.addTask {
                    await self.run(Array(stride(from: lane, to: count, by: Self.lanesMax)), changed)
                }
            }
            await group.waitForAll()
        }
    }

    /// One lane: its seeds one after the other, each when it is due.
    private func run(_ indices: [Int], _ changed: @Sendable (SRVSeed.Change) -> Void) async {
        while !Task.isCancelled {
            let all = seeds.withLock { $0 }
            guard let next = indices.min(by: { all[$0].dueAt < all[$1].dueAt }) else { return }
            let wait = all[next].dueAt - now()
            if wait > .zero { do { try await Task.sleep(for: wait) } catch { return } }
            let outcome = await lookup(all[next].name)
            if Task.isCancelled { return }
            let changes = seeds.withLock { seeds in
                var random = SystemRandomNumberGenerator()
                return seeds[next].take(outcome, at: now(), using: &random)
            }
            // Inside of the lock, so that two lanes cannot tell of one address in the wrong order.
            tally.withLock { $0.take(changes).forEach(changed) }
        }
    }
}
