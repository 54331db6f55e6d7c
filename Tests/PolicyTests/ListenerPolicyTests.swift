import MCPModel
import MartletTestKit
import Policy
import Testing

struct ListenerPolicyTests {
    private static let open = ListenerPolicy(needsKey: false)
    private static let closed = ListenerPolicy(needsKey: true)
    private static let here = CallOrigin(isLocal: true)
    private static let elsewhere = CallOrigin(isLocal: false)
    private static let agent = Caller(issuer: "key", subject: "agent")

    @Test(arguments: [
        (needsKey: false, isLocal: true, decision: Decision.allowed(.anonymous)),
        (needsKey: false, isLocal: false, decision: nil),
        (needsKey: true, isLocal: true, decision: nil),
        (needsKey: true, isLocal: false, decision: nil),
    ])
    func `without a credential one may call on loopback until the first key, and nowhere else`(
        needsKey: Bool, isLocal: Bool, decision: Decision?
    ) {
        let decided = ListenerPolicy(needsKey: needsKey)
            .decide(.none, from: CallOrigin(isLocal: isLocal), at: 0)
        if let decision { #expect(decided == decision) } else { #expect(decided.denial?.rule == .keyNeeded) }
    }

    @Test(arguments: [open, closed], [here, elsewhere])
    func `a key says who is calling, wherever from`(policy: ListenerPolicy, origin: CallOrigin) {
        #expect(
            policy.decide(.key(label: "agent", expires: nil), from: origin, at: .max)
                == .allowed(Principal(Self.agent)))
        #expect(
            policy.decide(.adminToken, from: origin, at: 0)
                == .allowed(.administrator))
    }

    @Test(arguments: [
        (expires: 100 as Int64, now: 99 as Int64, admitted: true), (100, 100, false), (100, 101, false),
        (.max, .max - 1, true), (.min, .min, false), (0, -1, true),
    ])
    func `a key is good until the moment it expires`(expires: Int64, now: Int64, admitted: Bool) {
        let decision = Self.closed.decide(
            .key(label: "agent", expires: expires), from: Self.elsewhere, at: now)
        if admitted {
            #expect(decision == .allowed(Principal(Self.agent)))
        } else {
            #expect(decision.denial?.rule == .keyExpired)
        }
    }

    @Test(arguments: [
        (credential: Credential.otherScheme, rule: Denial.Rule.schemeNotRead), (.notAKey, .notAKey),
        (.unknownKey, .keyUnknown), (.key(label: "agent", expires: 1), .keyExpired),
    ])
    func `a credential that is none of ours is refused even where none is needed`(
        credential: Credential, rule: Denial.Rule
    ) {
        #expect(Self.open.decide(credential, from: Self.here, at: 1).denial?.rule == rule)
    }

    @Test func `who tries keys does not learn which of them once was good`() {
        let unknown = Self.closed.decide(.unknownKey, from: Self.elsewhere, at: 1).denial
        let expired = Self.closed.decide(
            .key(label: "agent", expires: 0), from: Self.elsewhere, at: 1
        ).denial
        #expect(unknown?.text == expired?.text)
        #expect(unknown?.rule != expired?.rule)
    }

    @Test func `once a key was needed, one always is`() {
        var policy = Self.open
        policy.keyWasMade()
        #expect(policy.needsKey)
        // Revoking a key is no event of the policy: there is nothing that opens the door again.
        #expect(policy.decide(.unknownKey, from: Self.here, at: 0).denial?.rule == .keyUnknown)
        #expect(policy.decide(.none, from: Self.here, at: 0).denial?.rule == .keyNeeded)
    }

    @Test(arguments: [
        (needsKey: false, isLoopback: true, opens: true), (false, false, false), (true, true, true),
        (true, false, true),
    ])
    func `MCP without a credential exists only on loopback`(needsKey: Bool, isLoopback: Bool, opens: Bool) {
        let denial = ListenerPolicy(needsKey: needsKey)
            .objection(toListeningOn: "0.0.0.0:7330", port: 7330, isLoopback: isLoopback)
        #expect((denial == nil) == opens)
        guard let denial else { return }
        #expect(denial.rule == .openOnlyOnLoopback)
        #expect(denial.detail.contains("0.0.0.0:7330"))
        #expect(denial.hint?.contains("martlet token create") == true)
    }

    @Test(arguments: [
        (loopback: true, headers: [] as [String], isLocal: true), (false, [], false),
        (true, ["forwarded"], false), (true, ["x-forwarded-for"], false),
        (true, ["x-request-id", "via"], true), (false, ["forwarded"], false),
    ])
    func `who speaks for another does not count as being on this machine`(
        loopback: Bool, headers: [String], isLocal: Bool
    ) {
        #expect(CallOrigin(remoteIsLoopback: loopback, hasHeader: headers.contains).isLocal == isLocal)
    }

    @Test(arguments: [
        (header: nil as String?, presented: PresentedCredential.none), ("Bearer abc", .bearer("abc")),
        ("bearer abc", .bearer("abc")), ("BEARER  abc", .bearer(" abc")), ("Bearer ", .bearer("")),
        ("Bearer", .otherScheme), ("", .otherScheme), ("Basic YTpi", .basic("YTpi")),
        ("basic YTpi", .basic("YTpi")), ("Basic", .otherScheme),
    ])
    func `the scheme is read whatever its case`(header: String?, presented: PresentedCredential) {
        #expect(PresentedCredential(header: header) == presented)
    }
}

extension Decision {
    fileprivate var denial: Denial? { if case .refused(let denial) = self { denial } else { nil } }
}
