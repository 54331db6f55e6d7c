/// Who is calling, as the door proved at which the caller came in.
///
/// Transports carry it and do not look inside; who may see and call what is decided on it at the entry node. To the
/// owner of what is called only ``caller`` travels: claims and scopes are the entry node's own knowledge.
package struct Principal: Hashable, Sendable {
    /// The identity. What a server keeps for one caller, and what a session belongs to, goes by this alone.
    package var caller: Caller
    /// What a token said of its bearer, e.g. `groups`; a claim of one value is a list of one.
    package var claims: [String: [String]]
    /// The scopes of an OAuth access token; `nil`: it came by another door, which knows none.
    package var scopes: Set<String>?
    /// What the credential is good for, of all that its bearer may do; `nil`: all of it.
    package var narrowing: CredentialNarrowing?
    /// What the bearer may do at the admin surface; `nil`: nothing.
    package var role: AdminRole?
    /// Who really asked, where an administrator calls as somebody else (`martlet call --as`).
    package var assumedBy: Caller?

    package init(
        _ caller: Caller, claims: [String: [String]] = [:], scopes: Set<String>? = nil,
        narrowing: CredentialNarrowing? = nil, role: AdminRole? = nil, assumedBy: Caller? = nil
    ) {
        self.caller = caller
        self.claims = claims
        self.scopes = scopes
        self.narrowing = narrowing
        self.role = role
        self.assumedBy = assumedBy
    }

    /// To the byte, as rules compare.
    package static func == (one: Principal, other: Principal) -> Bool {
        one.caller == other.caller && one.narrowing == other.narrowing && one.role == other.role
            && one.assumedBy == other.assumedBy && one.claims.count == other.claims.count
            && one.claims.allSatisfy { name, values in other.claims[name]?.isExactly(values) ?? false }
            && Self.names(of: one.scopes).isExactly(Self.names(of: other.scopes))
            && (one.scopes == nil) == (other.scopes == nil)
    }

    /// What is left out here differs seldom between two of one caller.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(caller)
        hasher.combine(claims.count)
    }

    private static func names(of scopes: Set<String>?) -> [String] { scopes?.sorted() ?? [] }

    /// Whoever reaches a loopback listener that wants no credential.
    package static let anonymous = Principal(.anonymous)

    /// Who holds the token in the data folder, or is this node's own user: `local`, `admin`.
    package static let administrator = Principal(.administrator, role: .admin)
}

extension Caller {
    /// See ``Principal/administrator``.
    package static let administrator = Caller(issuer: "local", subject: "admin")
}

/// What one credential is good for: it takes from what its bearer may do and adds nothing.
package struct CredentialNarrowing: Hashable, Sendable {
    /// Names of virtual servers through which it may call; `nil`: any endpoint.
    package var virtualServers: Set<String>?
    /// Patterns for entries, as access rules write them (docs/reference/access.md); `nil`: all.
    package var entries: [String]?

    package init(virtualServers: Set<String>? = nil, entries: [String]? = nil) {
        self.virtualServers = virtualServers
        self.entries = entries
    }
}

/// What somebody may do at the admin surface; each may do what the ones before it may.
package enum AdminRole: String, Hashable, Sendable, CaseIterable, Comparable {
    /// Looks, and changes nothing.
    case viewer
    /// Calls tools, and changes what is served: servers, virtual servers, approvals.
    case editor
    /// Changes whom is trusted: keys, secrets, membership.
    case admin

    package static func < (one: AdminRole, other: AdminRole) -> Bool { one.rank < other.rank }

    private var rank: Int {
        switch self {
        case .viewer: 0
        case .editor: 1
        case .admin: 2
        }
    }
}
