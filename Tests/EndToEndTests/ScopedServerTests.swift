import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Servers that are for some nodes only, among real processes.
extension EndToEnd.ScopedServers {
    /// A server over stdio whose one tool is described by what is searched for.
    private static let server = """
        import json, sys
        canary = sys.argv[1]
        tool = {"name": "pay", "description": canary, "inputSchema": {"type": "object"}}
        for line in sys.stdin:
            asked = json.loads(line)
            if "id" not in asked:
                continue
            answer = {"jsonrpc": "2.0", "id": asked["id"]}
            if asked["method"] == "initialize":
                answer["result"] = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                                    "serverInfo": {"name": "desk", "version": "1"}}
            elif asked["method"] == "tools/list":
                answer["result"] = {"tools": [tool]}
            elif asked["method"] == "tools/call":
                answer["result"] = {"content": [{"type": "text", "text": "paid"}]}
            else:
                answer["error"] = {"code": -32601, "message": "not here"}
            print(json.dumps(answer), flush=True)
        """

    private static func canary() -> String {
        "canary" + UUID().uuidString.replacing("-", with: "").lowercased()
    }

    /// `office` (its owner) and `branch` (its reader) dial out only, so that all between them crosses `plant`, which
    /// must never hold anything of the server.
    @Test(.timeLimit(.minutes(3)))
    func `nothing of a scoped server is on the node between its owner and its reader`() async throws {
        let scratch = try Scratch()
        let script = try scratch.write(Self.server, to: "desk.py")
        let (secret, open, kept) = (Self.canary(), Self.canary(), Self.canary())
        let plant = try await TestNode(
            "plant", in: scratch, yaml: quiet("plant", mesh: "127.0.0.1:0", segment: "plant"))
        func join(_ name: String, _ servers: String = "") async throws -> TestNode {
            let token = try await plant.joinToken("--segment", "hq")
            return try await TestNode(
                name, in: scratch, yaml: quiet(name, segment: "hq") + servers, arguments: ["--join", token])
        }
        let office = try await join(
            "office",
            """

            servers:
              payroll: {command: python3, args: ["\(script)", "\(secret)"], title: "\(secret)", to: ["segment:hq"]}
              menu: {command: python3, args: ["\(script)", "\(open)"]}
              diary: {command: python3, args: ["\(script)", "\(kept)"], export: false}
            """)
        let branch = try await join("branch")
        try await eventually("branch lists both servers that it may know of", within: .seconds(30)) {
            let payroll = try await branch.entryState("office--payroll__pay")
            let menu = try await branch.entryState("office--menu__pay")
            return payroll == "available" && menu == "available"
        }
        try await eventually("plant lists the one that it may know of", within: .seconds(30)) {
            try await plant.entryState("office--menu__pay") == "available"
        }
        let peers = try await office.ask("/v1/status")["peers"]?.elements ?? []
        #expect(
            peers.first { $0["label"]?.string == "branch" }?["path"]?.text.contains("plant") == true,
            "\(peers)")

        // Listed and called through plant, which carries what it cannot read.
        let paid = try await branch.martlet("call", "office--payroll__pay")
        #expect(paid.status == 0 && paid.output.contains("paid"), "\(paid.output)\(paid.errors)")
        let refused = try await plant.martlet("call", "office--payroll__pay")
        #expect(refused.status != 0)
        #expect(try await plant.entryState("office--payroll__pay") == nil)
        #expect(try await branch.entryState("office--diary__pay") == nil)

        let search = SecretSearch(secret)
        #expect(try await search.findings(inMemoryOf: plant.pid).isEmpty)
        #expect(try await search.findings(inFolder: plant.dataFolder).isEmpty)
        #expect(search.forms(in: plant.log + plant.program.outputText).isEmpty)
        // The same search finds it where it must be, and finds at plant what is for everybody.
        #expect(try await !search.findings(inMemoryOf: branch.pid).isEmpty)
        #expect(try await !search.findings(inFolder: branch.dataFolder).isEmpty)
        #expect(try await !SecretSearch(open).findings(inMemoryOf: plant.pid).isEmpty)
        #expect(try await !SecretSearch(open).findings(inFolder: plant.dataFolder).isEmpty)

        // `export: false`: with its own node, and nowhere else.
        let diary = SecretSearch(kept)
        #expect(try await !diary.findings(inFolder: office.dataFolder).isEmpty)
        for node in [plant, branch] {
            #expect(try await diary.findings(inMemoryOf: node.pid).isEmpty)
            #expect(try await diary.findings(inFolder: node.dataFolder).isEmpty)
        }

        // A reader that starts again lists it before its owner is met: at once, and from its own disk.
        try await office.kill()
        try await branch.stop()
        let again = try await TestNode("branch", in: scratch, yaml: quiet("branch", segment: "hq"))
        #expect(try await again.entryState("office--payroll__pay") == "not confirmed")
        #expect(try await again.server("payroll")?["state"]?.string == "not confirmed")
        #expect(try await !search.findings(inFolder: again.dataFolder).isEmpty)

        // Its owner has changed its mind meanwhile: then nothing is left in any file of the reader, its database's log included.
        let narrowed = try await TestNode(
            "office", in: scratch,
            yaml: quiet("office", segment: "hq") + """

                servers:
                  payroll: {command: python3, args: ["\(script)", "\(secret)"], title: "\(secret)", to: ["node:nobody"]}
                  menu: {command: python3, args: ["\(script)", "\(open)"]}
                """)
        try await eventually("branch lists it no more", within: .seconds(30)) {
            try await again.entryState("office--payroll__pay") == nil
        }
        try await eventually("no file of branch holds it", within: .seconds(10)) {
            try await search.findings(inFolder: again.dataFolder).isEmpty
        }
        #expect(try await !SecretSearch(open).findings(inFolder: again.dataFolder).isEmpty)
        for node in [plant, again, narrowed] { try await node.stop() }
    }
}
