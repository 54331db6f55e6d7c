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
        let text = Array(name.unicodeScalars)
        var (p, t) = (0, 0)
        var retry: (pattern: Int, text: Int)?
        while t < text.count {
            if p < scalars.count, scalars[p] == "*" {
                retry = (p, t)
                p += 1
            } else if p < scalars.count, scalars[p] == "?" || scalars[p] == text[t] {
                p += 1
                t += 1
            } else if let last = retry {
                retry = (last.pattern, last.text + 1)
                p = last.pattern + 1
                t = last.text + 1
            } else {
                return false
            }
        }
        return scalars[p...].allSatisfy { $0 == "*" }
    }
}
