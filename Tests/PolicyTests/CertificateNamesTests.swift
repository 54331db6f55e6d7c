import MCPModel
import Policy
import Testing

struct CertificateNamesTests {
    private static let named: [(uris: [String], dns: [String], subject: String?, name: String?)] = [
        (["spiffe://plant/agent"], [], nil, "spiffe://plant/agent"),
        (["spiffe://plant/agent"], ["agent.plant"], "CN=agent", "spiffe://plant/agent"),
        ([], ["Agent.Plant"], "CN=agent", "agent.plant"), ([], [], "CN=agent,O=Plant", "CN=agent,O=Plant"),
        // More than one name of a kind names nobody: which of them it is would be the certificate's choice.
        (["spiffe://a", "spiffe://b"], [], "CN=agent", nil), ([], ["a.plant", "b.plant"], "CN=agent", nil),
        ([], [], nil, nil), ([], [], "", nil), ([""], [], "CN=agent", nil),
        // What would be taken for a name of another kind.
        (["CN=admin"], [], nil, nil), (["no-scheme"], [], nil, nil), (["=:x"], [], nil, nil),
        ([], ["CN=admin"], nil, nil), ([], ["spiffe://a"], nil, nil),
        ([], [], "CN=a\nb", nil), ([], [], String(repeating: "x", count: 513), nil),
    ]

    @Test(arguments: named)
    func `a certificate names one caller or none`(
        uris: [String], dns: [String], subject: String?, name: String?
    ) {
        let names = CertificateNames(uris: uris, dnsNames: dns, subject: subject)
        #expect(names.caller == name.map { Caller(issuer: "certificate", subject: $0) })
    }

    @Test
    func `one that names nobody is refused with what would help, and lets nobody in on loopback either`() {
        let policy = ListenerPolicy(needsKey: false)
        let decision = policy.decide(
            .certificate(CertificateNames(uris: [], dnsNames: [], subject: nil)),
            from: CallOrigin(isLocal: true), at: 0)
        guard case .refused(let denial) = decision else {
            Issue.record("\(decision)")
            return
        }
        #expect(denial.rule == .certificateUnnamed && denial.hint != nil)
    }
}
