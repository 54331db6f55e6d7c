import Foundation
import JSONSlice
import Testing

/// The doors of a real node, tried with the official clients.
extension EndToEnd.Doors {
    /// `Python/oauth_issuer.py`, an authorization server.
    private final class Issuer: Sendable {
        let program: Program
        let name: String

        init() async throws {
            let program = try Program(PythonClient.script("oauth_issuer.py"), keepsInputOpen: true)
            try await eventually("the authorization server says its name") {
                program.outputText.contains("\n") || !program.isRunning
            }
            self.program = program
            name = program.outputText.trimmingCharacters(in: .whitespacesAndNewlines)
            guard name.hasPrefix("http://") else { throw TestFailure("no issuer: \(program.errorText)") }
        }

        /// What it was asked for, in order: `at`, `resource`, `scope`.
        func asked() async throws -> [JSON] {
            let outcome = try await Program.run(
                ["curl", "--silent", "--fail", "--max-time", "10", "\(name)/asked"])
            return try JSON(validating: outcome.output).elements
        }
    }

    @Test(.timeLimit(.minutes(3)), arguments: PythonClient.Release.allCases)
    func `the official client finds the authorization server, gets a token for the endpoint, and steps up`(
        release: PythonClient.Release
    ) async throws {
        let scratch = try Scratch()
        let issuer = try await Issuer()
        let yaml =
            quiet("oauth") + """

                auth:
                  jwt:
                    - issuer: \(issuer.name)
                      jwks: \(issuer.name)/keys
                      scopes: {see: ["mcp:see"], call: ["mcp:call"]}
                """
        let node = try await TestNode("oauth", in: scratch, yaml: yaml)
        _ = try await node.json("servers", "add", "sample")
        let mcp = try await node.mcpAddress()
        for (path, tool) in [("/mcp", "sample__add"), ("/servers/sample/mcp", "add")] {
            let before = try await issuer.asked().count
            let outcome = try await Program.run(
                PythonClient.script("oauth_client.py", on: release, "http://\(mcp)\(path)", tool, #"{"a": 40, "b": 2}"#))
            #expect(outcome.status == 0, "\(outcome.errors)")
            let said = try JSON(validating: outcome.output)
            #expect(said["tools"]?.elements.contains { $0.string == tool } == true)
            #expect(said["results"]?[0]?["structuredContent"]?["sum"]?.double == 42)
            // Once to see, and once more to call.
            #expect(said["agreed"]?.int == 2)
            let asked = try await issuer.asked().dropFirst(before)
            #expect(asked.allSatisfy { $0["resource"]?.string == "http://\(mcp)\(path)" })
            let scopes = asked.compactMap { $0["scope"]?.string }
            #expect(scopes.first == "mcp:see")
            #expect(scopes.last.map { Set($0.split(separator: " ")) } == ["mcp:see", "mcp:call"])
        }
        try await node.stop()
    }
}
