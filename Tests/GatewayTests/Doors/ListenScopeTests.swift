import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import Gateway

/// What a token must have to listen.
@Suite(.timeLimit(.minutes(3)))
struct ListenScopeTests {
    private static let wishes: [(notifications: JSON, scope: String, isEnough: Bool)] = [
        (["toolsListChanged": true], "mcp:see", true),
        (["resourcesListChanged": true, "resourceSubscriptions": []], "mcp:see", true),
        (["resourceSubscriptions": ["sample://readme"]], "mcp:see", false),
        (
            ["toolsListChanged": true, "resourceSubscriptions": ["sample://readme"]], "mcp:see mcp:call",
            false
        ),
        (["resourceSubscriptions": ["sample://readme"]], "mcp:see mcp:read", true),
    ]

    @Test(arguments: wishes)
    func `who listens for changes of a resource may read it`(
        notifications: JSON, scope: String, isEnough: Bool
    ) async throws {
        let mint = try TokenMint("ES256", keyID: "k1")
        let scopes: JSON = ["see": ["mcp:see"], "call": ["mcp:call"], "read": ["mcp:read"]]
        let auth = { (jwks: String) -> JSON in
            ["jwt": [["issuer": .string(FakeIssuer.name), "jwks": .string(jwks), "scopes": scopes]]]
        }
        try await DoorRig.with(.keys([mint]), auth: auth) { (rig: DoorRig) async throws in
            // The header that says another method keeps a stream from beginning, which would have no end.
            let answer = try await rig.ask(
                Method.subscriptionsListen, ["notifications": notifications],
                credential: try rig.bearer(mint, [("scope", .string(scope))]),
                headers: [("Mcp-Method", Method.toolsList)])
            #expect(answer.status == (isEnough ? 400 : 403))
            #expect(isEnough || answer.challenge?.contains(#"scope="mcp:see mcp:read""#) == true)
        }
    }
}
