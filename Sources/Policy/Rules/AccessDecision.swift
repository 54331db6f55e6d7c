/// What the rules say to one question, and which of them.
package enum AccessDecision: Hashable, Sendable {
    /// There are no rules here, or none that bind this principal.
    case open
    /// By this rule.
    case allowed(by: String)
    case refused(Ground)

    package enum Ground: Hashable, Sendable {
        /// A rule that denies.
        case rule(String)
        /// Rules exist, and none allows it.
        case noRule
        /// The credential was made for less.
        case credential
    }

    package var isAllowed: Bool { if case .refused = self { false } else { true } }

    /// For those who may know what the rules are.
    package var reason: String {
        switch self {
        case .open: "no rules bind this caller here"
        case .allowed(let rule): "rule \(rule) allows it"
        case .refused(.rule(let rule)): "rule \(rule) denies it"
        case .refused(.noRule): "there are rules, and none allows it"
        case .refused(.credential): "the credential was made for less than this"
        }
    }
}
