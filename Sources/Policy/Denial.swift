package import MCPModel

/// Why something was not allowed: the rule that says so, what a person reads, and what would allow it.
package struct Denial: Hashable, Sendable {
    /// Stable words, one a rule: for logs, counts and tests. What a caller is told may say less.
    package enum Rule: String, Hashable, Sendable, CaseIterable {
        case keyNeeded = "key_needed"
        case schemeNotRead = "scheme_not_read"
        case notAKey = "not_a_key"
        case keyUnknown = "key_unknown"
        case keyExpired = "key_expired"
        case openOnlyOnLoopback = "open_only_on_loopback"
        case passwordWrong = "password_wrong"
        case certificateUnnamed = "certificate_unnamed"
        case addressNotAllowed = "address_not_allowed"
        case serverNotShared = "server_not_shared"
        case methodStaysHome = "method_stays_home"
        case outcomeNotKnown = "outcome_not_known"
        case definitionChanged = "definition_changed"
        case wordNotTaken = "word_not_taken"
        case hiddenByRules = "hidden_by_rules"
        case deniedByRules = "denied_by_rules"
        case approvalPending = "approval_pending"
        case quarantined
        case notListedYet = "not_listed_yet"
    }

    package var rule: Rule
    /// What happened and why, for a person.
    package var detail: String
    /// What would allow it, where the caller may know.
    package var hint: String?

    init(_ rule: Rule, _ detail: String, hint: String? = nil) {
        self.rule = rule
        self.detail = detail
        self.hint = hint
    }

    /// On one line, where there is room for one.
    package var text: String { hint.map { "\(detail); \($0)" } ?? detail }

    /// The word that callers of a call see (docs/reference/errors.md).
    package var reason: Reason {
        switch rule {
        case .serverNotShared, .hiddenByRules: .unknownEntry
        case .outcomeNotKnown: .outcomeUnknown
        case .definitionChanged: .notConfirmed
        case .approvalPending: .pendingApproval
        case .quarantined: .quarantined
        case .notListedYet: .backendUnavailable
        case .keyNeeded, .schemeNotRead, .notAKey, .keyUnknown, .keyExpired, .openOnlyOnLoopback,
            .passwordWrong, .certificateUnnamed, .addressNotAllowed,
            .methodStaysHome, .wordNotTaken, .deniedByRules:
            .denied
        }
    }
}

/// What was decided about a request, and as whom it enters.
package enum Decision: Hashable, Sendable {
    case allowed(Principal)
    case refused(Denial)
}
