import Catalog
import Composition
import Search
import Synchronization

/// The search over what this node lists: an index made at the first search, and from then on brought up to date by what has
/// changed when the next search comes.
///
/// What texts mean says the compiled-in model, or the endpoint that is configured in its place. The latter takes its time: until it
/// has answered, a document is found by its words alone.
final class CatalogSearch: Sendable {
    struct Outcome {
        /// Best first.
        var found: [(entry: ListedEntry, hit: SearchHit)]
        /// How many there are in all.
        var total: Int
        var remark: MeaningRemark?
    }

    private struct Name: Hashable {
        let kind: EntryKind
        let name: String
    }

    private struct Indexed {
        let number: Int
        let document: SearchDocument
        let entry: ListedEntry
    }

    /// A document without a vector.
    private struct Pending {
        let number: Int
        let key: ContentHash
    }

    private struct State {
        var version: UInt64?
        var index: SearchIndex
        var indexed: [Name: Indexed] = [:]
        var names: [Int: Name] = [:]
        /// In the order of their numbers.
        var pending: [Pending] = []
        /// What was known at the endpoint's desk when ``pending`` was looked through; all vectors here are of its space.
        var mark: EmbeddingAgenda.Mark?

        init(dimensions: Int) { index = SearchIndex(dimensions: dimensions) }
    }

    private let embedder: Embedder?
    private let state: Mutex<State>

    /// - Parameter embedder: `nil`: the compiled-in model.
    init(embedder: Embedder? = nil) {
        self.embedder = embedder
        state = Mutex(State(dimensions: embedder?.settings.dimensions ?? Model.dimensions))
    }

    /// - Parameters:
    ///   - meaning: of the query.
    ///   - entries: all that may be found.
    ///   - version: equal ones mean equal entries.
    ///   - isChosen: what the search is about; `nil`: all of them.
    ///   - describe: what an entry is found by.
    func search(
        _ query: String, meaning: QueryMeaning = .ofModel, among entries: [ListedEntry], version: UInt64,
        limit: Int, isChosen: ((ListedEntry) -> Bool)? = nil, describe: (ListedEntry) -> SearchDocument
    ) -> Outcome {
        let known = embedder == nil ? Model.compiledIn.vector(of: query) : nil
        return state.withLock { state in
            update(&state, to: entries, version, describe)
            let (vector, remark) = known.map { ($0, nil) } ?? self.vector(of: meaning, state)
            let (hits, total) = state.index.search(query, vector: vector, limit: limit) { number in
                guard let isChosen else { return true }
                return state.names[number].flatMap { state.indexed[$0] }.map { isChosen($0.entry) } ?? false
            }
            let found = hits.compactMap { hit in
                state.names[hit.number].flatMap { state.indexed[$0] }.map { (entry: $0.entry, hit: hit) }
            }
            return Outcome(found: found, total: total, remark: remark)
        }
    }

    /// Brings the index up to date before anybody searches, so that the endpoint hears of what is new.
    func refresh(
        to entries: [ListedEntry], version: UInt64, describe: (ListedEntry) -> SearchDocument
    ) {
        state.withLock { update(&$0, to: entries, version, describe) }
    }

    /// Whether ``refresh(to:version:describe:)`` would find anything new.
    func isCurrent(_ version: UInt64) -> Bool { state.withLock { $0.version == version } }

    /// Takes up what the endpoint has answered since, and wants what there was no room for.
    func settle() { state.withLock { settle(&$0) } }

    // MARK: -

    /// - Returns: nothing that could be compared with vectors of another space.
    private func vector(of meaning: QueryMeaning, _ state: State) -> ([Float], MeaningRemark?) {
        switch meaning {
        case .vector(let vector, let space) where space == state.mark?.space:
            guard !state.pending.isEmpty else { return (vector, nil) }
            return (
                vector,
                .documents(state.pending.count, of: state.index.count, embedder?.standing.trouble)
            )
        case .vector: return ([], .query("the endpoint has come to answer with another model"))
        case .unknown(let reason): return ([], .query(reason))
        case .ofModel: return ([], .query("the endpoint was not asked"))
        }
    }

    private func update(
        _ state: inout State, to entries: [ListedEntry], _ version: UInt64,
        _ describe: (ListedEntry) -> SearchDocument
    ) {
        settle(&state)
        guard state.version != version else { return }
        if state.index.isSparse {
            let mark = state.mark
            state = State(dimensions: embedder?.settings.dimensions ?? Model.dimensions)
            state.mark = mark
        }
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
            insert(document, of: entry, as: name, into: &state)
        }
        for (name, known) in gone {
            remove(known, from: &state)
            state.indexed[name] = nil
        }
        let names = state.names
        state.pending.removeAll { names[$0.number] == nil }
        state.version = version
    }

    private func insert(
        _ document: SearchDocument, of entry: ListedEntry, as name: Name, into state: inout State
    ) {
        let text = document.textOfMeaning
        var key: ContentHash?
        let vector: [Float]?
        if let embedder {
            let own = Embedder.key(of: text)
            key = own
            vector = state.mark.flatMap { embedder.vector(own, in: $0.space, text: text) }
        } else {
            vector = Model.compiledIn.vector(of: text)
        }
        guard let number = state.index.insert(document, vector: vector ?? []) else { return }
        state.indexed[name] = Indexed(number: number, document: document, entry: entry)
        state.names[number] = name
        if vector == nil, let key { state.pending.append(Pending(number: number, key: key)) }
    }

    private func remove(_ known: Indexed, from state: inout State) {
        state.index.remove(known.number, known.document)
        state.names[known.number] = nil
    }

    private func settle(_ state: inout State) {
        guard let embedder else { return }
        let mark = embedder.mark
        guard mark != state.mark else { return }
        if let before = state.mark, before.space != mark.space {
            for known in state.indexed.values { state.index.setVector([], of: known.number) }
            state.pending = state.indexed.values
                .map { Pending(number: $0.number, key: Embedder.key(of: $0.document.textOfMeaning)) }
                .sorted { $0.number < $1.number }
        }
        state.mark = mark
        var rest: [Pending] = []
        for item in state.pending {
            guard let known = state.names[item.number].flatMap({ state.indexed[$0] }) else { continue }
            if let vector = embedder.vector(item.key, in: mark.space, text: known.document.textOfMeaning) {
                state.index.setVector(vector, of: item.number)
            } else {
                rest.append(item)
            }
        }
        state.pending = rest
    }
}
