/// Why the node did not do what a person asked: what happened, why, and what to do next.
///
/// Thrown by the node's public face; the admin surface turns it into a status and a body, the CLI into text.
package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: String, Hashable, Sendable {
        case invalid
        case notFound = "not_found"
        case conflict
        case forbidden
        case unavailable
        case failed
    }

    package var kind: Kind
    package var message: String
    package var hint: String?

    package init(_ kind: Kind, _ message: String, hint: String? = nil) {
        self.kind = kind
        self.message = message
        self.hint = hint
    }

    package var description: String { hint.map { "\(message)\n→ \($0)" } ?? message }
}
