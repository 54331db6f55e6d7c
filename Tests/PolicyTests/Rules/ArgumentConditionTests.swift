import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Policy
import Testing

struct ArgumentConditionTests {
    @Test(arguments: [
        (#"{"a":5}"#, ArgumentCondition.Test.equal(5), true), (#"{"a":5.0}"#, .equal(5), true),
        (#"{"a":5.5}"#, .equal(5), false),
        (#"{"a":"5"}"#, .equal(5), false), (#"{"a":"x"}"#, .equal("x"), true),
        (#"{"a":null}"#, .equal(.null), false),
        (#"{"a":5}"#, .unequal(6), true), (#"{"a":5}"#, .unequal(5), false),
        (#"{"a":"x"}"#, .unequal(5), false),
        (#"{"a":2}"#, .oneOf([1, 2]), true), (#"{"a":3}"#, .oneOf([1, 2]), false),
        (#"{"a":5}"#, .below(6), true), (#"{"a":6}"#, .below(6), false), (#"{"a":"5"}"#, .below(6), false),
        (#"{"a":7.5}"#, .above(7), true), (#"{"a":[9]}"#, .above(7), false),
        (#"{"a":"acme/x"}"#, .matches(Glob("acme/*")), true),
        (#"{"a":"evil"}"#, .matches(Glob("acme/*")), false),
        (#"{"a":5}"#, .matches(Glob("*")), false),
    ])
    func `a condition says what an argument must be`(text: String, test: ArgumentCondition.Test, holds: Bool)
        throws
    {
        let condition = try #require(ArgumentCondition("/a", test))
        #expect(condition.holds(of: try JSON(validating: text)) == holds)
    }

    @Test(arguments: [
        ArgumentCondition.Test.equal(5), .unequal(5), .oneOf([5]), .above(5), .below(5), .matches(Glob("*")),
    ])
    func `what is missing fulfils nothing`(test: ArgumentCondition.Test) throws {
        let condition = try #require(ArgumentCondition("/a/b", test))
        for arguments: JSON in [.emptyObject, ["a": 5], ["a": ["c": 5]], ["a": ["b": .null]], [], "x"] {
            #expect(!condition.holds(of: arguments))
        }
    }

    @Test(arguments: ["", "/", "a", "a/b", "/a~", "/a~2"])
    func `a pointer is one as RFC 6901 writes it, to a member`(text: String) {
        #expect(ArgumentCondition(text, .equal(1)) == nil)
    }

    @Test func `pointers lead into objects and lists, escaped as they must be`() throws {
        let deep: JSON = ["a/b": ["~": [1, ["x": 2]]]]
        #expect(try #require(ArgumentCondition("/a~1b/~0/1/x", .equal(2))).holds(of: deep))
    }

    private let target = AccessTarget(servers: ["erp"], kind: .tool, entry: "pay")
    private let subject = AccessSubject(Principal(Caller(issuer: "key", subject: "a")), at: nil)

    @Test(arguments: [(5, true), (1_000, false), (5_000, false)])
    func `a rule that allows some arguments allows no others`(amount: Int, isAllowed: Bool) throws {
        let small = try #require(ArgumentCondition("/amount", .below(1_000)))
        let rules = AccessRules(rules: [AccessRule("small", .allow, [.call], when: [small])])
        let decision = rules.decide(.call, target, by: subject, arguments: ["amount": .number(amount)])
        #expect(decision == (isAllowed ? .allowed(by: "small") : .refused(.noRule)))
        #expect(!rules.decide(.call, target, by: subject, arguments: .emptyObject).isAllowed)
        // That there is such a tool may be known: it may be called.
        #expect(rules.decide(.see, target, by: subject).isAllowed)
    }

    @Test(arguments: [(5, true), (5_000, false)])
    func `a rule that denies some arguments leaves the others, and what is seen`(amount: Int, isAllowed: Bool)
        throws
    {
        let large = try #require(ArgumentCondition("/amount", .above(1_000)))
        let rules = AccessRules(rules: [
            AccessRule("all", .allow, Set(AccessVerb.allCases)),
            AccessRule("large", .deny, [.call], when: [large]),
        ])
        let decision = rules.decide(.call, target, by: subject, arguments: ["amount": .number(amount)])
        #expect(decision == (isAllowed ? .allowed(by: "all") : .refused(.rule("large"))))
        #expect(rules.decide(.see, target, by: subject).isAllowed)
    }
}
