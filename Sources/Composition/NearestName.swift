/// What somebody probably meant who wrote a name that does not exist.
package enum NearestName {
    /// Names looked at before giving up: a suggestion must not cost more than the mistake.
    static let candidatesMax = 2_000
    /// Longer words get no suggestion; the comparison is quadratic in their length.
    static let lengthMax = 128

    /// The candidate with the fewest slips of the pen from `word`, the first of equals; `nil` when none is near.
    ///
    /// Near is one slip (a letter more, less, other, or two swapped) for each three letters, at most three.
    /// - Complexity: O(candidates · length²), bounded by ``candidatesMax`` and ``lengthMax``.
    package static func to(_ word: String, among candidates: some Sequence<String>) -> String? {
        let letters = Array(word.lowercased().unicodeScalars)
        guard !letters.isEmpty, letters.count <= lengthMax else { return nil }
        var limit = min(3, max(1, letters.count / 3))
        var best: String?
        for candidate in candidates.prefix(candidatesMax) {
            let other = Array(candidate.lowercased().unicodeScalars)
            guard other.count <= lengthMax, abs(other.count - letters.count) <= limit else { continue }
            let slips = distance(letters, other)
            if slips < limit || (slips == limit && best == nil) {
                best = candidate
                limit = slips
            }
            if slips == 0 { break }
        }
        return best
    }

    /// Optimal string alignment: Levenshtein's distance with swaps of neighbours.
    private static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var older = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 1...a.count {
            var row = [i] + Array(repeating: 0, count: b.count)
            for j in 1...b.count {
                let cost = a[i - 1] == b[j - 1] ? 0 : 1
                row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    row[j] = min(row[j], older[j - 2] + 1)
                }
            }
            (older, last) = (last, row)
        }
        return last[b.count]
    }
}
