package import JSONSlice

/// Why the gateway, not a backend, ended a call (docs/reference/errors.md). Stable words: callers and dashboards
/// key on them.
package enum Reason: String, Hashable, Sendable, CaseIterable {
    case unknownEntry = "unknown_entry"
    case ownerUnreachable = "owner_unreachable"
    case noPath = "no_path"
    case notConfirmed = "not_confirmed"
    case backendUnavailable = "backend_unavailable"
    case backendProtocol = "backend_protocol"
    case backendAuth = "backend_auth"
    case deadlineExceeded = "deadline_exceeded"
    case outcomeUnknown = "outcome_unknown"
    case denied
    case pendingApproval = "pending_approval"
    case quarantined
    case limited
    case blockedByGuardrail = "blocked_by_guardrail"
    case tooLarge = "too_large"
    case invalidArguments = "invalid_arguments"
    case cancelled
    case sealed
    case unsupportedInEra = "unsupported_in_era"
}

/// A call ended by the gateway: what happened, where, and what to do about it.
package struct CallFailure: Error, Hashable, Sendable {
    package var reason: Reason
    /// What happened and why, as one sentence for a person.
    package var detail: String
    /// The command or setting that mends it, if there is one.
    package var hint: String?
    /// Label of the node where the call ended.
    package var node: String?
    package var callID: CallID?
    /// Whether it is sure that the call reached no backend: only then may it go to another one.
    package var isUnsent: Bool
    /// Of a composite tool: what became of each step (docs/decisions/0028-composite-tools.md). It stays on the node where it was said.
    package var steps: JSON?
    /// After this long it is worth another try, where that is known.
    package var retryAfter: Duration?
    /// Of a refusal: the rule of this node that refused, for its record. It stays on the node where it was said.
    package var rule: String?

    package init(
        _ reason: Reason, _ detail: String, hint: String? = nil, node: String? = nil, callID: CallID? = nil,
        isUnsent: Bool = false, steps: JSON? = nil, retryAfter: Duration? = nil, rule: String? = nil
    ) {
        self.reason = reason
        self.detail = detail
        self.hint = hint
        self.node = node
        self.callID = callID
        self.isUnsent = isUnsent
        self.steps = steps
        self.retryAfter = retryAfter
        self.rule = rule
    }
}
