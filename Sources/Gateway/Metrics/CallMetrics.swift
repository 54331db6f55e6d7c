import Audit
import Catalog
import MCPModel
import Synchronization

/// Counts calls as they end, for ``MetricsPage``: on the way of every call, so without a lock, and without anything made for a
/// server that was called before.
final class CallMetrics: Sendable {
    /// Servers that have numbers of their own at each end; further ones share those of `_other`. Each costs a page some 25 lines.
    static let serversMax = 256
    static let virtualServersMax = 128
    /// No server can be named so (``Label``).
    static let noServer = "_none"
    static let otherServers = "_other"

    /// One end's calls.
    private struct End: ~Copyable, Sendable {
        let servers = TallyTable<ServerKey>(countMax: serversMax)
        /// Calls that led to no server that this node knows, and composites, which run at their entry node.
        let noServer = CallTally()
        let begun = Atomic<Int>(0)
        let ended = Atomic<Int>(0)
        let failures = InlineArray<19, Atomic<Int>> { _ in Atomic(0) }
    }

    private let entry = End()
    private let owner = End()
    private let virtualServers = TallyTable<Label>(countMax: virtualServersMax)

    func begun(_ end: AuditRecord.End) {
        switch end {
        case .entry: entry.begun.wrappingAdd(1, ordering: .relaxed)
        case .owner: owner.begun.wrappingAdd(1, ordering: .relaxed)
        }
    }

    /// - Parameters:
    ///   - reason: why it came to no answer, where this node or another said so.
    ///   - isKnown: whether there is such a server: at the owner its name is another node's word. Asked where it has no numbers yet.
    func ended(
        _ facts: CallFacts, _ outcome: AuditRecord.Outcome, _ reason: Reason?, after elapsed: Duration,
        isKnown: (ServerKey) -> Bool
    ) {
        switch facts.end {
        case .entry:
            Self.add(to: entry, facts.server, outcome, reason, elapsed, isKnown)
            if let name = facts.virtualServer {
                // Whatever an endpoint's view was found for is there.
                virtualServers.tally(of: name) { _ in true }?.add(outcome, after: elapsed)
            }
        case .owner:
            Self.add(to: owner, facts.server, outcome, reason, elapsed, isKnown)
        }
    }

    private static func add(
        to end: borrowing End, _ server: ServerKey?, _ outcome: AuditRecord.Outcome, _ reason: Reason?,
        _ elapsed: Duration, _ isKnown: (ServerKey) -> Bool
    ) {
        let tally = server.flatMap { end.servers.tally(of: $0, isKnown: isKnown) } ?? end.noServer
        tally.add(outcome, after: elapsed)
        if let reason { end.failures[reason.place].wrappingAdd(1, ordering: .relaxed) }
        end.ended.wrappingAdd(1, ordering: .relaxed)
    }

    // MARK: Reading

    /// Adds the families of calls.
    ///
    /// - Parameter name: of a node, for people.
    func write(to page: inout MetricsPage, name: (NodeID) -> String) {
        let ends: [(AuditRecord.End, [Row])] = [
            (.entry, Self.rows(of: entry, name)), (.owner, Self.rows(of: owner, name)),
        ]
        page.counter(
            "martlet_calls_total", "Calls that have ended, by end, server and what came of them.",
            ends.flatMap { end, rows in
                rows.flatMap { row in
                    AuditRecord.Outcome.allCases.map { outcome in
                        (
                            row.labels(end) + [("outcome", outcome.rawValue)],
                            .count(row.tally.count(of: outcome))
                        )
                    }
                }
            })
        page.histogram(
            "martlet_call_duration_seconds",
            "Time that calls took which were not refused, from their coming in to their end.",
            ends.flatMap { end, rows in rows.map { ($0.labels(end), $0.tally.readDurations()) } })
        page.counter(
            "martlet_call_failures_total", "Calls that a node of the mesh ended itself, by end and reason.",
            Self.failures(of: entry, .entry) + Self.failures(of: owner, .owner))
        page.gauge(
            "martlet_calls_open", "Calls that have begun and not ended.",
            [
                ([("end", AuditRecord.End.entry.rawValue)], .count(Self.open(of: entry))),
                ([("end", AuditRecord.End.owner.rawValue)], .count(Self.open(of: owner))),
            ])
        let virtual =
            virtualServers.all.sorted { $0.key < $1.key }.map { ($0.key.text, $0.tally) }
            + [(Self.otherServers, virtualServers.overflow)].filter { !$0.1.isEmpty }
        page.counter(
            "martlet_virtual_server_calls_total",
            "Calls that have ended and came in through a virtual server, by what came of them.",
            virtual.flatMap { name, tally in
                AuditRecord.Outcome.allCases.map { outcome in
                    (
                        [("virtual_server", name), ("outcome", outcome.rawValue)],
                        .count(tally.count(of: outcome))
                    )
                }
            })
    }

    private struct Row {
        var owner: String
        var server: String
        var tally: CallTally

        func labels(_ end: AuditRecord.End) -> MetricsPage.Labels {
            [("end", end.rawValue), ("owner", owner), ("server", server)]
        }
    }

    /// By names; then those of no server and of too many.
    private static func rows(of end: borrowing End, _ name: (NodeID) -> String) -> [Row] {
        end.servers.all.map { Row(owner: name($0.key.owner), server: $0.key.name.text, tally: $0.tally) }
            .sorted { ($0.owner, $0.server) < ($1.owner, $1.server) }
            + [
                Row(owner: "", server: noServer, tally: end.noServer),
                Row(owner: "", server: otherServers, tally: end.servers.overflow),
            ].filter { !$0.tally.isEmpty }
    }

    private static func failures(
        of end: borrowing End, _ which: AuditRecord.End
    ) -> [(MetricsPage.Labels, MetricsPage.Value)] {
        var samples: [(MetricsPage.Labels, MetricsPage.Value)] = []
        for reason in Reason.allCases {
            samples.append(
                (
                    [("end", which.rawValue), ("reason", reason.rawValue)],
                    .count(end.failures[reason.place].load(ordering: .relaxed))
                ))
        }
        return samples
    }

    /// What has ended is read first: one that ends in between is open once more, and never fewer than none.
    private static func open(of end: borrowing End) -> Int {
        let ended = end.ended.load(ordering: .relaxed)
        return max(0, end.begun.load(ordering: .relaxed) - ended)
    }
}

extension Reason {
    /// 0 to 18, in the order of `allCases`; a test holds the two together.
    var place: Int {
        switch self {
        case .unknownEntry: 0
        case .ownerUnreachable: 1
        case .noPath: 2
        case .notConfirmed: 3
        case .backendUnavailable: 4
        case .backendProtocol: 5
        case .backendAuth: 6
        case .deadlineExceeded: 7
        case .outcomeUnknown: 8
        case .denied: 9
        case .pendingApproval: 10
        case .quarantined: 11
        case .limited: 12
        case .blockedByGuardrail: 13
        case .tooLarge: 14
        case .invalidArguments: 15
        case .cancelled: 16
        case .sealed: 17
        case .unsupportedInEra: 18
        }
    }
}
