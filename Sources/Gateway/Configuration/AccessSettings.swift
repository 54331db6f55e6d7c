import Catalog
package import Composition
import JSONSlice
package import Policy

/// Bounds of `access`: what people write, read and think through.
enum AccessBounds {
    static let teamsMax = 256
    static let rulesMax = 1_000
    static let limitsMax = 256
    static let patternsMax = 256
    static let claimsMax = 32
    static let conditionsMax = 16
    static let valuesMax = 256
}

/// `access` of the configuration (docs/reference/access.md).
extension AccessRules {
    package init(reading section: inout ConfigSection) {
        let teams = section.sections("teams", atMost: AccessBounds.teamsMax) { name, part in
            part.label(called: name).map { Team($0, reading: &part) }
        }.compactMap { $0 }
        let names = Set(teams.map(\.name))
        var ordinal = 0
        let rules = section.items("rules", atMost: AccessBounds.rulesMax) { part in
            defer { ordinal += 1 }
            return AccessRule(reading: &part, called: "access.rules[\(ordinal)]", teams: names)
        }.compactMap { $0 }
        ordinal = 0
        let limits = section.items("limits", atMost: AccessBounds.limitsMax) { part in
            defer { ordinal += 1 }
            return AccessLimit(reading: &part, called: "access.limits[\(ordinal)]", teams: names)
        }
        section.reportRepeated(rules.map(\.name), at: "rules")
        section.reportRepeated(limits.map(\.name), at: "limits")
        self.init(teams: teams, rules: rules, limits: limits)
    }
}

extension Team {
    fileprivate init(_ name: Label, reading section: inout ConfigSection) {
        let members = section.list(
            "members", of: "one of \(PrincipalPattern.form), but no team", atMost: AccessBounds.patternsMax
        ) { text -> PrincipalPattern? in
            guard let pattern = PrincipalPattern(text) else { return nil }
            if case .team = pattern { return nil }
            return pattern
        }
        let issuer = section.text("issuer")
        let said = section.valueMap("claims", atMost: AccessBounds.claimsMax)
        var values: [String: [Glob]] = [:]
        for (claim, value) in said {
            let texts = value.kind == .array ? value.elements.map(\.string) : [value.string]
            let globs = texts.compactMap { $0.map { Glob($0) } }
            if globs.isEmpty || globs.count != texts.count || globs.count > AccessBounds.patternsMax {
                section.report(
                    at: section.path.key("claims").key(claim),
                    "expected a text, or a list of 1 to \(AccessBounds.patternsMax) texts")
            }
            values[claim] = globs
        }
        if values.isEmpty, members.isEmpty {
            section.report("has nobody in it; give members:, claims: or both")
        }
        if issuer != nil, values.isEmpty {
            section.report("issuer", "goes with claims, and says whose they are")
        }
        self.init(
            name, members: members,
            claims: values.isEmpty ? nil : Claims(issuer: issuer.map { Glob($0) }, values: values))
    }
}

extension AccessRule {
    fileprivate init?(reading section: inout ConfigSection, called place: String, teams: Set<Label>) {
        let name = section.text("name") ?? place
        let allowed = section.verbs("allow")
        let denied = section.verbs("deny")
        let scope = AccessScope(reading: &section, teams: teams)
        let conditions = section.conditions("when")
        if !section.has("who") { section.report("who", "is missing: whom it is about; [\"*\"] is everybody") }
        guard section.has("allow") != section.has("deny") else {
            section.report(
                section.has("allow") ? "allows and denies; write two rules" : "gives neither allow: nor deny:"
            )
            return nil
        }
        let effect: Effect = section.has("allow") ? .allow : .deny
        let verbs = allowed ?? denied ?? []
        if effect == .deny, verbs.contains(.see), !conditions.isEmpty {
            section.report(
                "when",
                "goes with deny: [call] or [read]; what is seen cannot depend on arguments that nobody has given yet"
            )
        }
        if effect == .allow, verbs == [.see], !conditions.isEmpty {
            section.report("when", "goes with call or read; seeing has no arguments")
        }
        let isRecordRequired = section.choice("audit", default: AuditDemand.buffered) == .required
        if isRecordRequired, effect == .deny || verbs == [.see] {
            section.report(
                "audit", "goes with allow: [call] or [read]; what is not done needs no record before it")
        }
        self.init(name, effect, verbs, scope, when: conditions, isRecordRequired: isRecordRequired)
    }
}

extension AccessLimit {
    fileprivate init(reading section: inout ConfigSection, called place: String, teams: Set<Label>) {
        let name = section.text("name") ?? place
        let scope = AccessScope(reading: &section, teams: teams)
        let rate = section.parsed("rate", expecting: Rate.form) { Rate($0) }
        let concurrency =
            section.has("concurrency")
            ? section.integer("concurrency", default: 1, in: Self.concurrencyRange) : nil
        if !section.has("rate"), !section.has("concurrency") {
            section.report("bounds nothing; give rate: (\(Rate.form)), concurrency: or both")
        }
        self.init(
            name, scope, rate: rate, concurrency: concurrency,
            isShared: section.flag("shared", default: false))
    }
}

extension AccessLimit.Rate {
    static let form = "COUNT in TIME with at most 10000 in 1s to 24h, as in 100 in 1m"

    /// As the configuration says it.
    init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 3, words[1] == "in", let count = Int(words[0]),
            let time = DurationText.parse(String(words[2]))
        else { return nil }
        self.init(count, in: time)
    }

    /// As a command takes it: as the configuration says it, or `10/s`, `100/m`, `1000/h`.
    init?(short text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            self.init(text)
            return
        }
        guard let count = Int(parts[0]), let time = DurationText.parse("1\(parts[1])") else { return nil }
        self.init(count, in: time)
    }

    var text: String { "\(count) in \(DurationText.spell(time))" }
}

extension CallAllowance {
    var text: String {
        [rate.map(\.text), concurrency.map { "\($0) at once" }].compactMap(\.self).joined(separator: ", ")
    }
}

extension AccessScope {
    fileprivate init(reading section: inout ConfigSection, teams: Set<Label>) {
        let who = section.list("who", of: "one of \(PrincipalPattern.form)", atMost: AccessBounds.patternsMax)
        {
            PrincipalPattern($0)
        }
        if section.value("who")?.elements.isEmpty == true {
            section.report("who", "is about nobody; [\"*\"] is everybody")
        }
        for case .team(let name) in who where !teams.contains(name) {
            let nearest = NearestName.to(name.text, among: teams.map(\.text))
            let advice = nearest.map { "; did you mean \($0)?" } ?? "; define it under access.teams"
            section.report("who", "there is no team \(name)\(advice)")
        }
        let from = section.list("from", of: Origin.form, atMost: AccessBounds.patternsMax) { Origin($0) }
        let pattern = { (text: String) in text.isEmpty ? nil : Glob(text) }
        self.init(
            who: section.has("who") ? who : [.anybody], from: from,
            virtualServers: section.list(
                "virtualServers", of: "a pattern", atMost: AccessBounds.patternsMax, pattern),
            servers: section.list("servers", of: "a pattern", atMost: AccessBounds.patternsMax, pattern),
            entries: section.list("entries", of: "a pattern", atMost: AccessBounds.patternsMax) {
                $0.isEmpty ? nil : EntryPattern($0)
            })
    }
}

extension ConfigSection {
    private static let verbForm = "all, or a list of see, call and read"

    /// - Returns: `nil` when the key is absent.
    fileprivate mutating func verbs(_ key: String) -> Set<AccessVerb>? {
        guard let value = value(key) else { return nil }
        if value.string == "all" { return Set(AccessVerb.allCases) }
        guard value.kind == .array else {
            report(key, "expected \(Self.verbForm)")
            return []
        }
        let verbs = list(key, of: "see, call or read", atMost: AccessVerb.allCases.count) {
            AccessVerb(rawValue: $0)
        }
        if value.elements.isEmpty { report(key, "expected \(Self.verbForm)") }
        return Set(verbs)
    }

    /// One condition, or a list of which all must hold.
    fileprivate mutating func conditions(_ key: String) -> [ArgumentCondition] {
        if case .object? = value(key)?.kind {
            return [section(key) { ArgumentCondition(reading: &$0) } ?? nil].compactMap { $0 }
        }
        return items(key, atMost: AccessBounds.conditionsMax) { ArgumentCondition(reading: &$0) }.compactMap {
            $0
        }
    }

    fileprivate mutating func label(called name: String) -> Label? {
        if let label = Label(name) { return label }
        report("\"\(name)\" is not \(Self.labelForm)")
        leaveUnread()
        return nil
    }

    /// Decisions name rules, so a name is one rule's.
    fileprivate mutating func reportRepeated(_ names: [String], at key: String) {
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            report(key, "two are called \(name)")
        }
    }
}

extension ArgumentCondition {
    private static let tests = ["is", "isNot", "in", "above", "below", "matches"]

    fileprivate init?(reading section: inout ConfigSection) {
        let pointer = section.parsed("argument", expecting: Self.form) { Self.isPointer($0) ? $0 : nil }
        if !section.has("argument") { section.report("argument", "is missing: \(Self.form)") }
        let given = Self.tests.filter(section.has)
        var tests: [Test?] = []
        tests.append(section.scalar("is").map { .equal($0) })
        tests.append(section.scalar("isNot").map { .unequal($0) })
        tests.append(section.scalars("in").map { .oneOf($0) })
        tests.append(section.number("above").map { .above($0) })
        tests.append(section.number("below").map { .below($0) })
        tests.append(section.parsed("matches", expecting: "a pattern") { Glob($0) }.map { .matches($0) })
        guard given.count == 1 else {
            section.report(
                given.isEmpty
                    ? "says nothing of its argument; give one of \(Self.tests.joined(separator: ", "))"
                    : "gives \(given.joined(separator: " and ")); a list of conditions holds if all do")
            return nil
        }
        guard let pointer, let test = tests.compactMap({ $0 }).first else { return nil }
        self.init(pointer, test)
    }
}

extension ConfigSection {
    fileprivate mutating func scalar(_ key: String) -> JSON? {
        guard let value = value(key) else { return nil }
        guard value.kind != .object, value.kind != .array else {
            report(key, "expected a text, a number, true or false")
            return nil
        }
        return value
    }

    fileprivate mutating func scalars(_ key: String) -> [JSON]? {
        guard let value = value(key) else { return nil }
        let elements = value.elements
        guard (1...AccessBounds.valuesMax).contains(elements.count),
            elements.allSatisfy({ $0.kind != .object && $0.kind != .array })
        else {
            report(key, "expected a list of 1 to \(AccessBounds.valuesMax) texts, numbers, true or false")
            return nil
        }
        return elements
    }

    fileprivate mutating func number(_ key: String) -> JSON? {
        guard let value = value(key) else { return nil }
        if value.kind == .number { return value }
        report(key, "expected a number")
        return nil
    }
}
