import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Policy
import Testing

/// What holds of all rules, tried on many made by chance.
struct AccessPropertiesTests {
    private static let trials = 400

    private struct Chance {
        var random: SplitMix64

        mutating func rule(_ name: String) -> AccessRule {
            var verbs = Set(AccessVerb.allCases.filter { _ in Bool.random(using: &random) })
            if verbs.isEmpty { verbs = [.call] }
            let effect: AccessRule.Effect = Bool.random(using: &random) ? .allow : .deny
            var conditions: [ArgumentCondition] = []
            if Int.random(in: 0..<4, using: &random) == 0, effect == .allow || !verbs.contains(.see),
                let condition = ArgumentCondition(
                    "/n", .below(.number(Int.random(in: 0...3, using: &random))))
            {
                conditions.append(condition)
            }
            return AccessRule(name, effect, verbs, scope(), when: conditions)
        }

        mutating func scope() -> AccessScope {
            let who = ["*", "key:a", "key:b", "key:*", "team:ops", "node:*"]
            return AccessScope(
                who: [PrincipalPattern(pick(who)) ?? .anybody],
                from: maybe(["node:gw1", "segment:plant", "node:hq"]).compactMap { AccessScope.Origin($0) },
                virtualServers: maybe(["ops", "dev"]).map { Glob($0) },
                servers: maybe(["erp", "files", "*--erp"]).map { Glob($0) },
                entries: maybe(["get_*", "put", "erp/*"]).map { EntryPattern($0) })
        }

        mutating func subject() -> AccessSubject {
            AccessSubject(
                Principal(
                    Caller(issuer: pick(["key", "node", "https://idp"]), subject: pick(["a", "b", "c"]))),
                at: .init(node: pick(["gw1", "hq"]), segment: pick(["plant", "office"])))
        }

        mutating func target() -> AccessTarget {
            let server = pick(["erp", "files"])
            return AccessTarget(
                servers: [server, "gw1--\(server)"], kind: pick(EntryKind.allCases),
                entry: pick(["get_a", "put", "x"]),
                virtualServer: maybe(["ops", "dev"]).first)
        }

        mutating func pick<Value>(_ values: [Value]) -> Value {
            values[Int.random(in: values.indices, using: &random)]
        }
        mutating func maybe(_ values: [String]) -> [String] {
            Bool.random(using: &random) ? [] : [pick(values)]
        }
    }

    /// Asks every question of one trial.
    private func each(
        _ seed: UInt64, _ body: (inout Chance, AccessRules, AccessSubject, AccessTarget, JSON) throws -> Void
    )
        rethrows
    {
        for trial in 0..<Self.trials {
            var chance = Chance(random: SplitMix64(seed: seed &* 1_000 &+ UInt64(trial)))
            let count = Int.random(in: 1...6, using: &chance.random)
            let rules = AccessRules(
                teams: [Team("ops", members: [PrincipalPattern("key:a") ?? .anybody])],
                rules: (0..<count).map { chance.rule("r\($0)") })
            let arguments: JSON =
                Bool.random(using: &chance.random)
                ? .emptyObject : ["n": .number(Int.random(in: 0...3, using: &chance.random))]
            try body(&chance, rules, chance.subject(), chance.target(), arguments)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `one more rule that denies never allows more`(seed: UInt64) {
        each(seed) { chance, rules, subject, target, arguments in
            var stricter = rules
            var deny = chance.rule("more")
            deny.effect = .deny
            if deny.verbs.contains(.see) { deny.conditions = [] }
            stricter.rules.insert(deny, at: Int.random(in: 0...rules.rules.count, using: &chance.random))
            for verb in AccessVerb.allCases {
                let before = rules.decide(verb, target, by: subject, arguments: arguments)
                let after = stricter.decide(verb, target, by: subject, arguments: arguments)
                #expect(before.isAllowed || !after.isAllowed)
            }
        }
    }

    @Test(arguments: [4, 5] as [UInt64])
    func `one more rule that allows never allows what another denies`(seed: UInt64) {
        each(seed) { chance, rules, subject, target, arguments in
            var wider = rules
            wider.rules.insert(AccessRule("all", .allow, Set(AccessVerb.allCases)), at: 0)
            for verb in AccessVerb.allCases {
                if case .refused(.rule) = rules.decide(verb, target, by: subject, arguments: arguments) {
                    #expect(!wider.decide(verb, target, by: subject, arguments: arguments).isAllowed)
                }
            }
        }
    }

    @Test(arguments: [6, 7] as [UInt64])
    func `the order of rules changes no answer`(seed: UInt64) {
        each(seed) { chance, rules, subject, target, arguments in
            var shuffled = rules
            shuffled.rules.shuffle(using: &chance.random)
            for verb in AccessVerb.allCases {
                #expect(
                    rules.decide(verb, target, by: subject, arguments: arguments).isAllowed
                        == shuffled.decide(verb, target, by: subject, arguments: arguments).isAllowed)
            }
        }
    }

    @Test(arguments: [8, 9] as [UInt64])
    func `whatever may be used may be seen, and its server too`(seed: UInt64) {
        each(seed) { _, rules, subject, target, arguments in
            let isUsed = rules.decide(.use(of: target.kind), target, by: subject, arguments: arguments)
                .isAllowed
            let isSeen = rules.decide(.see, target, by: subject).isAllowed
            #expect(isSeen || !isUsed)
            let standing = rules.standing(of: subject)
            #expect(
                !isSeen
                    || rules.maySee(anythingOf: target.servers, through: target.virtualServer, standing))
        }
    }

    @Test(arguments: [10] as [UInt64])
    func `what the explanation says of each rule adds up to the decision`(seed: UInt64) {
        each(seed) { _, rules, subject, target, arguments in
            for verb in AccessVerb.allCases {
                let applying = rules.explain(verb, target, by: subject, arguments: arguments).filter {
                    $0.misfit == nil
                }
                let isAllowed =
                    !applying.contains { $0.effect == .deny } && applying.contains { $0.effect == .allow }
                #expect(isAllowed == rules.decide(verb, target, by: subject, arguments: arguments).isAllowed)
            }
        }
    }
}
