import Catalog
import Composition
import JSONSlice

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

    /// Entries in which each word occurs somewhere: name, title, description, server, owner, tags.
    ///
    /// An entry whose name has the word stands before one that only speaks of it; else the catalog's order holds.
    /// - Complexity: O(entries · bytes of their texts)
    func search(_ query: String, limit: Int) -> JSON {
        let words = query.lowercased().split(whereSeparator: \.isWhitespace)
        var found: [(score: Int, place: Int, entry: ListedEntry)] = []
        for (place, entry) in EntryKind.allCases.flatMap({ view.list($0) }).enumerated() {
            guard let score = score(entry, words) else { continue }
            found.append((score, place, entry))
        }
        found.sort { ($1.score, $0.place) < ($0.score, $1.place) }
        return .object([
            ("total", .number(found.count)),
            ("entries", .array(found.prefix(limit).map { summary($0.entry) })),
        ])
    }

    func show(_ name: String) -> JSON? {
        guard let entry = EntryKind.allCases.lazy.compactMap({ view.entry($0, named: name) }).first else { return nil }
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

    /// `nil` unless every word occurs.
    private func score(_ entry: ListedEntry, _ words: [Substring]) -> Int? {
        let server = entry.binding.server
        let name = entry.name.lowercased()
        let texts =
            [
                entry.definition["title"]?.string, entry.definition["description"]?.string, server.name.text,
                nodes[server.owner],
            ].compactMap { $0?.lowercased() } + (snapshot.servers[server]?.record.tags ?? []).map { $0.lowercased() }
        var score = 0
        for word in words {
            if name.contains(word) {
                score += 2
            } else if texts.contains(where: { $0.contains(word) }) {
                score += 1
            } else {
                return nil
            }
        }
        return score
    }
}
