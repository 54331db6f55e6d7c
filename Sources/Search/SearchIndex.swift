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

    /// - Parameter vector: that of ``SearchDocument/textOfMeaning``; empty while it is not known, and then words alone find it.
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

    /// Gives a document its vector, or takes it away, where it is empty.
    package mutating func setVector(_ vector: [Float], of number: Int) {
        guard isRemoved.indices.contains(number) else { return }
        vectors.put(vector, at: number)
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

        let name = Array(Self.trimmed(text).lowercased().utf8)
        let fits = names.fits(of: name)
        var best: Float = 1e-6
        for number in similarities.indices {
            // Who may not be known of, or is no more, has no part in anything that follows.
            if isRemoved[number] || !isAllowed(number) {
                shares[number] = -1
            } else {
                best = max(best, shares[number])
            }
        }
        var few = Best<Ranked>(limit) { $0.isBefore($1) }
        var total = 0
        for number in similarities.indices where shares[number] >= 0 {
            let (share, similarity) = (shares[number], similarities[number])
            let fit = fits.isEmpty ? .none : fits[number] ?? .none
            guard share > 0 || similarity >= Self.similarityMin || fit != .none else { continue }
            total += 1
            let score = Self.similarityShare * similarity + Self.wordsShare * share / best
            few.take(Ranked(number: number, fit: fit, score: score))
        }
        let hits = few.elements
            .map { row in
                SearchHit(
                    number: row.number, score: row.score, similarity: similarities[row.number],
                    words: Self.found(wanted) { words.contains($0, in: row.number) },
                    isNamed: row.fit != .none)
            }
        return (hits, total)
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

/// A document that has to do with the query.
private struct Ranked {
    var number: Int
    var fit: NameList.Fit
    var score: Float

    func isBefore(_ other: Ranked) -> Bool {
        if fit != other.fit { return fit > other.fit }
        if score != other.score { return score > other.score }
        return number < other.number
    }
}

/// The first few of many in an order, without sorting all of them.
struct Best<Element> {
    /// In the order; at most as many as are wanted.
    private(set) var elements: [Element] = []
    private let limit: Int
    private let isBefore: (Element, Element) -> Bool

    /// - Parameter isBefore: a strict order.
    init(_ limit: Int, _ isBefore: @escaping (Element, Element) -> Bool) {
        self.limit = limit
        self.isBefore = isBefore
    }

    /// - Complexity: O(1) for one that is not among them, O(`limit`) else
    mutating func take(_ element: Element) {
        if elements.count >= limit {
            guard let last = elements.last, isBefore(element, last) else { return }
            elements.removeLast()
        }
        var (low, high) = (0, elements.count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(elements[middle], element) { low = middle + 1 } else { high = middle }
        }
        elements.insert(element, at: low)
    }
}
