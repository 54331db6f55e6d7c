/// One word of a virtual server's history, as this node came to know it.
package struct VirtualVersion: Hashable, Sendable {
    package var word: VirtualServerWord
    /// What its author was called then: who left has no name any more.
    package var author: String
    /// Milliseconds since 1970 on this node's clock.
    package var learnt: Int64

    package init(_ word: VirtualServerWord, author: String, learnt: Int64) {
        self.word = word
        self.author = author
        self.learnt = learnt
    }
}

/// What became of a word.
package enum VirtualStanding: String, Hashable, Sendable {
    /// It counts now.
    case stands
    /// A later one took its place.
    case replaced
    /// Another counted instead whose author had not seen it: what it said was lost without anybody deciding so.
    case overruled
}

/// Who replaced whom among the words of one virtual server.
package enum VirtualLineage {
    /// What a definition goes back to from the word that counts: what that replaced; where this is not at hand, or was a removal, the
    /// last one before it that was not lost to another.
    ///
    /// Where none counts any more, to the last definition there was.
    ///
    /// - Parameters:
    ///   - words: the greatest first.
    ///   - standings: of each of `words`.
    /// - Returns: its place in `words`.
    package static func before(
        _ standing: VirtualServerWord?, among words: [VirtualServerWord], _ standings: [VirtualStanding]
    ) -> Int? {
        guard let standing else { return words.firstIndex { $0.definition != nil } }
        return words.indices.first { index in
            let word = words[index]
            return word.hash == standing.replaces && word.counter < standing.counter && word.definition != nil
        }
            ?? words.indices.first { index in
                let word = words[index]
                return standings[index] == .replaced && word.definition != nil && standing.wins(over: word)
                    && word.hash != standing.hash
            }
    }

    /// - Parameters:
    ///   - words: of one name, in any order; some between them may be unknown.
    ///   - standing: the one that counts, which need not be the greatest: whoever said a greater one may be of the mesh no more.
    ///     `nil`: none does.
    /// - Returns: for each of `words` what became of it. Where words are missing, an old one that cannot be placed was
    ///   ``VirtualStanding/replaced``: nobody is told of a conflict that may be none.
    /// - Complexity: O(*n*) on average
    package static func standings(
        of words: [VirtualServerWord], standing: VirtualServerWord?
    ) -> [VirtualStanding] {
        guard let standing, let last = words.firstIndex(of: standing) else {
            return words.map { _ in .replaced }
        }
        var standings = [VirtualStanding](repeating: .overruled, count: words.count)
        standings[last] = .stands
        let byHash = Dictionary(grouping: words.indices) { words[$0].hash }
        // Back from the one that stands, as far as the words are at hand.
        var place = last
        while let hash = words[place].replaces {
            let older = (byHash[hash] ?? []).filter { words[$0].counter < words[place].counter }
            guard let next = older.max(by: { words[$0].counter < words[$1].counter }) else { break }
            // Two authors may have said the same.
            for same in older where words[same].counter == words[next].counter { standings[same] = .replaced }
            place = next
        }
        let end = words[place]
        for index in words.indices where standings[index] == .overruled {
            let word = words[index]
            // What the end of the chain replaced is not known; it stood right below it, and the like of it does not count.
            let isBeforeAll =
                end.replaces != nil && word.counter < end.counter && end.counter - word.counter > 1
            // What is greater and does not count is of somebody whose words count no more; the same words again are no loss.
            if isBeforeAll || word.hash == standing.hash || word.wins(over: standing) {
                standings[index] = .replaced
            }
        }
        return standings
    }
}
