import Testing

@testable import Storage

struct QueryTextTests {
    @Test(arguments: [
        ("", true), ("  ;\n; ", true), ("-- SELECT\n", true), ("/* SELECT */ ; /* open", true),
        ("SELECT", false), (";'x'", false), ("\u{FEFF} ; ", true), ("; x", false),
    ])
    func `space, comments and semicolons are nothing`(text: String, isBlank: Bool) {
        #expect(QueryText(text.utf8).isBlank == isBlank)
    }

    @Test(
        arguments: [
            ("SELECT * FROM entries", []), ("WITH a AS (SELECT 1) SELECT * FROM a", ["a"]),
            (
                "with A(x, y) as not materialized (select 1, 2), \"b c\" AS MATERIALIZED (SELECT 1) SELECT 1",
                ["a", "b c"]
            ),
            ("SELECT 'WITH a AS (SELECT 1)' -- WITH b AS (x)", []),
            ("WITH a AS (WITH b AS (SELECT 1) SELECT * FROM b) SELECT * FROM a", ["a", "b"]),
            ("WITH [a] AS (SELECT ')') SELECT 1", ["a"]), ("WITH a AS (SELECT 1", ["a"]),
            (
                "WITH 'A' AS (SELECT 1), \u{FEFF}b AS (SELECT 1), [c\"d] AS (SELECT 1) SELECT 1",
                ["a", "b", "c\"d"]
            ),
            ("WITH \"a\"\"0\" AS (SELECT 1), `b``` AS (SELECT 1) SELECT 1", ["a\"0", "b`"]),
        ] as [(String, [String])])
    func `tables that WITH defines are found`(text: String, names: [String]) {
        #expect(QueryText(text.utf8).withTables == Set(names))
    }

    private func chain(_ length: Int, uses: Int) -> String {
        let links = (1...length).map { index in
            let sources = (0..<uses).map { "c\(index - 1) t\($0)" }.joined(separator: ", ")
            return "c\(index) AS (SELECT t0.x FROM \(sources))"
        }
        return "WITH c0 AS (SELECT 1 AS x), \(links.joined(separator: ", ")) SELECT * FROM c\(length)"
    }

    @Test func `copies of common tables within one another are counted`() {
        #expect(QueryText("WITH a AS (SELECT 1) SELECT * FROM a, a".utf8).copies(atMost: 500) != nil)
        #expect(QueryText(chain(20, uses: 1).utf8).copies(atMost: 500) != nil)
        #expect(QueryText(chain(4, uses: 2).utf8).copies(atMost: 500) != nil)
        #expect(QueryText(chain(20, uses: 2).utf8).copies(atMost: 500) == nil)
        #expect(QueryText(chain(200, uses: 20).utf8).copies(atMost: 500) == nil)
    }

    @Test func `a common table that uses itself is one`() {
        let text = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
        #expect(QueryText(text.utf8).copies(atMost: 10) != nil)
        let ring = "WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a"
        #expect(QueryText(ring.utf8).copies(atMost: 20) != nil)
    }

    @Test(
        arguments: [
            ("SELECT name, kind, count(*) FROM entries GROUP BY name, kind ORDER BY 1, 2", 1),
            (
                "SELECT 1 FROM a, b AS c JOIN (d, [e]) ON f(a.x, c.y) WHERE x IN g AND y IN (SELECT 1 FROM 'h', i)",
                7
            ),
            (
                "SELECT e.a, 'from b, c' FROM main.a, json_each(e.x) LEFT JOIN (SELECT x, y FROM b) WHERE x IN (1, 2)",
                1
            ),
        ])
    func `no place that may name a table goes uncounted, and columns do not count`(text: String, count: Int) {
        #expect(QueryText(text.utf8).references == count)
    }

    @Test func `what would multiply is refused, whatever its tables are named`() {
        let nine = (0..<9).map { "c\($0) AS NOT MATERIALIZED (SELECT 1)" }.joined(separator: ", ")
        #expect(QueryText("WITH \(nine) SELECT 1".utf8).objection(.standard) == .tooManyWithTables(max: 8))
        let tables = Array(repeating: "entries", count: 60).joined(separator: ", ")
        let eight = (0..<8).map { "c\($0) AS (SELECT 1)" }.joined(separator: ", ")
        #expect(
            QueryText("WITH \(eight) SELECT 1 FROM \(tables)".utf8).objection(.standard)
                == .tooManyReferences(60))
        #expect(QueryText("SELECT 1 FROM \(tables)".utf8).objection(.standard) == nil)
        #expect(QueryText("SELECT $a('), 1".utf8).objection(.standard) == .parameters)
    }
}
