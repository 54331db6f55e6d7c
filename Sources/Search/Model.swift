import CSearchModel

/// The compiled-in model: a text's vector is the sum of its tokens' rows, brought to length 1; no network is run.
///
/// Static token embeddings, distilled from a sentence encoder (CSearchModel/LICENSE.md). Nothing of it is touched before the
/// first text.
package struct Model: Sendable {
    /// Components of a vector.
    package static let dimensions = 256
    /// Tokens of a text beyond this are not looked at.
    static let tokensMax = 256
    /// A word of more characters is no word.
    private static let wordLengthMax = 100

    /// Made at first use.
    package static let compiledIn = Model()

    package let vocabulary: Vocabulary
    private let table: TokenTable

    private init() {
        vocabulary = Vocabulary()
        table = TokenTable(dimensions: Self.dimensions, rows: vocabulary.count)
    }

    /// The rows of a text's tokens, unknown words left out.
    package func tokens(of text: String) -> [Int] {
        var found: [Int] = []
        // Unknown words count towards the bound.
        var count = 0
        for word in BasicTokenizer.words(of: Identifiers.splittingCamelCase(text)) {
            guard count < Self.tokensMax else { break }
            let parts = pieces(of: word)
            if parts.isEmpty { count += 1 }
            for part in parts.prefix(Self.tokensMax - count) {
                found.append(part)
                count += 1
            }
        }
        return found
    }

    /// The greatest token that begins the word, then the greatest that goes on, and so forth (WordPiece); empty when the word
    /// cannot be made of tokens.
    private func pieces(of word: String) -> [Int] {
        guard word.unicodeScalars.count <= Self.wordLengthMax else { return [] }
        var parts: [Int] = []
        // "##" stands before what goes on; the two places before the word are its room.
        let bytes = Array("##".utf8) + Array(word.utf8)
        var start = 2
        while start < bytes.count {
            let isFirst = start == 2
            var end = min(bytes.count, start + vocabulary.lengthMax)
            var part: Int?
            while end > start {
                // Never in the middle of a character.
                if end == bytes.count || bytes[end] & 0xC0 != 0x80 {
                    part = isFirst ? row(bytes[start..<end]) : row([35, 35] + bytes[start..<end])
                    if part != nil { break }
                }
                end -= 1
            }
            guard let part else { return [] }
            parts.append(part)
            start = end
        }
        return parts
    }

    private func row(_ bytes: ArraySlice<UInt8>) -> Int? { bytes.withUnsafeBufferPointer(vocabulary.row) }

    /// The vector of a text: length 1, or all zero when none of its words is known.
    package func vector(of text: String) -> [Float] {
        var sum = [Float](repeating: 0, count: Self.dimensions)
        sum.withUnsafeMutableBufferPointer { sum in
            guard let base = sum.baseAddress else { return }
            for token in tokens(of: text) { table.add(row: token, to: base) }
        }
        let length = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 ? sum.map { $0 / length } : sum
    }
}
