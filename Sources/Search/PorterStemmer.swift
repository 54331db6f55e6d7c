/// Takes the endings off English words, so that `searching` finds `search`.
///
/// M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, as it stands there.
struct PorterStemmer {
    /// What is longer is no English word, and texts come from anybody.
    private static let lengthMax = 64

    private var word: [UInt8]

    /// - Parameter word: lower-case ASCII letters and digits; anything else, and what is too long, is given back as it is.
    static func stem(_ word: String) -> String {
        let bytes = Array(word.utf8)
        guard (3...lengthMax).contains(bytes.count),
            bytes.allSatisfy({ Identifiers.isLower($0) || Identifiers.isDigit($0) })
        else {
            return word
        }
        var stemmer = PorterStemmer(word: bytes)
        stemmer.plurals()
        stemmer.pastAndProgressive()
        stemmer.finalY()
        stemmer.replaceLongest(of: Self.step2, atLeast: 1)
        stemmer.replaceLongest(of: Self.step3, atLeast: 1)
        stemmer.dropSuffix()
        stemmer.finalE()
        return String(decoding: stemmer.word, as: UTF8.self)
    }

    // MARK: The shape of a stem

    private func isConsonant(_ index: Int) -> Bool {
        switch word[index] {
        case UInt8(ascii: "a"), UInt8(ascii: "e"), UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "u"):
            false
        case UInt8(ascii: "y"): index == 0 || !isConsonant(index - 1)
        default: true
        }
    }

    /// How many times vowels are followed by consonants in the first `length` letters.
    private func measure(_ length: Int) -> Int {
        var count = 0
        var wasVowel = false
        for index in 0..<length {
            let isVowel = !isConsonant(index)
            if wasVowel && !isVowel { count += 1 }
            wasVowel = isVowel
        }
        return count
    }

    private func hasVowel(_ length: Int) -> Bool { (0..<length).contains { !isConsonant($0) } }

    private var endsInDoubleConsonant: Bool {
        word.count > 1 && word[word.count - 1] == word[word.count - 2] && isConsonant(word.count - 1)
    }

    /// Consonant, vowel, consonant, the last none of w, x, y: such a stem gets its `e` back.
    private func isShort(_ length: Int) -> Bool {
        guard length > 2, isConsonant(length - 1), !isConsonant(length - 2), isConsonant(length - 3) else {
            return false
        }
        return !"wxy".utf8.contains(word[length - 1])
    }

    /// The length of what is before the ending; `nil` unless the word has it.
    private func stem(before ending: String) -> Int? {
        let suffix = Array(ending.utf8)
        guard word.count >= suffix.count, word.suffix(suffix.count).elementsEqual(suffix) else { return nil }
        return word.count - suffix.count
    }

    private mutating func cut(to length: Int, adding ending: String = "") {
        word.removeLast(word.count - length)
        word += Array(ending.utf8)
    }

    // MARK: The steps

    private mutating func plurals() {
        if let length = stem(before: "sses") {
            cut(to: length, adding: "ss")
        } else if let length = stem(before: "ies") {
            cut(to: length, adding: "i")
        } else if stem(before: "ss") == nil, let length = stem(before: "s") {
            cut(to: length)
        }
    }

    private mutating func pastAndProgressive() {
        if let length = stem(before: "eed") {
            if measure(length) > 0 { cut(to: length, adding: "ee") }
            return
        }
        guard let length = stem(before: "ed") ?? stem(before: "ing"), hasVowel(length) else { return }
        cut(to: length)
        if ["at", "bl", "iz"].contains(where: { stem(before: $0) != nil }) {
            word.append(UInt8(ascii: "e"))
        } else if endsInDoubleConsonant, let last = word.last, !"lsz".utf8.contains(last) {
            word.removeLast()
        } else if measure(word.count) == 1, isShort(word.count) {
            word.append(UInt8(ascii: "e"))
        }
    }

    private mutating func finalY() {
        if let length = stem(before: "y"), hasVowel(length) { cut(to: length, adding: "i") }
    }

    /// Of all endings that the word has, the longest counts, whether or not its condition holds.
    private mutating func replaceLongest(of rules: [(String, String)], atLeast least: Int) {
        var best: (length: Int, replacement: String)?
        for (ending, replacement) in rules {
            guard let length = stem(before: ending), length < best?.length ?? .max else { continue }
            best = (length, replacement)
        }
        if let best, measure(best.length) >= least { cut(to: best.length, adding: best.replacement) }
    }

    private mutating func dropSuffix() {
        guard let length = Self.step4.compactMap({ stem(before: $0) }).min() else { return }
        guard measure(length) > 1 else { return }
        if word[length...].elementsEqual("ion".utf8) {
            guard length > 0, "st".utf8.contains(word[length - 1]) else { return }
        }
        cut(to: length)
    }

    private mutating func finalE() {
        if let length = stem(before: "e"),
            measure(length) > 1 || (measure(length) == 1 && !isShort(length))
        {
            cut(to: length)
        }
        if word.last == UInt8(ascii: "l"), endsInDoubleConsonant, measure(word.count) > 1 {
            word.removeLast()
        }
    }

    private static let step2 = [
        ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"),
        ("abli", "able"), ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"),
        ("ization", "ize"), ("ation", "ate"), ("ator", "ate"), ("alism", "al"), ("iveness", "ive"),
        ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"), ("iviti", "ive"), ("biliti", "ble"),
    ]

    private static let step3 = [
        ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""),
        ("ness", ""),
    ]

    private static let step4 = [
        "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism",
        "ate", "iti", "ous", "ive", "ize",
    ]
}
