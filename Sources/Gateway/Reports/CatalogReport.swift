import Catalog
import Composition
import JSONSlice
import Search
import Storage

/// The catalog as people and scripts see it: entries under the names of `/mcp`, with owner and state.
struct CatalogReport {
    let snapshot: CatalogSnapshot
    let view: EndpointView
    let nodes: NodeNames
    private let replicas: ReplicaSets

    init(snapshot: CatalogSnapshot, view: EndpointView) {
        self.snapshot = snapshot
        self.view = view
        nodes = NodeNames(snapshot)
        replicas = ReplicaSets(snapshot)
    }

    /// What is listed, best first for the query; all of it, in the order of the lists, for a query without words.
    ///
    /// - Parameters:
    ///   - meaning: of the query.
    ///   - isChosen: what else there is does not influence the ranking either.
    /// - Complexity: O(entries), and O(bytes of their texts) for those that are new since the last search
    func search(
        _ query: String, meaning: QueryMeaning = .ofModel, limit: Int, with search: CatalogSearch,
        version: UInt64,
        isChosen: ((ListedEntry) -> Bool)? = nil
    ) -> JSON {
        let entries = self.entries
        guard query.contains(where: { !$0.isWhitespace }) else {
            let chosen = isChosen.map { entries.filter($0) } ?? entries
            return .object([
                ("total", .number(chosen.count)),
                ("entries", .array(chosen.prefix(limit).map(summary))),
            ])
        }
        let answer = search.search(
            query, meaning: meaning, among: entries, version: version, limit: limit, isChosen: isChosen,
            describe: document)
        var members: [(String, JSON)] = [
            ("total", .number(answer.total)),
            (
                "entries",
                .array(answer.found.map { .object(facts($0.entry) + [description($0.entry)] + why($0.hit)) })
            ),
        ]
        if let remark = answer.remark { members.append(("meaning", .string(remark.text))) }
        return .object(members)
    }

    /// All that is listed, in the order of the lists.
    var entries: [ListedEntry] { EntryKind.allCases.flatMap { view.list($0) } }

    func entry(named name: String) -> ListedEntry? {
        EntryKind.allCases.lazy.compactMap { view.entry($0, named: name) }.first
    }

    /// - Parameter more: what else is known of it.
    func show(_ name: String, _ more: [(String, JSON)] = []) -> JSON? {
        guard let entry = entry(named: name) else { return nil }
        var members = facts(entry)
        members.append(("original", .string(entry.binding.entry)))
        members.append(("hash", .string(entry.binding.hash.description)))
        members += more
        members.append(("health", health(of: entry.binding.server)))
        members.append(("definition", entry.definition))
        return .object(members)
    }

    func summary(_ entry: ListedEntry) -> JSON {
        .object(facts(entry) + [description(entry)])
    }

    private func description(_ entry: ListedEntry) -> (String, JSON) {
        ("description", .string(firstLine(of: entry)))
    }

    /// Why a search found an entry: by its name, by words of the query, by meaning alone.
    private func why(_ hit: SearchHit) -> [(String, JSON)] {
        let hundredths = { (value: Float) in JSON.number((Double(value) * 100).rounded() / 100) }
        return [
            ("score", hundredths(hit.score)), ("similarity", hundredths(hit.similarity)),
            ("words", .array(hit.words.map(JSON.string))), ("isNamed", .bool(hit.isNamed)),
        ]
    }

    private func facts(_ entry: ListedEntry) -> [(String, JSON)] {
        let server = entry.binding.server
        return [
            ("name", .string(entry.name)), ("kind", .string(entry.binding.kind.description)),
            ("server", .string(server.name.text)), ("owner", .string(nodes[server.owner])),
            ("state", .string(state(of: entry))),
            ("hops", snapshot.nodes[server.owner].flatMap(hops).map(JSON.number) ?? .null),
        ]
    }

    /// Whether a call to a server can be expected to work, in one word; a replica that works is as good.
    func state(of server: ServerKey) -> String {
        let own = ownState(of: server)
        guard own != Self.available else { return own }
        return replicas.replicas(of: server).contains { ownState(of: $0) == Self.available }
            ? Self.available : own
    }

    /// Whether a call of an entry can be expected to work: a composite's as far as the first of its steps that cannot.
    func state(of entry: ListedEntry) -> String {
        if entry.isHeld { return Self.quarantined }
        guard let composite = entry.composite else { return state(of: entry.binding.server) }
        return composite.tool.steps.lazy.map { state(of: $0.server) }.first { $0 != Self.available }
            ?? Self.available
    }

    static let available = "available"
    static let quarantined = "quarantined"

    func ownState(of server: ServerKey) -> String {
        guard let known = snapshot.servers[server] else { return "unknown" }
        guard known.isConfirmed, snapshot.isConfirmed || server.owner == snapshot.me else {
            return PeerReport.notConfirmed
        }
        guard snapshot.nodes[server.owner]?.isReachable ?? false else { return "unreachable" }
        switch known.record.state {
        case .up, .degraded: return Self.available
        default: return known.record.state.description
        }
    }

    /// What its owner said last of the server behind an entry.
    private func health(of server: ServerKey) -> JSON {
        guard let record = snapshot.servers[server]?.record else { return .null }
        return .object(
            [("state", .string(record.state.description)), ("reason", .string(record.stateReason))]
                + ServerReport.times(of: record, now: .now()))
    }

    private func firstLine(of entry: ListedEntry) -> String {
        let text = entry.definition["description"]?.string ?? entry.definition["title"]?.string ?? ""
        return String(text.prefix { !$0.isNewline })
    }

    /// Links between this node and another; `nil` while there is no way.
    private func hops(to node: NodeRecord) -> Int? {
        if case .reachable(let path) = node.reachability { path.count } else { nil }
    }

    func document(of entry: ListedEntry) -> SearchDocument {
        let server = entry.binding.server
        let schema = entry.definition["inputSchema"]?["properties"]?.members.map(\.key)
        let arguments = entry.definition["arguments"]?.elements.compactMap { $0["name"]?.string }
        return SearchDocument(
            server: server.name.text, name: entry.binding.entry,
            description: entry.definition["description"]?.string ?? "",
            parameters: schema ?? arguments ?? [],
            keywords: [nodes[server.owner]] + (snapshot.servers[server]?.record.tags ?? [])
                + (entry.definition["title"]?.string.map { [$0] } ?? []),
            aliases: [entry.name])
    }
}
