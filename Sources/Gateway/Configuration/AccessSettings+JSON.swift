import Catalog
package import JSONSlice
package import Policy

/// The normal form of `access`: nothing that says the default.
extension AccessRules {
    package var json: JSON {
        var members: [(String, JSON)] = []
        if !teams.isEmpty { members.append(("teams", .object(teams.map { ($0.name.text, $0.json) }))) }
        if !rules.isEmpty { members.append(("rules", .array(rules.map(\.json)))) }
        if !limits.isEmpty { members.append(("limits", .array(limits.map(\.json)))) }
        return .object(members)
    }
}

extension Team {
    fileprivate var json: JSON {
        var found: [(String, JSON)] = []
        if !members.isEmpty { found.append(("members", .texts(members))) }
        if let claims {
            if let issuer = claims.issuer { found.append(("issuer", .string(issuer.pattern))) }
            let values = claims.values.sorted { $0.key < $1.key }
            found.append(("claims", .object(values.map { ($0.key, .texts($0.value)) })))
        }
        return .object(found)
    }
}

extension AccessRule {
    fileprivate var json: JSON {
        let verbs = AccessVerb.allCases.filter(self.verbs.contains).map { JSON.string($0.rawValue) }
        var members: [(String, JSON)] = [("name", .string(name)), (effect.rawValue, .array(verbs))]
        members += scope.members
        if !conditions.isEmpty { members.append(("when", .array(conditions.map(\.json)))) }
        if isRecordRequired { members.append(("audit", "required")) }
        return .object(members)
    }
}

extension AccessLimit {
    fileprivate var json: JSON {
        var members: [(String, JSON)] = [("name", .string(name))] + scope.members
        if let rate { members.append(("rate", .string(rate.text))) }
        if let concurrency { members.append(("concurrency", .number(concurrency))) }
        if isShared { members.append(("shared", true)) }
        return .object(members)
    }
}

extension AccessScope {
    fileprivate var members: [(String, JSON)] {
        var members: [(String, JSON)] = [("who", .texts(who))]
        if !from.isEmpty { members.append(("from", .texts(from))) }
        if !virtualServers.isEmpty { members.append(("virtualServers", .texts(virtualServers))) }
        if !servers.isEmpty { members.append(("servers", .texts(servers))) }
        if !entries.isEmpty { members.append(("entries", .texts(entries))) }
        return members
    }
}

extension ArgumentCondition {
    fileprivate var json: JSON {
        let (key, wanted): (String, JSON) =
            switch test {
            case .equal(let value): ("is", value)
            case .unequal(let value): ("isNot", value)
            case .oneOf(let values): ("in", .array(values))
            case .above(let value): ("above", value)
            case .below(let value): ("below", value)
            case .matches(let glob): ("matches", .string(glob.pattern))
            }
        return .object([("argument", .string(pointer)), (key, wanted)])
    }
}

extension JSON {
    fileprivate static func texts(_ values: [some CustomStringConvertible]) -> JSON {
        .array(values.map { .string($0.description) })
    }
}
