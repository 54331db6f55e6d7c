import MCPModel
import Policy
import Testing

struct OwnersCallerTests {
    private func at(_ node: String, _ issuer: String, _ subject: String = "alice") -> Caller {
        Caller(issuer: issuer, subject: subject).qualified(by: node)
    }

    @Test(arguments: ["key", "basic", "certificate"])
    func `who has his name from one node is another at the next`(door: String) {
        #expect(at("a", door) != at("b", door))
        #expect(at("a", door) == at("a", door) && at("a", door) != at("a", door, "bob"))
        #expect(at("a", door) != Caller(issuer: door, subject: "alice"), "nor is he the owner's own")
    }

    @Test(arguments: ["https://idp.example.com", "local", "node"])
    func `who is vouched for by more than his node, or by nobody, is the same wherever he comes in`(
        issuer: String
    ) {
        #expect(at("a", issuer) == at("b", issuer))
        #expect(at("a", issuer) == Caller(issuer: issuer, subject: "alice"))
    }

    @Test func `a node that lies about a door never meets another node's names`() {
        let victim = at("b", "key")
        for lie in ["key@b", "key", "key@", "key@b@b", "basic@b"] {
            #expect(at("a", lie) != victim, "\(lie)")
        }
    }
}
