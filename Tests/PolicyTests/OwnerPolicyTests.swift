import Catalog
import MCPModel
import MartletTestKit
import Policy
import Testing

struct OwnerPolicyTests {
    private static let policy = OwnerPolicy(node: "here")
    private static let old = ContentHash(of: "old".utf8)
    private static let new = ContentHash(of: "new".utf8)

    private func call(
        _ method: String = Method.toolsCall, entry: String? = "stamp", seen: ContentHash? = nil,
        isRepeat: Bool = false
    ) -> PeerCall {
        PeerCall(
            server: Label("press"), method: method, entry: entry, seen: seen, isRepeat: isRepeat)
    }

    @Test(arguments: OwnerPolicy.methods.sorted())
    func `a shared server may be asked for what callers ask for`(method: String) throws {
        #expect(Self.policy.objection(to: call(method), knowing: .init(isShared: true)) == nil)
    }

    @Test(arguments: [
        Method.initialize, Method.toolsList, Method.loggingSetLevel, Method.tasksList, "", "tools/call ",
    ])
    func `anything else stays between a server and its owner`(method: String) throws {
        let denial = try #require(
            Self.policy.objection(to: call(method), knowing: .init(isShared: true)))
        #expect(denial.rule == .methodStaysHome && denial.reason == .denied)
        #expect(denial.hint?.contains(Method.toolsCall) == true)
    }

    @Test(arguments: [Method.toolsCall, Method.initialize], [true, false])
    func `of a server that is not shared nothing else is said`(method: String, isRepeat: Bool) throws {
        let denial = try #require(
            Self.policy.objection(
                to: call(method, seen: Self.old, isRepeat: isRepeat),
                knowing: .init(isShared: false, isRepeatable: true, definition: Self.new)))
        #expect(denial.rule == .serverNotShared && denial.reason == .unknownEntry)
        #expect(denial.text == "here has no server named press")
    }

    @Test(arguments: [
        (isRepeat: false, isRepeatable: false, runs: true), (true, true, true), (true, false, false),
        (false, true, true),
    ])
    func `a call of unknown outcome runs again only where configuration says so`(
        isRepeat: Bool, isRepeatable: Bool, runs: Bool
    ) throws {
        let denial = Self.policy.objection(
            to: call(isRepeat: isRepeat), knowing: .init(isShared: true, isRepeatable: isRepeatable))
        #expect((denial == nil) == runs)
        if let denial {
            #expect(denial.rule == .outcomeNotKnown && denial.reason == .outcomeUnknown)
            #expect(denial.hint?.contains(#"servers.press.tools: {"stamp": {repeatable: true}}"#) == true)
        }
    }

    @Test(arguments: [
        (seen: nil as ContentHash?, now: new as ContentHash?, entry: "stamp" as String?, runs: true),
        (new, new, "stamp", true), (old, new, "stamp", false), (old, nil, "stamp", false),
        // A method about no entry has no definition that could have changed.
        (old, nil, nil, true), (nil, nil, "stamp", true),
    ])
    func `only the definition that the caller saw is called`(
        seen: ContentHash?, now: ContentHash?, entry: String?, runs: Bool
    ) throws {
        let denial = Self.policy.objection(
            to: call(entry: entry, seen: seen), knowing: .init(isShared: true, definition: now))
        #expect((denial == nil) == runs)
        if let denial { #expect(denial.rule == .definitionChanged && denial.reason == .notConfirmed) }
    }

    @Test func `rules have words of their own`() {
        let words = Denial.Rule.allCases.map(\.rawValue)
        #expect(Set(words).count == words.count)
        #expect(words.allSatisfy { $0.allSatisfy { $0 == "_" || ("a"..."z").contains($0) } })
    }
}
