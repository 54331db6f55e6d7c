/// How much comparing one answer may cost, over all that it compares: whoever offers many long texts that changed must not keep a node busy.
package struct WordBudget: Hashable, Sendable {
    /// Pairs of words; as many take some tens of milliseconds.
    package static let pairsMax = 8_000_000

    private(set) var pairs: Int

    package init(pairs: Int = Self.pairsMax) { self.pairs = pairs }

    /// - Returns: whether there was as much.
    fileprivate mutating func take(_ wanted: Int) -> Bool {
        guard wanted <= pairs else { return false }
        pairs -= wanted
        return true
    }
}

/// What two texts differ in, in words, for a person who decides.
package struct WordDifference: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case same, removed, added
    }

    package let kind: Kind
    package let text: String

    init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }

    /// Words of one text that are compared one by one; of longer ones the middle is told as a whole. Bounds the work to
    /// the square of it.
    static let wordsMax = 1_000
    /// Words around a difference that are shown.
    private static let contextWords = 6

    /// - Parameter budget: of all that one answer compares; where it is used up, the middle is told as a whole too.
    /// - Returns: runs of words in order, what is the same cut to a few words; characters that show nothing are spelled.
    package static func between(_ old: String, _ new: String, within budget: inout WordBudget)
        -> [WordDifference]
    {
        let (a, b) = (words(of: old), words(of: new))
        var start = 0
        while start < a.count, start < b.count, a[start] == b[start] { start += 1 }
        var end = 0
        while end < a.count - start, end < b.count - start, a[a.count - 1 - end] == b[b.count - 1 - end] {
            end += 1
        }
        let (left, right) = (Array(a[start..<a.count - end]), Array(b[start..<b.count - end]))
        var steps = a[..<start].map { (Kind.same, $0) }
        if left.count > wordsMax || right.count > wordsMax || !budget.take(left.count * right.count) {
            steps += left.map { (Kind.removed, $0) } + right.map { (Kind.added, $0) }
        } else {
            steps += aligned(left, right)
        }
        steps += a[(a.count - end)...].map { (Kind.same, $0) }
        return runs(of: steps)
    }

    private static func words(of text: String) -> [Substring] {
        text.split(whereSeparator: \.isWhitespace)
    }

    /// The longest common subsequence, read from its table of lengths.
    private static func aligned(_ a: [Substring], _ b: [Substring]) -> [(Kind, Substring)] {
        let width = b.count + 1
        var lengths = [UInt16](repeating: 0, count: (a.count + 1) * width)
        for i in stride(from: a.count - 1, through: 0, by: -1) {
            for j in stride(from: b.count - 1, through: 0, by: -1) {
                lengths[i * width + j] =
                    a[i] == b[j]
                    ? lengths[(i + 1) * width + j + 1] + 1
                    : max(lengths[(i + 1) * width + j], lengths[i * width + j + 1])
            }
        }
        var steps: [(Kind, Substring)] = []
        var (i, j) = (0, 0)
        while i < a.count || j < b.count {
            if i < a.count, j < b.count, a[i] == b[j] {
                steps.append((.same, a[i]))
                (i, j) = (i + 1, j + 1)
            } else if j == b.count
                || (i < a.count && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])
            {
                steps.append((.removed, a[i]))
                i += 1
            } else {
                steps.append((.added, b[j]))
                j += 1
            }
        }
        return steps
    }

    private static func runs(of steps: [(Kind, Substring)]) -> [WordDifference] {
        var runs: [(kind: Kind, words: [Substring])] = []
        for (kind, word) in steps {
            if runs.last?.kind == kind {
                runs[runs.count - 1].words.append(word)
            } else {
                runs.append((kind, [word]))
            }
        }
        return runs.enumerated().map { index, run in
            var words = run.words[...]
            if run.kind == .same, words.count > 2 * contextWords {
                let head = index == 0 ? [] : Array(words.prefix(contextWords))
                let tail = index == runs.count - 1 ? [] : Array(words.suffix(contextWords))
                words = (head + ["…"] + tail)[...]
            }
            return WordDifference(run.kind, Revealed.text(words.joined(separator: " ")))
        }
    }
}

/// Text with everything visible that shows nothing or turns others' direction: `⟨U+200B⟩`.
package enum Revealed {
    package static func text(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: hides) else { return text }
        return text.unicodeScalars.reduce(into: "") { shown, scalar in
            if hides(scalar) {
                let digits = String(scalar.value, radix: 16, uppercase: true)
                shown += "⟨U+\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits)⟩"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
    }

    private static func hides(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII {
            return (scalar.value < 0x20 && scalar != "\n" && scalar != "\t") || scalar.value == 0x7F
        }
        if scalar.properties.isDefaultIgnorableCodePoint || scalar.properties.isBidiControl { return true }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return true
        default: return false
        }
    }
}
