import Catalog
import Composition
import Search
import Synchronization

/// The search over what this node lists: an index made at the first search, and from then on brought up to date by what has
/// changed when the next search comes.
final class CatalogSearch: Sendable {
    private struct Name: Hashable {
        let kind: EntryKind
        let name: String
    }

    private struct Indexed {
        let number: Int
        let document: SearchDocument
        let entry: ListedEntry
    }

    private struct State {
        var version: UInt64?
        var index = SearchIndex()
        var indexed: [Name: Indexed] = [:]
        var names: [Int: Name] = [:]
    }

    private let state = Mutex(State())

    /// - Parameters:
    ///   - entries: all that may be found.
    ///   - version: equal ones mean equal entries.
    ///   - isChosen: what the search is about; `nil`: all of them.
    ///   - describe: what an entry is found by.
    /// - Returns: best first, and how many there are in all.
    func search(
        _ query: String, among entries: [ListedEntry], version: UInt64, limit: Int,
        isChosen: ((ListedEntry) -> Bool)? = nil, describe: (ListedEntry) -> SearchDocument
    ) -> (found: [(entry: ListedEntry, hit: SearchHit)], total: Int) {
        let vector = Model.compiledIn.vector(of: query)
        return state.withLock { state in
            if state.version != version {
                Self.update(&state, to: entries, describe)
                state.version = version
            }
            let (hits, total) = state.index.search(query, vector: vector, limit: limit) { number in
                guard let isChosen else { return true }
                return state.names[number].flatMap { state.indexed[$0] }.map { isChosen($0.entry) } ?? false
            }
            let found = hits.compactMap { hit in
                state.names[hit.number].flatMap { state.indexed[$0] }.map { (entry: $0.entry, hit: hit) }
            }
            return (found, total)
        }
    }

    private static func update(
        _ state: inout State, to entries: [ListedEntry], _ describe: (ListedEntry) -> SearchDocument
    ) {
        if state.index.isSparse { state = State() }
        var gone = state.indexed
        for entry in entries {
            let name = Name(kind: entry.binding.kind, name: entry.name)
            let document = describe(entry)
            if let known = gone.removeValue(forKey: name) {
                guard known.document != document else {
                    // The same texts, perhaps another definition: what is shown is the new one.
                    state.indexed[name] = Indexed(number: known.number, document: document, entry: entry)
                    continue
                }
                remove(known, from: &state)
            }
            let vector = Model.compiledIn.vector(of: document.textOfMeaning)
            guard let number = state.index.insert(document, vector: vector) else { continue }
            state.indexed[name] = Indexed(number: number, document: document, entry: entry)
            state.names[number] = name
        }
        for (name, known) in gone {
            remove(known, from: &state)
            state.indexed[name] = nil
        }
    }

    private static func remove(_ known: Indexed, from state: inout State) {
        state.index.remove(known.number, known.document)
        state.names[known.number] = nil
    }
}
