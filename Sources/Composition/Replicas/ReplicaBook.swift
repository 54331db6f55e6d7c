package import Catalog

/// How replicas have served the calls of this node, and which of them the next call goes to.
///
/// Local first, then those of this node's segment, then the others; among equals two are drawn and the one is taken
/// that promises to be quicker (power of two choices: Mitzenmacher 2001). One that fails is left out for a while, and then
/// gets one call at a time until it has answered. Time and chance are parameters.
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
        /// It provably reached no backend, since none was to be had.
        case unsent
        /// Nothing that speaks for or against the replica: the caller cancelled, or was refused.
        case noMatter
    }

    /// Failures in a row that eject a replica; a call that could not even be sent does so at once.
    package static let failuresMax = 3
    /// For how long, doubling with each further failure.
    package static let ejections: ClosedRange<Duration> = .seconds(5) ... .seconds(60)
    /// How long a latency counts without a newer one: what was slow once is tried again, at the cost of one slow call.
    package static let latencyKept = Duration.seconds(60)
    /// Servers whose record is kept; a mesh has few replicas.
    package static let recordsMax = 1_024
    /// Weight of the latest call in the latency.
    private static let latestWeight = 0.3
    /// In seconds. What is quicker differs by chance alone, and calls that run must count for something.
    private static let latencyMin = 0.001

    private struct Record {
        var running = 0
        var failures = 0
        var ejectedUntil: Instant?
        /// It was ejected, and has answered nothing since.
        var isOnTrial = false
        /// In seconds, and when it was last measured. Of calls that were not answered it is known that it is no less.
        var latency: Double?
        var measuredAt = Instant.zero
        /// Whether an answer is part of the latency.
        var hasAnswered = false

        func latency(at now: Instant) -> Double? {
            now - measuredAt > ReplicaBook.latencyKept ? nil : latency
        }

        mutating func measured(_ seconds: Double, at now: Instant) {
            let weight = ReplicaBook.latestWeight
            latency = latency(at: now).map { $0 * (1 - weight) + seconds * weight } ?? seconds
            measuredAt = now
        }

        /// A call ended without an answer: it only ever raises the latency.
        mutating func tookAtLeast(_ seconds: Double, at now: Instant) {
            if seconds > latency(at: now) ?? 0 { measured(seconds, at: now) }
        }
    }

    private var records: [ServerKey: Record] = [:]

    package init() {}

    /// The replica for one call, and from then on one more call runs there; ``finished(_:_:after:at:)`` ends it.
    ///
    /// - Parameter candidates: those that are up and reachable, and not tried for this call yet.
    /// - Returns: `nil` when there is none. Where all are left out, one of them is taken all the same.
    package mutating func choose(
        among candidates: [Candidate], at now: Instant, using random: inout some RandomNumberGenerator
    ) -> ServerKey? {
        var pool = inLine(among: candidates, at: now)
        guard !pool.isEmpty else { return nil }
        let usual = median(of: pool, at: now)
        var drawn: [ServerKey] = []
        while drawn.count < 2, !pool.isEmpty {
            drawn.append(pool.remove(at: Int.random(in: pool.indices, using: &random)))
        }
        let costs = drawn.map { (server: $0, cost: cost(of: $0, usual: usual, at: now)) }
        guard let chosen = costs.min(by: { $0.cost < $1.cost })?.server else { return nil }
        sent(to: chosen)
        return chosen
    }

    /// The replicas of which the next call gets one: the nearest of those that are not left out.
    package func inLine(among candidates: [Candidate], at now: Instant) -> [ServerKey] {
        let standing = candidates.filter { !isLeftOut($0.server, at: now) }
        let eligible = standing.isEmpty ? candidates : standing
        let nearest = eligible.map(\.nearness).min()
        return eligible.filter { $0.nearness == nearest }.map(\.server).sorted()
    }

    /// One more call runs there from now on, though nobody chose it; ``finished(_:_:after:at:)`` ends it as any other.
    package mutating func sent(to server: ServerKey) {
        makeRoom(for: server)
        records[server, default: Record()].running += 1
    }

    package mutating func finished(
        _ server: ServerKey, _ outcome: Outcome, after elapsed: Duration, at now: Instant
    ) {
        guard var record = records[server] else { return }
        record.running = max(0, record.running - 1)
        let seconds = max(elapsed / .seconds(1), Self.latencyMin)
        switch outcome {
        case .answered:
            // What failures took says nothing of one that answers again.
            if !record.hasAnswered { record.latency = nil }
            record.measured(seconds, at: now)
            record.hasAnswered = true
            record.failures = 0
            record.ejectedUntil = nil
            record.isOnTrial = false
        case .failed, .unsent:
            record.failures = min(record.failures + 1, 1_000)
            if outcome == .unsent || record.failures >= Self.failuresMax {
                let doublings = max(0, record.failures - (outcome == .unsent ? 1 : Self.failuresMax))
                let time = min(
                    Self.ejections.lowerBound * (1 << min(doublings, 8)), Self.ejections.upperBound)
                record.ejectedUntil = now + time
                // Once its time is over it is tried like one that nobody has heard of.
                record.isOnTrial = true
                (record.latency, record.hasAnswered) = (nil, false)
            } else {
                record.tookAtLeast(seconds, at: now)
            }
        case .noMatter: record.tookAtLeast(seconds, at: now)
        }
        records[server] = record
    }

    package func isEjected(_ server: ServerKey, at now: Instant) -> Bool {
        records[server]?.ejectedUntil.map { now < $0 } ?? false
    }

    /// Ejected, or on trial, and its one call runs.
    private func isLeftOut(_ server: ServerKey, at now: Instant) -> Bool {
        guard let record = records[server] else { return false }
        return isEjected(server, at: now) || (record.isOnTrial && record.running > 0)
    }

    /// Time a call there may take: its latency, once for each call that runs there already and once for this one.
    ///
    /// - Parameter usual: taken for the latency of one that has answered nothing yet, so that what hangs there counts.
    private func cost(of server: ServerKey, usual: Double, at now: Instant) -> Double {
        let record = records[server] ?? Record()
        let known = record.latency(at: now)
        let latency = record.hasAnswered ? known ?? usual : max(known ?? usual, usual)
        return latency * Double(record.running + 1)
    }

    /// The middle one of the latencies that answers have shown.
    private func median(of servers: [ServerKey], at now: Instant) -> Double {
        let known = servers.compactMap { server -> Double? in
            guard let record = records[server], record.hasAnswered else { return nil }
            return record.latency(at: now)
        }.sorted()
        return known.isEmpty ? Self.latencyMin : known[known.count / 2]
    }

    /// Forgets idle ones before there are too many.
    private mutating func makeRoom(for server: ServerKey) {
        guard records[server] == nil, records.count >= Self.recordsMax else { return }
        records = records.filter { $0.value.running > 0 }
    }
}
