import JSONSlice
import MartletTestKit
import Testing

/// Nodes that front each other's endpoints as servers over HTTP, without a mesh between them.
extension EndToEnd.TwoNodes {
    @Test(.timeLimit(.minutes(2)))
    func `a node that fronts another's endpoint lists what stands there later, within seconds`()
        async throws
    {
        let scratch = try Scratch()
        let script = "\(Project.root)/Tests/EndToEndTests/Python/asking_server.py"
        // Its server is there only when somebody says so: until then it is known, and never was listed.
        let start = "until [ -e \(scratch.path)/go ]; do sleep 0.1; done; exec python3 \(script)"
        let far = try await TestNode(
            "far", in: scratch,
            yaml: quiet("far") + "\nservers: {late: {command: sh, args: [\"-c\", \"\(start)\"]}}")
        let address = try await far.mcpAddress()
        let near = try await TestNode(
            "near", in: scratch,
            yaml: quiet("near") + """

                servers:
                  all: {url: "http://\(address)/mcp"}
                  one: {url: "http://\(address)/servers/late/mcp"}
                """)
        for name in ["all", "one"] {
            try await eventually("\(name) is up, and empty") {
                let servers = try await near.json("servers", "list")["servers"]?.elements ?? []
                return servers.contains { $0["name"]?.string == name && $0["state"] == "up" }
            }
        }
        #expect(try await near.json("catalog", "search")["entries"]?.elements.isEmpty == true)
        _ = try scratch.write("", to: "go")
        try await eventually("the far node lists its server") {
            try await far.json("catalog", "search")["entries"]?.elements.isEmpty == false
        }
        for (name, prefix) in [("all", "late__"), ("one", "")] {
            try await eventually("\(name) has the tools", within: .seconds(5)) {
                let found = try await near.json("catalog", "search")["entries"]?.elements ?? []
                return found.contains { $0["name"]?.string?.hasPrefix("\(name)__\(prefix)") == true }
            }
        }
        try await near.stop()
        try await far.stop()
    }
}
