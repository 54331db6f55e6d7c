/// The words that a text is found by: identifiers taken apart, lower case, without the words that say nothing, without endings.
enum SearchWords {
    /// A word as it was written, and as it is looked up.
    struct Word: Hashable, Sendable {
        var written: String
        var stem: String
    }

    /// - Complexity: O(characters of the text)
    static func of(_ text: String) -> [Word] {
        var words: [Word] = []
        var word: [UInt8] = []
        func flush() {
            guard !word.isEmpty else { return }
            let written = String(decoding: word, as: UTF8.self)
            word.removeAll(keepingCapacity: true)
            guard !stopWords.contains(written) else { return }
            words.append(Word(written: written, stem: PorterStemmer.stem(written)))
        }
        for scalar in Identifiers.words(of: text).lowercased().unicodeScalars {
            if scalar.isASCII {
                let byte = UInt8(truncatingIfNeeded: scalar.value)
                if Identifiers.isLower(byte) || Identifiers.isDigit(byte) {
                    word.append(byte)
                } else {
                    flush()
                }
            } else {
                // Scripts without spaces are looked up sign by sign.
                flush()
                words.append(Word(written: String(scalar), stem: String(scalar)))
            }
        }
        flush()
        return words
    }

    private static let stopWords: Set<String> = [
        "a", "an", "the", "of", "to", "in", "on", "for", "and", "or", "is", "are", "be", "was", "were",
        "this",
        "that", "these", "those", "it", "its", "with", "from", "by", "at", "as", "me", "my", "i", "you",
        "your",
        "we", "our", "us", "can", "could", "would", "should", "please", "do", "does", "did", "have", "has",
        "had", "will", "what", "which", "who", "how", "there", "any", "some", "if", "so",
    ]
}
