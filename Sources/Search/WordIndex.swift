#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Ranks documents by the words they share with a query: BM25F (Robertson, Zaragoza, Taylor, CIKM 2004), kept up to date
/// document by document.
///
/// A posting is four bytes: 20 bits of document number and three bits of how often the word stands in each of the four fields.
/// More than seven times changes a score by less than a hundredth.
struct WordIndex: Sendable {
    /// What 20 bits can number.
    static let documentsMax = 1 << 20

    /// The four fields of a document, each with its weight and how strongly its length tells against it.
    private static let weights = SIMD4<Float>(3.0, 1.5, 1.0, 0.5)  // name, server, description, parameters
    private static let lengthPenalties = SIMD4<Float>(0.3, 0.3, 0.6, 0.3)
    /// How soon more of the same word counts no more.
    private static let saturation: Float = 1.0
    private static let countMax: UInt32 = 7

    private var terms: [String: Int] = [:]
    private var postings: [[UInt32]] = []
    /// Documents that have the term and were not removed.
    private var frequencies: [Int] = []
    /// Words in each field of each document.
    private var lengths: [SIMD4<UInt16>] = []
    private var lengthTotals = SIMD4<Double>()
    private(set) var documentCount = 0

    private struct Counted {
        var fields: [String: SIMD4<UInt32>] = [:]
        var length = SIMD4<UInt16>()

        init(_ document: SearchDocument) {
            let texts = [
                document.name, ([document.server] + document.keywords).joined(separator: " "),
                document.description, document.parameters.joined(separator: " "),
            ]
            for (field, text) in texts.enumerated() {
                let words = SearchWords.of(text)
                length[field] = UInt16(clamping: words.count)
                for word in words { fields[word.stem, default: SIMD4()][field] += 1 }
            }
        }
    }

    /// - Parameter number: one more than the last; below ``documentsMax``.
    mutating func insert(_ document: SearchDocument, as number: Int) {
        let counted = Counted(document)
        lengths.append(counted.length)
        note(counted.length, 1)
        for (stem, counts) in counted.fields {
            let term = term(stem)
            postings[term].append(Self.posting(number, counts))
            frequencies[term] += 1
        }
    }

    /// The document counts no more; its postings stay until the index is made anew.
    ///
    /// - Parameter document: as it was inserted.
    mutating func remove(_ document: SearchDocument) {
        let counted = Counted(document)
        note(counted.length, -1)
        for stem in counted.fields.keys {
            if let term = terms[stem] { frequencies[term] -= 1 }
        }
    }

    /// Adds each document's score for the query to `scores`, which has one place a document; removed ones are scored too.
    func score(_ stems: Set<String>, into scores: inout [Float]) {
        guard documentCount > 0 else { return }
        let averages = SIMD4<Float>(lengthTotals / Double(documentCount))
        let slopes = Self.lengthPenalties / averages.replacing(with: 1e-9, where: averages .< 1e-9)
        let count = Float(documentCount)
        for stem in stems {
            guard let term = terms[stem], frequencies[term] > 0 else { continue }
            let frequency = Float(frequencies[term])
            let rarity = log(1 + (count - frequency + 0.5) / (frequency + 0.5))
            let base = 1 - Self.lengthPenalties
            postings[term].withUnsafeBufferPointer { postings in
                lengths.withUnsafeBufferPointer { lengths in
                    for posting in postings {
                        let number = Int(posting >> 12)
                        let norms = base + slopes * SIMD4<Float>(lengths[number])
                        let occurrences = (Self.weights * Self.counts(posting) / norms).sum()
                        scores[number] +=
                            rarity * occurrences * (Self.saturation + 1) / (occurrences + Self.saturation)
                    }
                }
            }
        }
    }

    /// Whether a document has a word; for saying why it was found.
    func contains(_ stem: String, in number: Int) -> Bool {
        guard let term = terms[stem] else { return false }
        // Postings are in the order of their documents.
        let postings = postings[term]
        var (low, high) = (0, postings.count)
        while low < high {
            let middle = (low + high) / 2
            if Int(postings[middle] >> 12) < number { low = middle + 1 } else { high = middle }
        }
        return low < postings.count && Int(postings[low] >> 12) == number
    }

    private mutating func term(_ stem: String) -> Int {
        if let known = terms[stem] { return known }
        terms[stem] = postings.count
        postings.append([])
        frequencies.append(0)
        return postings.count - 1
    }

    private mutating func note(_ length: SIMD4<UInt16>, _ sign: Int) {
        lengthTotals += SIMD4<Double>(length) * Double(sign)
        documentCount += sign
    }

    private static func posting(_ number: Int, _ counts: SIMD4<UInt32>) -> UInt32 {
        var posting = UInt32(truncatingIfNeeded: number) << 12
        for field in 0..<4 { posting |= min(counts[field], countMax) << UInt32(9 - 3 * field) }
        return posting
    }

    private static func counts(_ posting: UInt32) -> SIMD4<Float> {
        let shifted = SIMD4<UInt32>(repeating: posting) &>> SIMD4<UInt32>(9, 6, 3, 0)
        return SIMD4<Float>(shifted & SIMD4<UInt32>(repeating: 7))
    }
}
