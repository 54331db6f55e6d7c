import JSONSlice
import MartletTestKit
import Testing

extension EndToEnd.OneNode {
    @Test(
        .enabled(if: PythonClient.isInstalled), .timeLimit(.minutes(2)),
        arguments: PythonClient.Release.allCases)
    func `an agent finds a tool by search and calls it, through the official clients`(
        release: PythonClient.Release
    ) async throws {
        let scratch = try Scratch()
        let node = try await TestNode("found", in: scratch, yaml: quiet("found"))
        _ = try await node.json("servers", "add", "sample")
        let address = try await node.mcpAddress()
        let client = PythonClient(release, at: "http://\(address)/mcp?mode=search", on: [])
        #expect(try await client.tools().compactMap { $0["name"]?.string } == ["search_tools", "call_tool"])

        let answers = try await client.answers(to: [
            ["call", "search_tools", ["query": "add two numbers", "limit": 3]],
            ["call", "call_tool", ["name": "sample__add", "arguments": ["a": 40, "b": 2]]],
            ["call", "call_tool", ["name": "sample__add", "arguments": ["a": "forty", "b": 2]]],
            ["call", "sample__add", ["a": 1, "b": 2]],
        ])
        let found = answers[0]["result"]?["structuredContent"]
        #expect(found?["tools"]?[0]?["name"]?.string == "sample__add")
        #expect(found?["tools"]?[0]?["inputSchema"]?["properties"]?["a"] != nil)
        #expect(answers[1]["result"]?["structuredContent"]?["sum"]?.double == 42)
        #expect(answers[2]["result"]?["isError"]?.bool == true)
        #expect(answers[2]["result"]?["content"]?[0]?["text"]?.string?.contains("a: must be number") == true)
        #expect(answers[3]["result"]?["structuredContent"]?["sum"]?.double == 3)
        try await node.stop()
    }

    @Test(.enabled(if: PythonClient.isInstalled), .timeLimit(.minutes(2)))
    func `a virtual server is searched as its definition says, unless the client wants its list`()
        async throws
    {
        let scratch = try Scratch()
        let yaml =
            quiet("chosen") + """

                servers: {sample: {command: "\(try #require(Binary.path))", args: [sample-server]}}
                virtualServers:
                  ops: {use: [{from: sample}], mode: auto, listedTools: 1, always: ["ad?"]}
                """
        let node = try await TestNode("chosen", in: scratch, yaml: yaml)
        let address = try await node.mcpAddress()
        let names = { (query: String) in
            try await PythonClient(.two, at: "http://\(address)/servers/ops/mcp\(query)", on: []).tools()
                .compactMap { $0["name"]?.string }
        }
        try await eventually("it stands") { try await node.martlet("virtual", "show", "ops").status == 0 }
        try await eventually("the server is listed") { try await names("?mode=full").contains("add") }
        #expect(try await names("") == ["search_tools", "call_tool", "add"])
        #expect(try await !names("?mode=full").contains("search_tools"))
        let shown = try await node.martlet("virtual", "show", "ops")
        #expect(shown.output.contains("search_tools and call_tool"))
        try await node.stop()
    }
}
