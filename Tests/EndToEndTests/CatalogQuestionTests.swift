import Foundation
import JSONSlice
import MartletTestKit
import Testing

extension EndToEnd.OneNode {
    @Test(.timeLimit(.minutes(2)))
    func `the catalog is asked by where, by SQL and by time, and a choice follows it`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode("asked", in: scratch, yaml: quiet("asked"))
        _ = try await node.json("servers", "add", "sample")

        // By where.
        let readers = try await node.json("catalog", "search", "--where", "readonly AND kind = 'tool'")
        #expect(readers["entries"]?[0]?["name"]?.string?.hasPrefix("sample__") == true)
        let one = try await node.json("catalog", "search", "numbers", "--where", "name LIKE 'ADD'")
        #expect(one["total"]?.int == 1 && one["entries"]?[0]?["name"]?.string == "sample__add")
        let wrong = try await node.martlet("catalog", "search", "--where", "kind = tool")
        #expect(wrong.status == 1 && wrong.errors.contains("column 8: kind is text"))

        // By SQL.
        let counted = try await node.json(
            "catalog", "sql", "SELECT count(*) FROM entries", "--where", "server = 'sample' AND kind = 'tool'"
        )
        #expect(counted["rows"]?[0]?[0]?.int == readers["total"]?.int)
        let refused = try await node.martlet("catalog", "sql", "DROP TABLE entries")
        #expect(refused.status == 1 && refused.errors.contains("is not allowed"))
        for query in [
            "SELECT * FROM entries", "SELECT * FROM servers", "SELECT name, definition FROM entries",
        ] {
            let shown = try await node.martlet("catalog", "sql", query)
            #expect(shown.status == 0)
            for line in shown.output.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
        }

        // By time.
        try await eventually("what was added is told") {
            let diff = try await node.json("catalog", "diff", "--since", "1h")
            return diff["entries"]?.elements.contains {
                $0["name"]?.string == "sample__add" && $0["what"]?.string == "added"
            } == true
        }
        let shown = try await node.json("catalog", "show", "sample__add")
        #expect(shown["versions"]?.elements.count == 1 && shown["versions"]?[0]?["isNew"]?.bool == true)
        #expect(shown["versions"]?[0]?["hash"]?.string == shown["hash"]?.string)

        // A choice.
        let file = try scratch.write(
            "virtualServers: {ops: {use: [{where: readonly, owners: [\"node:asked\"]}]}}", to: "ops.yaml")
        #expect(try await node.martlet("virtual", "apply", "-f", file).status == 0)
        let names = {
            try await node.json("virtual", "show", "ops")["entries"]?.elements
                .compactMap { $0["name"]?.string } ?? []
        }
        let before = try await names()
        #expect(before.contains("asked--sample__add"))
        let binary = try #require(Binary.path)
        #expect(try await node.martlet("servers", "add", "twin", "--", binary, "sample-server").status == 0)
        try await eventually("entries of a new server are there, and none has moved") {
            let after = try await names()
            return after.contains("asked--twin__add") && Set(before).isSubset(of: after)
        }
        let sum = try await node.json("call", "asked--twin__add", "a=40", "b=2", "--server", "ops")
        #expect(sum["result"]?["structuredContent"]?["sum"]?.double == 42)

        // As a whole.
        let export = try await node.json("catalog", "export", "--where", "server = 'twin'")
        #expect(export["entries"]?.elements.allSatisfy { $0["server"]?.string == "twin" } == true)
        let list = try await node.json("catalog", "export", "--format", "server-json")
        let published = list["servers"]?.elements.compactMap { $0["server"]?["name"]?.string } ?? []
        #expect(
            published.sorted() == [
                "local.martlet/asked--sample", "local.martlet/asked--twin", "local.martlet/ops",
            ])
        try await node.stop()
    }
}
