/// What a search found of one document, and why.
package struct SearchHit: Hashable, Sendable {
    package var number: Int
    /// 0.7 of the similarity and 0.3 of the share of words; comparable within one search only.
    package var score: Float
    /// Cosine of the meanings, −1 to 1.
    package var similarity: Float
    /// Words of the query that the document has, as they were written.
    package var words: [String]
    /// Whether the query is a whole name of it, or begins one.
    package var isNamed: Bool
}

/// Ranks documents for a query by meaning and by words together: 0.7 · cosine + 0.3 · BM25F ÷ the query's best BM25F, and
/// above all others what the query names or begins to name.
///
/// A document is known by its number. Removed documents leave holes; past ``holesMax`` of them, ``isSparse`` says that the index
/// is best made anew.
package struct SearchIndex: Sendable {
    package static let documentsMax = WordIndex.documentsMax
    /// Characters of a query beyond this are not looked at.
    package static let queryLengthMax = 2_000
    static let similarityShare: Float = 0.7
    static let wordsShare: Float = 0.3
    /// Below this, and with no word in common, a document has nothing to do with the query.
    static let similarityMin: Float = 0.2

    private var vectors: VectorBlock
    private var words = WordIndex()
    private var names = NameList()
    private var isRemoved: [Bool] = []
    private var holes = 0

    /// - Parameter dimensions: of the vectors that will be given.
    package init(dimensions: Int = Model.dimensions) { vectors = VectorBlock(dimensions: dimensions) }

    /// Documents that can be found.
    package var count: Int { words.documentCount }

    /// Whether more than half of what is held was removed.
    package var isSparse: Bool { holes > count }

    /// - Parameter vector: that of ``SearchDocument/textOfMeaning``.
    /// - Returns: the document's number; `nil` when the index is full.
    /// - Complexity: O(characters of the document)
    package mutating func insert(_ document: SearchDocument, vector: [Float]) -> Int? {
        let number = isRemoved.count
        guard number < Self.documentsMax else { return nil }
        isRemoved.append(false)
        vectors.append(vector)
        words.insert(document, as: number)
        names.append([document.name] + document.aliases)
        return number
    }

    /// - Parameter document: as it was inserted under this number.
    package mutating func remove(_ number: Int, _ document: SearchDocument) {
        guard isRemoved.indices.contains(number), !isRemoved[number] else { return }
        isRemoved[number] = true
        holes += 1
        words.remove(document)
    }

    /// The best documents, best first, equal ones in the order of their numbers; and how many there are in all.
    ///
    /// - Parameters:
    ///   - vector: of the query.
    ///   - isAllowed: whether the searcher may know of a document at all; others influence nothing.
    /// - Complexity: O(documents · dimensions + postings of the query's words)
    package func search(
        _ query: String, vector: [Float], limit: Int, isAllowed: (Int) -> Bool = { _ in true }
    ) -> (hits: [SearchHit], total: Int) {
        let text = String(String.UnicodeScalarView(query.unicodeScalars.prefix(Self.queryLengthMax)))
        let wanted = SearchWords.of(text)
        let similarities = vectors.similarities(to: vector)
        var shares = [Float](repeating: 0, count: similarities.count)
        words.score(Set(wanted.map(\.stem)), into: &shares)

        let candidates = similarities.indices.filter { !isRemoved[$0] && isAllowed($0) }
        let best = candidates.reduce(Float(1e-6)) { max($0, shares[$1]) }
        let name = Array(Self.trimmed(text).lowercased().utf8)
        var ranked: [(number: Int, fit: NameList.Fit, score: Float)] = []
        for number in candidates {
            let fit = names.fit(of: name, to: number)
            guard fit != .none || shares[number] > 0 || similarities[number] >= Self.similarityMin else {
                continue
            }
            let score = Self.similarityShare * similarities[number] + Self.wordsShare * shares[number] / best
            ranked.append((number, fit, score))
        }
        let hits = Best.of(ranked, limit) { ($0.fit, $0.score, $1.number) > ($1.fit, $1.score, $0.number) }
            .map { row in
                SearchHit(
                    number: row.number, score: row.score, similarity: similarities[row.number],
                    words: Self.found(wanted) { words.contains($0, in: row.number) },
                    isNamed: row.fit != .none)
            }
        return (hits, ranked.count)
    }

    private static func trimmed(_ text: String) -> Substring {
        var rest = Substring(text)
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return rest
    }

    private static func found(_ wanted: [SearchWords.Word], _ isThere: (String) -> Bool) -> [String] {
        var seen: Set<String> = []
        return wanted.filter { isThere($0.stem) && seen.insert($0.stem).inserted }.map(\.written)
    }
}

/// The first few of many in an order, without sorting all of them.
enum Best {
    /// - Parameter isBefore: a strict order.
    /// - Complexity: O(*n* log `limit`)
    static func of<Element>(
        _ elements: [Element], _ limit: Int, _ isBefore: (Element, Element) -> Bool
    ) -> [Element] {
        guard limit > 0 else { return [] }
        guard elements.count > 4 * limit else { return Array(elements.sorted(by: isBefore).prefix(limit)) }
        var kept: [Element] = []
        kept.reserveCapacity(2 * limit)
        for element in elements {
            if kept.count == limit, let last = kept.last, !isBefore(element, last) { continue }
            var (low, high) = (0, kept.count)
            while low < high {
                let middle = (low + high) / 2
                if isBefore(kept[middle], element) { low = middle + 1 } else { high = middle }
            }
            kept.insert(element, at: low)
            if kept.count > limit { kept.removeLast() }
        }
        return kept
    }
}
