import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Policy
import Testing

struct AccessRulesTests {
    private static let here = AccessSubject.Place(node: "gw1", segment: "plant-a")

    private static func subject(
        _ who: String, claims: [String: [String]] = [:], at place: AccessSubject.Place? = here
    )
        throws -> AccessSubject
    {
        AccessSubject(Principal(try #require(Caller(written: who)), claims: claims), at: place)
    }

    private static func target(
        _ server: String = "erp", _ entry: String = "get_order", _ kind: EntryKind = .tool, via: String? = nil
    ) -> AccessTarget {
        AccessTarget(servers: [server, "gw1--\(server)"], kind: kind, entry: entry, virtualServer: via)
    }

    private static func who(_ texts: String...) throws -> [PrincipalPattern] {
        try texts.map { try #require(PrincipalPattern($0)) }
    }

    @Test(arguments: AccessVerb.allCases)
    func `without rules everything is open`(verb: AccessVerb) throws {
        let teams = AccessRules(teams: [Team("ops", members: try Self.who("key:a"))])
        for rules in [AccessRules(), teams] {
            #expect(rules.decide(verb, Self.target(), by: try Self.subject("key:a")) == .open)
        }
    }

    @Test(arguments: AccessVerb.allCases)
    func `with the first rule nothing is allowed that no rule allows`(verb: AccessVerb) throws {
        let rules = AccessRules(rules: [
            AccessRule("r", .allow, [verb], AccessScope(who: try Self.who("key:a")))
        ])
        let kind: EntryKind = verb == .read ? .resource : .tool
        #expect(
            rules.decide(verb, Self.target("erp", "x", kind), by: try Self.subject("key:a"))
                == .allowed(by: "r"))
        #expect(
            rules.decide(verb, Self.target("erp", "x", kind), by: try Self.subject("key:b"))
                == .refused(.noRule))
    }

    @Test(arguments: [
        (verb: AccessVerb.call, kind: EntryKind.tool, isSeen: true), (.read, .tool, false),
        (.see, .tool, true),
        (.read, .resource, true), (.read, .resourceTemplate, true), (.read, .prompt, true),
        (.call, .resource, false),
    ])
    func `who may use something may see it`(verb: AccessVerb, kind: EntryKind, isSeen: Bool) throws {
        let rules = AccessRules(rules: [AccessRule("r", .allow, [verb])])
        let decision = rules.decide(.see, Self.target("erp", "x", kind), by: try Self.subject("key:a"))
        #expect(decision.isAllowed == isSeen)
    }

    @Test func `who may not see something may not use it, whatever allows it`() throws {
        let rules = AccessRules(rules: [
            AccessRule("all", .allow, Set(AccessVerb.allCases)), AccessRule("hide", .deny, [.see]),
        ])
        for verb in AccessVerb.allCases {
            #expect(
                rules.decide(verb, Self.target(), by: try Self.subject("key:a")) == .refused(.rule("hide")))
        }
    }

    @Test func `what may not be called may still be seen`() throws {
        let rules = AccessRules(rules: [
            AccessRule("all", .allow, Set(AccessVerb.allCases)), AccessRule("look", .deny, [.call]),
        ])
        #expect(rules.decide(.see, Self.target(), by: try Self.subject("key:a")) == .allowed(by: "all"))
        #expect(rules.decide(.call, Self.target(), by: try Self.subject("key:a")) == .refused(.rule("look")))
    }

    @Test(arguments: [
        ("*", "key:alice", true), ("key:alice", "key:alice", true), ("key:ali*", "key:alice", true),
        ("key:alice", "basic:alice", false), ("basic:*", "basic:x", true),
        ("certificate:CN=*", "certificate:CN=a", true),
        ("jwt:https://idp.example.com#4711", "jwt:https://idp.example.com#4711", true),
        ("jwt:https://idp.example.com#*", "jwt:https://evil.example.com#4711", false),
        ("jwt:*#*", "key:alice", false), ("jwt:*#*", "local:anonymous", false),
        ("key:*", "jwt:key:x#alice", false),
        ("team:ops", "key:alice", true), ("team:ops", "key:mallory", false),
        ("team:gone", "key:alice", false),
    ])
    func `a pattern means those whose proved identity fits`(pattern: String, caller: String, fits: Bool)
        throws
    {
        let rules = AccessRules(
            teams: [Team("ops", members: try Self.who("key:alice"))],
            rules: [AccessRule("r", .allow, [.call], AccessScope(who: try Self.who(pattern)))])
        #expect(rules.decide(.call, Self.target(), by: try Self.subject(caller)).isAllowed == fits)
    }

    @Test func `a name with a star in it is a name, not a pattern`() throws {
        let rules = AccessRules(rules: [
            AccessRule("r", .allow, [.call], AccessScope(who: try Self.who("key:a")))
        ])
        #expect(!rules.decide(.call, Self.target(), by: try Self.subject("key:*")).isAllowed)
    }

    @Test(
        arguments: [
            (claims: ["groups": ["ops"]], isIn: true), (["groups": ["x", "plant-ops"]], true),
            (["groups": ["dev"]], false),
            ([:], false), (["role": ["ops"]], false), (["groups": []], false),
        ] as [(claims: [String: [String]], isIn: Bool)])
    func `a team takes in whoever's token says so`(claims: [String: [String]], isIn: Bool) throws {
        let team = Team(
            "ops",
            claims: .init(issuer: Glob("https://idp.*"), values: ["groups": [Glob("ops"), Glob("*-ops")]]))
        let mine = try Self.subject("jwt:https://idp.example.com#1", claims: claims)
        #expect(team.contains(mine.principal) == isIn)
        let foreign = try Self.subject("jwt:https://other.example.com#1", claims: claims)
        #expect(!team.contains(foreign.principal))
    }

    @Test func `every claim that a team names must be there`() throws {
        let team = Team("ops", claims: .init(values: ["groups": [Glob("ops")], "site": [Glob("a")]]))
        #expect(!team.contains(try Self.subject("jwt:i#1", claims: ["groups": ["ops"]]).principal))
        #expect(
            team.contains(try Self.subject("jwt:i#1", claims: ["groups": ["ops"], "site": ["a"]]).principal))
        #expect(!Team("none", claims: .init(values: [:])).contains(try Self.subject("jwt:i#1").principal))
    }

    @Test(arguments: [
        ("node:gw1", true), ("node:gw*", true), ("segment:plant-a", true), ("segment:plant-b", false),
        ("node:hq", false),
    ])
    func `a rule may ask where the caller came in`(from: String, fits: Bool) throws {
        let origin = try #require(AccessScope.Origin(from))
        let rules = AccessRules(rules: [AccessRule("r", .allow, [.call], AccessScope(from: [origin]))])
        #expect(rules.decide(.call, Self.target(), by: try Self.subject("key:a")).isAllowed == fits)
        // Nowhere that is known is nowhere that was meant.
        #expect(!rules.decide(.call, Self.target(), by: try Self.subject("key:a", at: nil)).isAllowed)
    }

    @Test(arguments: [
        ("get_*", true), ("erp/get_*", true), ("gw1--erp/get_order", true), ("*--erp/*", true),
        ("hq--erp/get_*", false),
        ("files/*", false), ("put_*", false), ("*/get_order", true), ("get_order/x", false),
    ])
    func `entries are meant by their own name, or by server and name`(pattern: String, fits: Bool) throws {
        #expect(EntryPattern(pattern).matches(Self.target()) == fits)
    }

    @Test func `what stands before a slash in a URI is no server`() {
        #expect(EntryPattern("file:///a*").matches(Self.target("erp", "file:///a/b", .resource)))
        #expect(!EntryPattern("notes/a").matches(Self.target("erp", "notes/a", .resource)))
        #expect(EntryPattern("*/notes/a").matches(Self.target("erp", "notes/a", .resource)))
    }

    @Test func `a rule for a virtual server is for calls through it`() throws {
        let rules = AccessRules(rules: [
            AccessRule("r", .allow, [.call], AccessScope(virtualServers: [Glob("ops")]))
        ])
        let subject = try Self.subject("key:a")
        #expect(rules.decide(.call, Self.target(via: "ops"), by: subject).isAllowed)
        #expect(!rules.decide(.call, Self.target(via: "dev"), by: subject).isAllowed)
        #expect(!rules.decide(.call, Self.target(), by: subject).isAllowed)
    }

    @Test func `a key that was made for less does less, and rules add nothing to it`() throws {
        let rules = AccessRules(rules: [AccessRule("all", .allow, Set(AccessVerb.allCases))])
        let principal = Principal(
            Caller(issuer: "key", subject: "a"),
            narrowing: CredentialNarrowing(virtualServers: ["ops"], entries: ["erp/get_*"]))
        let subject = AccessSubject(principal, at: Self.here)
        for rules in [rules, AccessRules()] {
            #expect(rules.decide(.call, Self.target(via: "ops"), by: subject).isAllowed)
            #expect(rules.decide(.call, Self.target(), by: subject) == .refused(.credential))
            #expect(
                rules.decide(.call, Self.target("erp", "put", via: "ops"), by: subject)
                    == .refused(.credential))
        }
    }

    @Test func `whoever may change the rules is not held by them, unless the credential was made for less`()
        throws
    {
        let rules = AccessRules(rules: [AccessRule("none", .deny, [.see])])
        #expect(rules.decide(.call, Self.target(), by: AccessSubject(.administrator, at: Self.here)) == .open)
        var narrowed = Principal.administrator
        narrowed.narrowing = CredentialNarrowing(entries: ["get_order"])
        #expect(!rules.decide(.call, Self.target(), by: AccessSubject(narrowed, at: Self.here)).isAllowed)
        let elsewhere = AccessSubject(Principal(.administrator), at: Self.here)
        #expect(!rules.decide(.call, Self.target(), by: elsewhere).isAllowed)
    }

    @Test func `a whole node hears what some of its callers may, and not what all may not`() throws {
        let place = Self.here
        let node = AccessSubject(
            Principal(Caller(issuer: "node", subject: "x")), at: place, isWholeNode: true)
        let allow = AccessRule("a", .allow, [.read], AccessScope(who: try Self.who("key:alice")))
        let target = Self.target("erp", "file:///a", .resource)
        #expect(AccessRules(rules: [allow]).decide(.read, target, by: node).isAllowed)
        let one = AccessRule("d", .deny, [.read], AccessScope(who: try Self.who("key:bob")))
        #expect(AccessRules(rules: [allow, one]).decide(.read, target, by: node).isAllowed)
        let all = AccessRule("d", .deny, [.read])
        #expect(!AccessRules(rules: [allow, all]).decide(.read, target, by: node).isAllowed)
    }

    @Test func `a server is there for whoever may see some of it`() throws {
        let rules = AccessRules(rules: [
            AccessRule(
                "a", .allow, [.call],
                AccessScope(who: try Self.who("key:a"), entries: [EntryPattern("erp/get_*")])),
            AccessRule(
                "b", .allow, [.call], AccessScope(who: try Self.who("key:b"), servers: [Glob("files")])),
            AccessRule(
                "c", .deny, [.see], AccessScope(who: try Self.who("key:b"), servers: [Glob("secret")])),
        ])
        let see = { (who: String, server: String) in
            rules.maySee(anythingOf: [server], through: nil, rules.standing(of: try Self.subject(who)))
        }
        #expect(try see("key:a", "erp") && !see("key:a", "files"))
        #expect(try see("key:b", "files") && !see("key:b", "erp") && !see("key:b", "secret"))
        #expect(try !see("key:c", "erp"))
    }
}
