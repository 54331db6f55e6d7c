/// One thing that can be found: its texts, each with how much a word in it counts.
package struct Findable: Hashable, Sendable {
    /// A word in the name says what a thing is; in a description it may only be spoken of.
    package static let nameWeight = 4
    package static let titleWeight = 2
    package static let textWeight = 1

    package struct Text: Hashable, Sendable {
        package var text: String
        package var weight: Int

        package init(_ text: String, weight: Int) {
            self.text = text
            self.weight = weight
        }
    }

    package var texts: [Text]

    package init(_ texts: [Text]) { self.texts = texts }

    package init(name: String, title: String? = nil, others: [String] = []) {
        texts = [Text(name, weight: Self.nameWeight)]
        if let title { texts.append(Text(title, weight: Self.titleWeight)) }
        texts += others.map { Text($0, weight: Self.textWeight) }
    }
}

/// Ranks things by plain words: each word of the query has to begin a word of the thing.
///
/// Meaning (static embeddings) and the statistics of words (BM25F) join here later; what is asked and what is answered stays.
package enum Ranking {
    /// Words of a query beyond this are not looked at: nobody types more, and each costs a pass.
    package static let queryWordsMax = 32

    /// - Returns: places in `things` of those that have every word, best first; equal ones in their order. All of them for a
    ///   query without words.
    /// - Complexity: O(words of the query · characters of all texts)
    package static func places(of query: String, in things: [Findable]) -> [Int] {
        let wanted = Array(Words.of(query).prefix(queryWordsMax))
        let scored = things.indices.compactMap { place in
            score(of: things[place], for: wanted).map { (place: place, score: $0) }
        }
        return scored.sorted { ($1.score, $0.place) < ($0.score, $1.place) }.map(\.place)
    }

    /// `nil` unless every word is there. Each counts once, where it counts most; a whole word more than a beginning.
    private static func score(of thing: Findable, for wanted: [String]) -> Int? {
        let texts = thing.texts.map { (words: Words.of($0.text), weight: $0.weight) }
        var total = 0
        for word in wanted {
            let best = texts.compactMap { text -> Int? in
                if text.words.contains(word) { return 2 * text.weight }
                return text.words.contains { $0.hasPrefix(word) } ? text.weight : nil
            }.max()
            guard let best else { return nil }
            total += best
        }
        return total
    }
}
