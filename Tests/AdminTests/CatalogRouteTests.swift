import Foundation
import JSONSlice
import Testing

@testable import Admin

@Suite(.timeLimit(.minutes(1)))
struct CatalogRouteTests {
    private func body(_ members: (String, JSON)...) -> String { JSON.object(members).text }

    @Test func `a where that is wrong is 400 and says where`() async throws {
        try await TestNode.with { node in
            for path in ["search", "sql", "export"] {
                let answer = try await node.ask(
                    "POST", "/v1/catalog/\(path)", body(("where", "kind = tool"), ("sql", "SELECT 1")))
                #expect(answer.status == 400 && answer.code == "invalid")
                #expect(answer.message.contains("column 8: kind is text"), "\(answer.message)")
            }
            let number = try await node.ask("POST", "/v1/catalog/search", body(("where", 1)))
            #expect(number.status == 400 && number.message.contains("expected text, found 1"))
            let empty = try await node.ask("POST", "/v1/catalog/search", body(("where", "readonly")))
            #expect(empty.status == 200 && empty.json["total"]?.int == 0)
        }
    }

    @Test func `SQL is answered, and refused with the reason`() async throws {
        try await TestNode.with { node in
            let answer = try await node.ask(
                "POST", "/v1/catalog/sql", body(("sql", "SELECT name, state, hops, rtt_ms FROM nodes")))
            #expect(answer.status == 200)
            #expect(
                answer.json.text
                    == #"{"columns":["name","state","hops","rtt_ms"],"rows":[["here","this node",0,null]],"isCut":false}"#
            )
            let cut = try await node.ask(
                "POST", "/v1/catalog/sql", body(("sql", "VALUES (1), (2.5), ('x')"), ("limit", 2)))
            #expect(cut.json["rows"]?.text == "[[1],[2.5]]" && cut.json["isCut"]?.bool == true)
            for (sql, word) in [
                ("DROP TABLE nodes", "not allowed"), ("SELECT 1; SELECT 2", "more than one"),
                ("SELECT x FROM nodes", "no such column: x"), ("ATTACH 'x' AS y", "ATTACH"),
                ("SELECT * FROM sqlite_master, secret", "no such table: secret"),
            ] {
                let refused = try await node.ask("POST", "/v1/catalog/sql", body(("sql", .string(sql))))
                #expect(refused.status == 400 && refused.message.contains(word), "\(refused.message)")
            }
            #expect(try await node.ask("POST", "/v1/catalog/sql", "{}").status == 400)
            #expect(
                try await node.ask("POST", "/v1/catalog/sql", body(("sql", "SELECT 1"), ("limit", 10_001)))
                    .status == 400)
        }
    }

    @Test func `a catalog can be exported, and compared with an hour ago`() async throws {
        try await TestNode.with { node in
            let whole = try await node.ask("POST", "/v1/catalog/export", "{}")
            #expect(whole.json["node"]?.string == "here" && whole.json["entries"]?.elements.isEmpty == true)
            let list = try await node.ask(
                "POST", "/v1/catalog/export", body(("format", "server-json")))
            #expect(list.json["metadata"]?["count"]?.int == 0)
            for (key, value) in [("format", "xml"), ("namespace", "a/b"), ("base", "gw.example.net")] {
                var members: [(String, JSON)] = [(key, .string(value))]
                if key != "format" { members.append(("format", "server-json")) }
                let refused = try await node.ask(
                    "POST", "/v1/catalog/export", JSON.object(members).text)
                #expect(refused.status == 400 && refused.message.contains(key), "\(refused.message)")
            }
            let diff = try await node.ask("POST", "/v1/catalog/diff", body(("sinceSeconds", 3_600)))
            #expect(diff.status == 200 && diff.json["entries"]?.elements.isEmpty == true)
            #expect(diff.json["isCut"]?.bool == false)
            #expect(
                try await node.ask("POST", "/v1/catalog/diff", body(("sinceSeconds", 99_999_999))).status
                    == 400)
        }
    }
}
