package import Catalog

/// One seed of the form `dns+srv://NAME`: the addresses that its SRV records give, and when it is asked again.
///
/// An answer replaces what was known; a resolver that does not answer takes nothing away.
package struct SRVSeed: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        case answered(SRVAnswer)
        /// There is no such name, or it has no such records.
        case nothing
        case failed(reason: String)
    }

    package enum Change: Hashable, Sendable {
        case appeared(PeerAddress)
        case vanished(PeerAddress)
    }

    /// How long an answer holds, whatever it says: it must not make us hammer the resolver, nor be kept for days.
    package static let holds: ClosedRange<Duration> = .seconds(30) ... .seconds(3_600)
    /// Doubling waits after lookups that failed: short at first, since a node just started needs its seeds.
    static let retries: ClosedRange<Duration> = .seconds(1) ... .seconds(60)

    package let name: String
    /// In the order of the records.
    package private(set) var addresses: [PeerAddress] = []
    /// Why the last lookup brought nothing; `nil` when it did, or before the first.
    package private(set) var problem: String?
    private var failures = 0
    /// When to ask next.
    package private(set) var dueAt: Instant

    package init(_ name: String, at now: Instant) {
        self.name = name
        dueAt = now
    }

    package mutating func take(
        _ outcome: Outcome, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [Change] {
        let found: [PeerAddress]
        switch outcome {
        case .failed(let reason):
            problem = reason
            let whole = min(Self.retries.lowerBound * (1 << min(failures, 16)), Self.retries.upperBound)
            // Nodes that lost one resolver do not return in step.
            dueAt = now + whole * Double.random(in: 0.5...1, using: &random)
            failures += 1
            return []
        case .nothing:
            problem = "it has no SRV records"
            found = []
            dueAt = now + Self.retries.upperBound
        case .answered(let answer):
            var seen: Set<PeerAddress> = []
            found = answer.records.map(\.address).filter { seen.insert($0).inserted }
            problem = found.isEmpty ? "it has no SRV record that names a host" : nil
            let time = min(
                max(.seconds(Int64(answer.secondsToLive)), Self.holds.lowerBound), Self.holds.upperBound)
            dueAt = now + time
        }
        failures = 0
        let gone = addresses.filter { !found.contains($0) }
        let fresh = found.filter { !addresses.contains($0) }
        addresses = found
        return gone.map { .vanished($0) } + fresh.map { .appeared($0) }
    }
}
