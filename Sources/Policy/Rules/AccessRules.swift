package import Catalog
package import JSONSlice
package import MCPModel

/// The rules of one node: who may see, call and read what.
///
/// Without rules everything is open. With the first rule nothing is allowed that no rule allows; whatever a rule denies stays
/// denied, whatever others allow.
package struct AccessRules: Hashable, Sendable {
    package var teams: [Team]
    package var rules: [AccessRule]
    package var limits: [AccessLimit]

    package init(teams: [Team] = [], rules: [AccessRule] = [], limits: [AccessLimit] = []) {
        self.teams = teams
        self.rules = rules
        self.limits = limits
    }

    package var isEmpty: Bool { teams.isEmpty && rules.isEmpty && limits.isEmpty }

    /// Names of the claims that teams ask about: what of a token is worth keeping.
    package var claimsAsked: Set<String> { Set(teams.flatMap { $0.claims?.values.keys.map(\.self) ?? [] }) }

    /// Whether a principal is one of those meant.
    package func includes(_ principal: Principal, in patterns: [PrincipalPattern]) -> Bool {
        patterns.contains { pattern in
            if case .team(let name) = pattern {
                return teams.contains { $0.name == name && $0.contains(principal) }
            }
            return pattern.fits(principal.caller)
        }
    }

    /// What can ever matter of the rules to one subject.
    ///
    /// - Complexity: O(rules and teams); the answer is worth keeping.
    package func standing(of subject: AccessSubject) -> AccessStanding {
        let principal = subject.principal
        let narrowing = principal.narrowing.map(AccessNarrowing.init)
        // Whoever may change the rules is not held by them; but a credential that was made for less is.
        let isBound = !rules.isEmpty && !(principal.role == .admin && narrowing == nil)
        var standing = AccessStanding(narrowing: narrowing, isBound: isBound)
        guard isBound else { return standing }
        for (index, rule) in rules.enumerated() where rule.scope.fits(subject.place) {
            let isMeant =
                subject.isWholeNode
                // What some of a node's callers may hear, the node may; what is kept from all, it may not.
                ? rule.effect == .allow || rule.scope.who.contains(.anybody)
                : includes(principal, in: rule.scope.who)
            guard isMeant else { continue }
            switch rule.effect {
            case .allow: standing.allows.append(index)
            case .deny: standing.denies.append(index)
            }
        }
        return standing
    }

    /// What the rules say to one question before anybody knows the arguments.
    ///
    /// - Complexity: O(rules of the standing)
    package func ruling(
        _ standing: AccessStanding, _ verb: AccessVerb, _ target: AccessTarget
    ) -> AccessRuling {
        if let narrowing = standing.narrowing, !narrowing.includes(target) {
            return .settled(.refused(.credential))
        }
        guard standing.isBound else { return .settled(.open) }
        var denies: [Int] = []
        for index in standing.denies where rules[index].covers(verb, of: target) {
            if rules[index].conditions.isEmpty { return .settled(.refused(.rule(rules[index].name))) }
            denies.append(index)
        }
        let allows = standing.allows.filter { rules[$0].covers(verb, of: target) }
        guard let first = allows.first else { return .settled(.refused(.noRule)) }
        if verb == .see { return .settled(.allowed(by: rules[first].name)) }
        if denies.isEmpty, rules[first].conditions.isEmpty {
            return .settled(.allowed(by: rules[first].name))
        }
        return .byArguments(denies: denies, allows: allows)
    }

    /// - Complexity: O(bytes of the arguments) for each condition
    package func decide(_ ruling: AccessRuling, arguments: JSON) -> AccessDecision {
        switch ruling {
        case .settled(let decision): return decision
        case .byArguments(let denies, let allows):
            if let deny = denies.first(where: { rules[$0].holds(of: arguments) }) {
                return .refused(.rule(rules[deny].name))
            }
            guard let allow = allows.first(where: { rules[$0].holds(of: arguments) }) else {
                return .refused(.noRule)
            }
            return .allowed(by: rules[allow].name)
        }
    }

    /// All at once, for whoever asks once.
    package func decide(
        _ verb: AccessVerb, _ target: AccessTarget, by subject: AccessSubject, arguments: JSON = .emptyObject
    ) -> AccessDecision {
        decide(ruling(standing(of: subject), verb, target), arguments: arguments)
    }

    /// Whether any rule that allows this wants a record of it first. All that allow are asked, not the one that is named: the order of
    /// rules changes nothing.
    package func requireRecord(
        of verb: AccessVerb, _ target: AccessTarget, _ standing: AccessStanding, arguments: JSON
    ) -> Bool {
        standing.allows.contains { index in
            let rule = rules[index]
            return rule.isRecordRequired && rule.covers(verb, of: target) && rule.holds(of: arguments)
        }
    }

    /// Whether ``requireRecord(of:_:_:arguments:)`` can hold for any arguments.
    package func mayRequireRecord(of verb: AccessVerb, _ target: AccessTarget, _ standing: AccessStanding)
        -> Bool
    {
        standing.allows.contains { rules[$0].isRecordRequired && rules[$0].covers(verb, of: target) }
    }

    /// Whether there may be anything of a server that one may see: otherwise the server is as if it were not there.
    package func maySee(
        anythingOf servers: [String], through virtualServer: String?, _ standing: AccessStanding
    ) -> Bool {
        if let narrowing = standing.narrowing,
            !narrowing.mayInclude(servers: servers, virtualServer: virtualServer)
        {
            return false
        }
        guard standing.isBound else { return true }
        let isHidden = standing.denies.contains { index in
            let rule = rules[index]
            return rule.deniesSight && rule.scope.entries.isEmpty
                && rule.scope.mayFit(servers: servers, virtualServer: virtualServer)
        }
        return !isHidden
            && standing.allows.contains {
                rules[$0].scope.mayFit(servers: servers, virtualServer: virtualServer)
            }
    }
}

/// The part of a node's rules that can matter to one subject. Those of equal standing see and may do the same.
package struct AccessStanding: Hashable, Sendable {
    /// Places in ``AccessRules/rules``.
    fileprivate(set) var allows: [Int] = []
    fileprivate(set) var denies: [Int] = []
    let narrowing: AccessNarrowing?
    /// Whether rules hold for it at all.
    package let isBound: Bool

    fileprivate init(narrowing: AccessNarrowing?, isBound: Bool) {
        self.narrowing = narrowing
        self.isBound = isBound
    }

    /// Whether nothing is kept from it.
    package var isFree: Bool { !isBound && narrowing == nil }

    /// Whether its credential may be used at an endpoint at all; `nil`: at one that is no virtual server.
    package func admits(to virtualServer: String?) -> Bool { narrowing?.admits(to: virtualServer) ?? true }
}

/// What rules say to a question, as far as it depends on no argument.
package enum AccessRuling: Hashable, Sendable {
    case settled(AccessDecision)
    /// Places in ``AccessRules/rules``: the first that denies and holds, else the first that allows and holds.
    case byArguments(denies: [Int], allows: [Int])
}

/// What a credential was made for, ready to be asked.
struct AccessNarrowing: Hashable, Sendable {
    private let virtualServers: Set<String>?
    private let entries: [EntryPattern]?

    init(_ narrowing: CredentialNarrowing) {
        virtualServers = narrowing.virtualServers
        entries = narrowing.entries.map { $0.map(EntryPattern.init) }
    }

    func admits(to virtualServer: String?) -> Bool {
        guard let virtualServers else { return true }
        return virtualServer.map(virtualServers.contains) ?? false
    }

    func includes(_ target: AccessTarget) -> Bool {
        admits(to: target.virtualServer) && entries?.contains { $0.matches(target) } ?? true
    }

    func mayInclude(servers: [String], virtualServer: String?) -> Bool {
        admits(to: virtualServer) && entries?.contains { $0.fits(servers: servers) } ?? true
    }
}
