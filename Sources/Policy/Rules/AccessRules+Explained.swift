import Catalog
package import JSONSlice

/// One rule, held against one question.
package struct ExplainedRule: Hashable, Sendable {
    package var name: String
    package var effect: AccessRule.Effect
    /// Why it does not apply; `nil`: it does.
    package var misfit: String?
    /// What the arguments must be, where it depends on them and they are not known.
    package var openConditions: [ArgumentCondition] = []
}

extension AccessRules {
    /// Every rule, and whether it is about this question; in the order of the file.
    ///
    /// - Parameter arguments: `nil`: not known.
    package func explain(
        _ verb: AccessVerb, _ target: AccessTarget, by subject: AccessSubject, arguments: JSON?
    ) -> [ExplainedRule] {
        rules.map { rule in
            var explained = ExplainedRule(name: rule.name, effect: rule.effect)
            explained.misfit = misfit(of: rule, verb, target, subject)
            guard explained.misfit == nil, !rule.conditions.isEmpty, verb != .see else { return explained }
            if let arguments {
                if let failed = rule.conditions.first(where: { !$0.holds(of: arguments) }) {
                    explained.misfit = "it is about calls in which \(failed)"
                }
            } else {
                explained.openConditions = rule.conditions
            }
            return explained
        }
    }

    private func misfit(
        of rule: AccessRule, _ verb: AccessVerb, _ target: AccessTarget, _ subject: AccessSubject
    ) -> String? {
        let scope = rule.scope
        guard includes(subject.principal, in: scope.who) else { return "it is about \(Self.list(scope.who))" }
        guard scope.fits(subject.place) else { return "it is about callers from \(Self.list(scope.from))" }
        guard scope.fits(target) else { return "it is about \(Self.things(scope))" }
        guard rule.covers(verb, of: target) else {
            return
                "it is about \(AccessVerb.allCases.filter(rule.verbs.contains).map(\.rawValue).joined(separator: ", "))"
        }
        return nil
    }

    private static func things(_ scope: AccessScope) -> String {
        var parts: [String] = []
        if !scope.entries.isEmpty { parts.append("entries \(list(scope.entries))") }
        if !scope.servers.isEmpty { parts.append("servers \(list(scope.servers))") }
        if !scope.virtualServers.isEmpty { parts.append("virtual servers \(list(scope.virtualServers))") }
        return parts.joined(separator: " of ")
    }

    /// The first few: a rule may name hundreds.
    private static func list(_ values: [some CustomStringConvertible]) -> String {
        let shown = values.prefix(6).map(\.description).joined(separator: ", ")
        return values.count > 6 ? "\(shown) …" : shown
    }
}
