import Catalog
import Composition
import Storage
import Synchronization

/// Writes down what this node hears operators say of virtual servers, so that what was replaced or overruled can be shown and
/// brought back.
actor VirtualChronicle {
    private struct Noted: Hashable {
        let name: Label
        let author: NodeID
        let counter: UInt64
        let hash: ContentHash

        init(_ word: VirtualServerWord) {
            (name, author, counter, hash) = (word.name, word.author, word.counter, word.hash)
        }
    }

    private struct Heard {
        var words: [Label: [VirtualServerWord]] = [:]
        var fresh: [VirtualServerWord] = []
        /// Whether anything came since the last note.
        var isNews = false
    }

    /// Words that wait to be written down; of more, what was said in between is not noted.
    private static let freshMax = 1_000

    private let heard = Mutex(Heard())
    private let shelf: VirtualVersionShelf
    private let now: @Sendable () -> WallTime
    /// What was said last of each name, all of which is on the shelf.
    private var noted: Set<Noted> = []
    /// The last note that was begun: each waits for the one before.
    private var writing: Task<Void, any Error>?

    init(shelf: VirtualVersionShelf, now: @escaping @Sendable () -> WallTime = { .now() }) {
        self.shelf = shelf
        self.now = now
    }

    /// Takes to mind a word that no snapshot shows.
    nonisolated func hear(_ word: VirtualServerWord) {
        heard.withLock { heard in
            if heard.fresh.count < Self.freshMax { heard.fresh.append(word) }
            heard.isNews = true
        }
    }

    /// Takes to mind what is new in a snapshot, so that of two words in quick succession the first is not missed.
    ///
    /// - Complexity: O(words), and O(bytes) of those that are not the same in memory
    nonisolated func hear(_ snapshot: CatalogSnapshot) {
        heard.withLock { heard in
            guard heard.words != snapshot.virtualWords else { return }
            for (name, words) in snapshot.virtualWords where heard.words[name] != words {
                let known = heard.words[name] ?? []
                heard.fresh += words.filter { !known.contains($0) }.prefix(Self.freshMax - heard.fresh.count)
            }
            heard.words = snapshot.virtualWords
            heard.isNews = true
        }
    }

    /// Writes down what was heard and is not noted yet, and returns once that and all before it is on the disk.
    ///
    /// - Parameter snapshot: what authors are called is taken from it.
    func note(_ snapshot: CatalogSnapshot) async throws {
        let before = writing
        let task = Task {  // owned: by whoever awaits it, here and in the next note
            _ = await before?.result
            try await write(snapshot)
        }
        writing = task
        try await task.value
    }

    private func write(_ snapshot: CatalogSnapshot) async throws {
        hear(snapshot)
        // It is looked at every second, and words are hashed.
        let news = heard.withLock { heard -> (fresh: [VirtualServerWord], current: [VirtualServerWord])? in
            guard heard.isNews else { return nil }
            defer { (heard.fresh, heard.isNews) = ([], false) }
            return (heard.fresh, Array(heard.words.values.joined()))
        }
        guard let (fresh, current) = news else { return }
        // What stands is noted in any case, also where more came at once than waits.
        var seen = noted
        let new = (fresh + current).filter { seen.insert(Noted($0)).inserted }
        guard !new.isEmpty else { return }
        let nodes = NodeNames(snapshot)
        let now = now().milliseconds
        do {
            try await shelf.note(new.map { VirtualVersion($0, author: nodes[$0.author], learnt: now) })
        } catch {
            heard.withLock { heard in
                heard.fresh = Array((fresh + heard.fresh).prefix(Self.freshMax))
                heard.isNews = true
            }
            throw error
        }
        noted = Set(current.map(Noted.init))
    }

    /// The greatest number under which anything was said of a name, as far as it is noted; 0: nothing was.
    func greatestCounter(of name: Label) async throws -> UInt64 {
        try await shelf.versions(of: name).map(\.word.counter).max() ?? 0
    }

    /// The one that counts first, then the others, the greatest first; and what became of each.
    ///
    /// - Parameter standing: the one that counts, as the catalog has it.
    func history(
        of name: Label, standing: VirtualServerWord?
    ) async throws -> [(version: VirtualVersion, standing: VirtualStanding)] {
        let versions = try await shelf.versions(of: name)
        let standings = VirtualLineage.standings(of: versions.map(\.word), standing: standing)
        let all = zip(versions, standings).map { (version: $0, standing: $1) }
        return all.filter { $0.standing == .stands } + all.filter { $0.standing != .stands }
    }
}
