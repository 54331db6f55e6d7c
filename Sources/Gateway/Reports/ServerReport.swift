import Catalog
import Composition
import JSONSlice
import Storage

/// One server as `servers list` and `status` show it.
struct ServerReport {
    /// What of a child's last lines is shown: enough for a stack trace.
    static let linesMax = 40

    let known: CatalogSnapshot.KnownServer
    let owner: String
    let isOwn: Bool
    let isReachable: Bool
    /// Of other nodes' servers: whether what is known of them may be called.
    var isConfirmed = true
    /// Of this node's own servers only.
    var book: ServerBook?
    var latency: Duration?
    /// Each name under `replicaOf`, and what became of it.
    var replicas: [JSON] = []
    /// What its process last wrote besides messages. Of this node's own servers only, and never told to another node: it
    /// may hold a credential.
    var lastLines: [String] = []
    /// What it told that could not be told on. Of this node's own servers only.
    var strayRemark: String?

    /// - Parameter snapshot: what both sides of a replica are looked up in.
    static func replicas(of known: CatalogSnapshot.KnownServer, in snapshot: CatalogSnapshot) -> [JSON] {
        ReplicaSets.standings(of: known, in: snapshot).map { name, standing in
            let holds = if case .replica = standing { true } else { false }
            return [
                "of": .string(name.description), "holds": .bool(holds),
                "why": .string(standing.description),
            ]
        }
    }

    private var isBeingAsked: Bool { book?.isBeingAsked ?? false }

    private var state: String {
        guard isConfirmed, known.isConfirmed else { return PeerReport.notConfirmed }
        guard isReachable else { return "unreachable" }
        return (isBeingAsked ? ServerState.starting : known.record.state).description
    }

    private var reason: String {
        let reason = known.record.stateReason
        guard isBeingAsked else { return reason }
        return "being asked again; it was \(known.record.state)" + (reason.isEmpty ? "" : ": \(reason)")
    }

    var json: JSON {
        let record = known.record
        let entries = known.manifest?.entries ?? []
        let count = { (kind: EntryKind) in JSON.number(entries.count { $0.kind == kind }) }
        var members: [(String, JSON)] = [
            ("name", .string(record.key.name.text)), ("owner", .string(owner)), ("own", .bool(isOwn)),
            ("state", .string(state)), ("reason", .string(reason)),
        ]
        members += Self.times(of: record, now: .now())
        members += [
            ("revision", .string(record.revision)),
            ("tools", count(.tool)), ("resources", count(.resource)), ("templates", count(.resourceTemplate)),
            ("prompts", count(.prompt)), ("tags", .array(record.tags.map(JSON.string))),
        ]
        if !replicas.isEmpty { members.append(("replicas", .array(replicas))) }
        if let title = record.title { members.append(("title", .string(title))) }
        if let latency { members.append(("latencyMilliseconds", .number(latency.milliseconds))) }
        if let book {
            let origin =
                switch book.origin {
                case .configuration(let file): file
                case .command: "command"
                }
            members.append(("definedBy", .string(origin)))
            members.append(("definition", book.definition.json))
            let remarks = book.remarks + [strayRemark].compactMap(\.self)
            if !remarks.isEmpty { members.append(("remarks", .array(remarks.map(JSON.string)))) }
            let lines = lastLines.suffix(Self.linesMax)
            if !lines.isEmpty { members.append(("stderr", .array(lines.map(JSON.string)))) }
        }
        return .object(members)
    }
}

extension ServerReport {
    /// How long ago it came into its state, and when its owner last had an answer of it; left out where nobody knows.
    ///
    /// Of another node's server that is up, the last answer was told when it came up, and says nothing.
    static func times(of record: ServerRecord, now: WallTime) -> [(String, JSON)] {
        // Another node's clock may be ahead of ours.
        let age = { (time: UInt64) in JSON.number(Int(clamping: now.seconds - min(time, now.seconds))) }
        var members: [(String, JSON)] = []
        if record.stateSince > 0 { members.append(("sinceSeconds", age(record.stateSince))) }
        if record.lastSuccess > 0 { members.append(("lastSuccessSeconds", age(record.lastSuccess))) }
        return members
    }
}

extension Duration {
    /// Milliseconds to two decimals.
    var milliseconds: Double {
        let (seconds, attoseconds) = components
        let exact = Double(seconds) * 1_000 + Double(attoseconds) / 1e15
        return (exact * 100).rounded() / 100
    }

    var wholeSeconds: Int { Int(components.seconds) }
}
