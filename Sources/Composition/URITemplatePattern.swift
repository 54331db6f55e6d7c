/// Which URIs a URI template (RFC 6570) may stand for, taken widely: an expression is any run of characters, also none.
///
/// Wide on purpose: it answers whether a URI may be meant, and whether two sources could both mean one; the server that has the
/// template knows better which of them it has.
package struct URITemplatePattern: Hashable, Sendable {
    /// What stands before, between and behind the expressions; one element: there is none.
    private let literals: [[UInt8]]

    /// Text that is no template, such as `{` without its end, stands for itself.
    package init(_ template: String) {
        var literals: [[UInt8]] = [[]]
        var rest = Array(template.utf8)[...]
        while let byte = rest.first {
            if byte == UInt8(ascii: "{"), let end = rest.firstIndex(of: UInt8(ascii: "}")) {
                literals.append([])
                rest = rest[rest.index(after: end)...]
            } else {
                literals[literals.count - 1].append(byte)
                rest = rest.dropFirst()
            }
        }
        self.literals = literals
    }

    /// What every URI of it begins with.
    package var prefix: [UInt8] { literals[0] }

    /// - Complexity: O(URI × longest literal)
    package func matches(_ uri: String) -> Bool { matches(Array(uri.utf8)) }

    func matches(_ uri: [UInt8]) -> Bool {
        guard literals.count > 1 else { return uri == literals[0] }
        guard uri.starts(with: literals[0]) else { return false }
        var rest = uri[literals[0].count...]
        // Each as early as it comes leaves most for those behind it.
        for literal in literals[1..<(literals.count - 1)] where !literal.isEmpty {
            guard let place = rest.firstRange(of: literal) else { return false }
            rest = rest[place.upperBound...]
        }
        let last = literals[literals.count - 1]
        return rest.count >= last.count && rest.suffix(last.count).elementsEqual(last)
    }
}
