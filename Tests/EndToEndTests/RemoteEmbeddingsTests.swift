import Foundation
import JSONSlice
import MartletTestKit
import Testing

extension EndToEnd.OneNode {
    @Test(.enabled(if: PythonClient.isInstalled), .timeLimit(.minutes(2)))
    func `an endpoint of one's own says what is meant, and when it dies words find still`() async throws {
        let key = "emb-" + UUID().uuidString
        let endpoint = try Program(
            PythonClient.script("embeddings_server.py"), environment: ["EMBEDDINGS_KEY": key])
        try await eventually("the endpoint listens", within: .seconds(30)) {
            guard endpoint.isRunning else { throw TestFailure("it ended: \(endpoint.errorText)") }
            return endpoint.outputText.contains("\n")
        }
        let first = endpoint.outputText.split(separator: "\n").first.map(String.init) ?? ""
        let port = try #require(try JSON(validating: first)["port"]?.int)

        let scratch = try Scratch()
        let node = try await TestNode(
            "meant", in: scratch,
            yaml: quiet("meant") + """

                search:
                  embeddings:
                    url: http://127.0.0.1:\(port)/v1/embeddings
                    model: concepts
                    dimensions: 64
                    auth: {bearer: {secret: models-key}}
                """)
        _ = try await node.json("servers", "add", "sample")
        let search = { (text: String) in
            let answer = try await node.json("catalog", "search", text)
            return (answer["entries"]?.elements.first?["name"]?.string, answer["meaning"]?.string)
        }
        let check = { () async throws -> JSON? in
            try await node.ask("/v1/doctor")["checks"]?.elements.first { $0["what"]?.string == "search" }
        }
        // Without its credential: words.
        let (name, remark) = try await search("add numbers")
        #expect(name == "sample__add" && remark?.contains("models-key") == true, "\(remark ?? "")")
        #expect(try await check()?["verdict"]?.string == "warning")

        let stored = try await node.martlet("secret", "set", "models-key", input: key + "\n")
        #expect(stored.output.contains("setting search.embeddings"), "\(stored.output)\(stored.errors)")
        try await eventually("the catalog is known to it", within: .seconds(30)) {
            guard try await check()?["verdict"]?.string == "ok" else { return false }
            return try await search("abacus").1 == nil
        }
        #expect(try await search("abacus").0 == "sample__add")
        #expect(try await search("parrot").0 == "sample__echo")
        let address = try await node.mcpAddress()
        let client = PythonClient(.two, at: "http://\(address)/mcp?mode=search", on: [])
        let found = try await client.answers(to: [["call", "search_tools", ["query": "tortoise"]]])[0][
            "result"]?["structuredContent"]
        #expect(found?["tools"]?[0]?["name"]?.string == "sample__countdown", "\(found?.text ?? "")")
        #expect(found?["meaning"] == nil)

        endpoint.signal(SIGKILL)
        try await eventually("the endpoint is gone") { !endpoint.isRunning }
        #expect(try await search("bookkeeping").0 == nil)
        #expect(try await search("bookkeeping").1?.contains("words alone") == true)
        #expect(try await search("two numbers").0 == "sample__add")
        let shown = try await node.martlet("catalog", "search", "two", "numbers")
        #expect(shown.output.contains("By meaning: ranked by words alone"), "\(shown.output)")
        #expect(try await check()?["verdict"]?.string == "warning")
        #expect(!node.log.contains(key) && !node.program.outputText.contains(key))
        try await node.stop()
    }
}
