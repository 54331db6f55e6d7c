import Catalog
import Composition
import JSONSlice

/// One virtual server: what a client of it lists, and where each entry comes from.
struct VirtualServerReport {
    let record: VirtualServerRecord
    let view: EndpointView?
    let catalog: CatalogReport
    let endpoint: String

    /// One line of `virtual list`.
    var summary: JSON {
        .object([
            ("name", .string(record.name.text)), ("title", .string(view?.title ?? "")),
            ("author", .string(catalog.nodes[record.author])),
            ("counter", .number(Int(clamping: record.counter))),
            ("entries", .number(entries.count)), ("endpoint", .string(endpoint)),
            ("mode", .string(view?.isSearched == true ? "search" : "full")),
            ("isConfigured", .bool(record.isConfigured)), ("overruled", .array(overruled)),
        ])
    }

    var whole: JSON {
        let listed = entries.map { entry in
            if let composite = entry.composite { return self.line(entry, of: composite) }
            let server = entry.binding.server
            return catalog.summary(entry).setting(
                "from", to: .string("\(catalog.nodes[server.owner])--\(server.name)/\(entry.binding.entry)"))
        }
        let definition = (try? ResolvedDefinition(json: record.definition))?.written(in: catalog.snapshot)
            .json
        return summary.setting("entries", to: .array(listed))
            .setting("problems", to: .array((view?.notes ?? []).map { .string($0.description) }))
            .setting("definition", to: definition ?? record.definition)
    }

    /// Nodes whose word was lost to one that had not seen it.
    private var overruled: [JSON] {
        let words = catalog.snapshot.virtualWords[record.name] ?? []
        return zip(words, VirtualLineage.standings(of: words, standing: words.first)).filter {
            $1 == .overruled
        }
        .map { word, _ in .string("\(catalog.nodes[word.author]), version \(word.counter)") }
    }

    /// A composite is where its caller is, and as available as the first of its steps that is not.
    private func line(_ entry: ListedEntry, of composite: BoundComposite) -> JSON {
        let steps = composite.tool.steps
        let calls = steps.map { "\(catalog.nodes[$0.server.owner])--\($0.server.name)/\($0.tool)" }
        var seen: Set<String> = []
        return catalog.summary(entry).setting("server", to: .string(record.name.text))
            .setting("owner", to: .string(catalog.nodes[catalog.snapshot.me]))
            .setting("hops", to: .null)
            .setting(
                "from",
                to: .string("steps: " + calls.filter { seen.insert($0).inserted }.joined(separator: ", ")))
    }

    private var entries: [ListedEntry] { EntryKind.allCases.flatMap { view?.list($0) ?? [] } }
}
