/// A pattern for names: `*` is any run of characters, `?` any one, all else itself.
package struct Glob: Hashable, Sendable, CustomStringConvertible {
    package let pattern: String
    private let scalars: [Unicode.Scalar]

    package init(_ pattern: String) {
        self.pattern = pattern
        scalars = Array(pattern.unicodeScalars)
    }

    package var description: String { pattern }

    /// - Complexity: O(pattern · name) at worst: only the last `*` is ever tried again.
    package func matches(_ name: String) -> Bool {
        // In place: a name may be a text of any length that a caller sent.
        let text = name.unicodeScalars
        var (p, t) = (0, text.startIndex)
        var retry: (pattern: Int, text: String.Index)?
        while t < text.endIndex {
            if p < scalars.count, scalars[p] == "*" {
                retry = (p, t)
                p += 1
            } else if p < scalars.count, scalars[p] == "?" || scalars[p] == text[t] {
                p += 1
                t = text.index(after: t)
            } else if let last = retry {
                let next = text.index(after: last.text)
                retry = (last.pattern, next)
                p = last.pattern + 1
                t = next
            } else {
                return false
            }
        }
        return scalars[p...].allSatisfy { $0 == "*" }
    }
}
