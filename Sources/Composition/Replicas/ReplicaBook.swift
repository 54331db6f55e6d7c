package import Catalog

/// How replicas have served the calls of this node, and which of them the next call goes to.
///
/// Local first, then those of this node's segment, then the others; among equals two are drawn and the quicker one is
/// taken (power of two choices: Mitzenmacher 2001). One that fails is left out for a while. Time and chance are
/// parameters.
package struct ReplicaBook: Sendable {
    /// How near a replica is; nearer ones are taken as long as one of them may be.
    package enum Nearness: UInt8, Hashable, Comparable, Sendable {
        case here = 0
        case segment = 1
        case elsewhere = 2

        package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    package struct Candidate: Hashable, Sendable {
        package var server: ServerKey
        package var nearness: Nearness

        package init(server: ServerKey, nearness: Nearness) {
            self.server = server
            self.nearness = nearness
        }
    }

    package enum Outcome: Hashable, Sendable {
        case answered
        /// It may have run, and no good came of it.
        case failed
        /// It provably reached no backend.
        case unsent
        /// Nothing that speaks for or against the replica: the caller cancelled, or was refused.
        case noMatter
    }

    /// Failures in a row that eject a replica; a call that could not even be sent does so at once.
    package static let failuresMax = 3
    /// For how long, doubling with each further failure.
    package static let ejections: ClosedRange<Duration> = .seconds(5) ... .seconds(60)
    /// Servers whose record is kept; a mesh has few replicas.
    package static let recordsMax = 1_024
    /// Weight of the latest call in the latency.
    private static let latestWeight = 0.3

    private struct Record {
        var running = 0
        var failures = 0
        var ejectedUntil: Instant?
        /// In seconds; 0 before the first answer, so that a new one is tried.
        var latency = 0.0
    }

    private var records: [ServerKey: Record] = [:]

    package init() {}

    /// The replica for one call, and from then on one more call runs there; ``finished(_:_:after:at:)`` ends it.
    ///
    /// - Parameter candidates: those that are up and reachable, and not tried for this call yet.
    /// - Returns: `nil` when there is none. Where all are ejected, one of them is taken all the same.
    package mutating func choose(
        among candidates: [Candidate], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> ServerKey? {
        let standing = candidates.filter { !isEjected($0.server, at: now) }
        let eligible = standing.isEmpty ? candidates : standing
        guard let nearest = eligible.map(\.nearness).min() else { return nil }
        var pool = eligible.filter { $0.nearness == nearest }.map(\.server).sorted()
        var drawn: [ServerKey] = []
        while drawn.count < 2, !pool.isEmpty {
            drawn.append(pool.remove(at: Int.random(in: pool.indices, using: &random)))
        }
        guard let chosen = drawn.min(by: { cost(of: $0) < cost(of: $1) }) else { return nil }
        makeRoom(for: chosen)
        records[chosen, default: Record()].running += 1
        return chosen
    }

    package mutating func finished(
        _ server: ServerKey, _ outcome: Outcome, after elapsed: Duration, at now: Instant
    ) {
        guard var record = records[server] else { return }
        record.running = max(0, record.running - 1)
        switch outcome {
        case .answered:
            let seconds = elapsed / .seconds(1)
            record.latency =
                record.latency == 0
                ? seconds : record.latency * (1 - Self.latestWeight) + seconds * Self.latestWeight
            record.failures = 0
            record.ejectedUntil = nil
        case .failed, .unsent:
            record.failures = min(record.failures + 1, 1_000)
            if outcome == .unsent || record.failures >= Self.failuresMax {
                let doublings = max(0, record.failures - (outcome == .unsent ? 1 : Self.failuresMax))
                let time = min(
                    Self.ejections.lowerBound * (1 << min(doublings, 8)), Self.ejections.upperBound)
                record.ejectedUntil = now + time
            }
        case .noMatter: break
        }
        records[server] = record
    }

    package func isEjected(_ server: ServerKey, at now: Instant) -> Bool {
        records[server]?.ejectedUntil.map { now < $0 } ?? false
    }

    /// Time a call there may take: its latency, once for each call that runs there already and once for this one.
    private func cost(of server: ServerKey) -> Double {
        let record = records[server] ?? Record()
        return record.latency * Double(record.running + 1)
    }

    /// Forgets idle ones before there are too many.
    private mutating func makeRoom(for server: ServerKey) {
        guard records[server] == nil, records.count >= Self.recordsMax else { return }
        records = records.filter { $0.value.running > 0 }
    }
}
