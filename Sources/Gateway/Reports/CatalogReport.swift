import Catalog
import Composition
import JSONSlice
import Search

/// The catalog as people and scripts see it: entries under the names of `/mcp`, with owner and state.
struct CatalogReport {
    let snapshot: CatalogSnapshot
    let view: EndpointView
    let nodes: NodeNames

    init(snapshot: CatalogSnapshot, view: EndpointView) {
        self.snapshot = snapshot
        self.view = view
        nodes = NodeNames(snapshot)
    }

    /// Entries that have each word somewhere: name, title, description, server, owner, tags; best first.
    ///
    /// - Complexity: O(entries · bytes of their texts)
    func search(_ query: String, limit: Int) -> JSON {
        let entries = EntryKind.allCases.flatMap { view.list($0) }
        let found = Ranking.places(of: query, in: entries.map(findable))
        return .object([
            ("total", .number(found.count)),
            ("entries", .array(found.prefix(limit).map { summary(entries[$0]) })),
        ])
    }

    func show(_ name: String) -> JSON? {
        guard let entry = EntryKind.allCases.lazy.compactMap({ view.entry($0, named: name) }).first else {
            return nil
        }
        var members = facts(entry)
        members.append(("original", .string(entry.binding.entry)))
        members.append(("hash", .string(entry.binding.hash.description)))
        members.append(("definition", entry.definition))
        return .object(members)
    }

    func summary(_ entry: ListedEntry) -> JSON {
        .object(facts(entry) + [("description", .string(firstLine(of: entry)))])
    }

    private func facts(_ entry: ListedEntry) -> [(String, JSON)] {
        let server = entry.binding.server
        return [
            ("name", .string(entry.name)), ("kind", .string(entry.binding.kind.description)),
            ("server", .string(server.name.text)), ("owner", .string(nodes[server.owner])),
            ("state", .string(state(of: server))),
        ]
    }

    /// Whether a call to a server can be expected to work, in one word.
    func state(of server: ServerKey) -> String {
        guard let known = snapshot.servers[server] else { return "unknown" }
        guard snapshot.nodes[server.owner]?.isReachable ?? false else { return "unreachable" }
        switch known.record.state {
        case .up, .degraded: return "available"
        default: return known.record.state.description
        }
    }

    private func firstLine(of entry: ListedEntry) -> String {
        let text = entry.definition["description"]?.string ?? entry.definition["title"]?.string ?? ""
        return String(text.prefix { !$0.isNewline })
    }

    private func findable(_ entry: ListedEntry) -> Findable {
        let server = entry.binding.server
        let tags = snapshot.servers[server]?.record.tags ?? []
        return Findable(
            name: entry.name, title: entry.definition["title"]?.string,
            others: [entry.definition["description"]?.string ?? "", server.name.text, nodes[server.owner]]
                + tags)
    }
}
