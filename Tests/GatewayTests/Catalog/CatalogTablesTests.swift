import Catalog
import Composition
import Foundation
import JSONSlice
import MartletTestKit
import Mesh
import Storage
import Testing

@testable import Gateway

struct CatalogTablesTests {
    private func snapshot(isReachable: Bool = true) throws -> CatalogSnapshot {
        let tool: JSON = [
            "name": "get_order", "description": "Gets.", "inputSchema": ["type": "object"],
            "annotations": ["readOnlyHint": true],
        ]
        return try CatalogSnapshot.sample(thereIsReachable: isReachable)
            .with("press", .tools("stamp", "fold") + .resources("file:///a"))
            .with(
                "erp", on: .there, [try #require(Entry(kind: .tool, definition: tool))] + .tools("set_order"),
                tags: ["orders"]
            )
            .with(virtual: "ops", ["use": [["from": .string("\(NodeID.there)/erp")]]], by: .there)
    }

    private func tables(_ snapshot: CatalogSnapshot, _ sight: CatalogSight = .everything) -> CatalogTables {
        let view = EndpointView(of: .all, in: snapshot)
        return CatalogTables(
            report: CatalogReport(snapshot: snapshot, view: view), sight: sight,
            links: [
                .here: [.there: ListedLink(roundTrip: RoundTripClass(level: 1), relays: true)],
                .there: [.here: ListedLink(roundTrip: RoundTripClass(level: 1), relays: false)],
            ],
            view: { name in
                snapshot.virtualServers[name].flatMap { try? ResolvedDefinition(json: $0.definition) }
                    .map { EndpointView(of: .virtual($0), in: snapshot) }
            }, now: Instant(nanoseconds: 5_000_000_000))
    }

    private func ask(
        _ sql: String, where selection: String? = nil, isReachable: Bool = true,
        _ sight: CatalogSight = .everything
    ) throws -> [[QueryValue]] {
        let tables = tables(try snapshot(isReachable: isReachable), sight)
        return try ReadOnlyQuery(sql, over: tables.all(selecting: try selection.map { try Selection($0) }))
            .run()
            .rows
    }

    @Test(
        arguments: [
            (
                "SELECT listed, node, callable FROM entries WHERE name = 'get_order'",
                [["there--erp__get_order", "there", 1]]
            ),
            (
                "SELECT name FROM entries WHERE readonly AND 'orders' IN (SELECT value FROM json_each(tags))",
                [["get_order"]]
            ),
            (
                "SELECT kind, count(*) FROM entries GROUP BY kind ORDER BY 1",
                [["resource", 1], ["tool", 4]]
            ),
            (
                "SELECT json_extract(definition, '$.description'), age, hops FROM entries WHERE readonly",
                [["Gets.", 5, 1]]
            ),
            (
                "SELECT name, node, tools, resources, state FROM servers ORDER BY name",
                [["erp", "there", 2, 0, "available"], ["press", "here", 2, 1, "available"]]
            ),
            (
                "SELECT name, state, hops, via FROM nodes ORDER BY name",
                [["here", "this node", 0, nil], ["there", "reachable", 1, "[]"]]
            ),
            (
                "SELECT node, peer, relays, mutual FROM links ORDER BY node",
                [["here", "there", 1, 1], ["there", "here", 0, 1]]
            ),
            ("SELECT name, author, counter, entries FROM virtual_servers", [["ops", "there", 1, 2]]),
            ("SELECT json_extract(definition, '$.use[0].from') FROM virtual_servers", [["there--erp"]]),
            ("SELECT count(*) FROM statements", [[0]]),
        ] as [(String, [[JSON?]])])
    func `the catalog answers`(sql: String, rows: [[JSON?]]) throws {
        let expected = rows.map {
            $0.map { value -> QueryValue in
                if let number = value?.int { return .integer(Int64(number)) }
                return value?.string.map(QueryValue.text) ?? .null
            }
        }
        #expect(try ask(sql) == expected)
    }

    @Test func `an owner that is gone leaves its entries, which cannot be called`() throws {
        let rows = try ask(
            "SELECT state, callable, hops FROM entries WHERE node = 'there'", isReachable: false)
        #expect(rows == Array(repeating: [.text("unreachable"), .integer(0), .null], count: 2))
    }

    @Test func `where narrows the entries, and nothing else`() throws {
        #expect(try ask("SELECT name FROM entries", where: "'readonly' IN tags") == [[.text("get_order")]])
        #expect(try ask("SELECT count(*) FROM servers", where: "'readonly' IN tags") == [[.integer(2)]])
        #expect(try ask("SELECT count(*) FROM entries", where: "listed LIKE 'PRESS%'") == [[.integer(2)]])
    }

    @Test func `what a caller may not see is in no table`() throws {
        let sight = CatalogSight(
            seesServer: { $0.owner == .here }, seesVirtualServer: { _ in false }, seesMesh: false)
        #expect(try ask("SELECT DISTINCT server FROM entries", sight) == [[.text("press")]])
        #expect(try ask("SELECT name FROM servers", sight) == [[.text("press")]])
        for table in ["nodes", "links", "virtual_servers", "statements"] {
            #expect(try ask("SELECT count(*) FROM \(table)", sight) == [[.integer(0)]])
        }
    }

    @Test func `a search is about what where chooses`() throws {
        let report = tables(try snapshot()).report
        let rows = CatalogRows(report, now: .zero)
        let search = { (query: String, text: String) in
            let selection = try Selection(text)
            return report.search(query, limit: 10, with: CatalogSearch(), version: 1) {
                rows.chooses(selection, $0)
            }
        }
        let names = { (answer: JSON) in answer["entries"]?.elements.compactMap { $0["name"]?.string } ?? [] }
        #expect(
            names(try search("", "kind = 'resource' OR readonly")) == [
                "there--erp__get_order", "martlet://press/file:///a",
            ])
        #expect(names(try search("order", "NOT 'readonly' IN tags")) == ["there--erp__set_order"])
        #expect(try search("order", "node = 'there'")["total"]?.int == 2)
        #expect(try search("", "node = 'nowhere'")["total"]?.int == 0)
    }

    /// In docs/reference/catalog.md each table is a heading, and each of its columns a row.
    @Test func `the documented columns are those that there are`() throws {
        let root = (0..<4).reduce(URL(fileURLWithPath: #filePath)) { path, _ in
            path.deletingLastPathComponent()
        }
        let file = root.appending(path: "docs/reference/catalog.md")
        var documented: [String: [String]] = [:]
        var table = ""
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            if line.hasPrefix("#") {
                table = line.hasPrefix("### `") ? String(line.dropFirst(5).dropLast()) : ""
            }
            let cells = line.split(separator: "|").map { $0.filter { $0 != " " && $0 != "`" } }
            if !table.isEmpty, line.hasPrefix("| `"), cells.count >= 2 {
                documented[table, default: []].append("\(cells[0]) \(cells[1])")
            }
        }
        let actual = tables(try snapshot()).all(selecting: nil)
        #expect(Set(actual.map(\.name)) == Set(documented.keys))
        for table in actual {
            #expect(table.columns.map { "\($0.name) \($0.type.rawValue)" } == documented[table.name])
        }
    }

    // MARK: Export

    @Test func `servers are listed as registries list them`() throws {
        let snapshot = try snapshot()
        let tables = tables(snapshot)
        let made = try #require(
            ServerJSON(tables.report, namespace: "net.example", base: "https://gw.example.net"))
        let list = made.list({ _ in true }, tables.view)
        #expect(list["metadata"]?["count"]?.int == 3)
        let servers = (list["servers"]?.elements ?? []).compactMap { $0["server"] }
        #expect(
            servers.compactMap { $0["name"]?.string } == [
                "net.example/here--press", "net.example/there--erp", "net.example/ops",
            ])
        for server in servers {
            let description = try #require(server["description"]?.string)
            #expect((1...100).contains(description.count))
            #expect(server["version"]?.string?.isEmpty == false)
            #expect(server["$schema"]?.string?.hasSuffix("/2025-12-11/server.schema.json") == true)
            #expect(server["remotes"]?[0]?["type"]?.string == "streamable-http")
        }
        #expect(servers[1]["remotes"]?[0]?["url"]?.string == "https://gw.example.net/servers/there--erp/mcp")
        #expect(servers[2]["remotes"]?[0]?["url"]?.string == "https://gw.example.net/servers/ops/mcp")
        #expect(ServerJSON(tables.report, namespace: "net/example", base: "") == nil)
        let some = made.list({ $0.owner == .here }, tables.view)
        #expect(some["metadata"]?["count"]?.int == 1)
    }
}
