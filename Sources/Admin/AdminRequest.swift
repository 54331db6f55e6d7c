package import Gateway
package import JSONSlice

/// One authenticated request on the admin surface, its path already matched.
package struct AdminRequest: Sendable {
    /// What stood at the `{…}` of the route's pattern, in order.
    package var parameters: [String]
    package var query: [String: String]
    /// The body; an empty object when there was none.
    package var body: JSON
    /// Who asks.
    package var visitor: AdminVisitor = .owner

    /// A text member that must be there.
    package func text(_ key: String) throws(Refusal) -> String {
        guard let text = body[key]?.string, !text.isEmpty else {
            throw Refusal(.invalid, "the body lacks \"\(key)\", a text that is not empty")
        }
        return text
    }

    /// A text member that may be left out; something else in its place is a mistake, not nothing.
    package func textIfAny(_ key: String) throws(Refusal) -> String? {
        guard let value = body[key], !value.isNull else { return nil }
        guard let text = value.string else {
            throw Refusal(.invalid, "\"\(key)\": expected text, found \(value.text.prefix(40))")
        }
        return text
    }

    /// A whole number within bounds, or what holds without one.
    package func count(_ key: String, default fallback: Int, in range: ClosedRange<Int>) throws(Refusal)
        -> Int
    {
        guard let value = body[key] else { return fallback }
        guard let count = value.int, range.contains(count) else {
            throw Refusal(
                .invalid,
                "\"\(key)\": expected a whole number from \(range.lowerBound) to \(range.upperBound), found \(value.text)"
            )
        }
        return count
    }
}
