import Catalog
import Synchronization
import MartletTestKit
import Testing

@testable import Storage

struct ReadOnlyQueryTests {
    /// Two tables, and what was asked of them.
    private final class Asked: Sendable {
        let columns = Mutex<[[String]]>([])
    }

    private static func tables(rows: Int = 3, asked: Asked = Asked()) -> [QueryTable] {
        let entries = QueryTable(
            "entries",
            [
                .init("name", .text), .init("tags", .text), .init("age", .integer),
                .init("readonly", .integer),
                .init("definition", .text),
            ]
        ) { columns, take in
            asked.columns.withLock { $0.append(columns) }
            for number in 0..<rows {
                try take(
                    columns.map { column in
                        switch column {
                        case "name": .text("entry \(number)")
                        case "tags": .text(number % 2 == 0 ? #"["even"]"# : "[]")
                        case "age": .integer(Int64(number))
                        case "readonly": number == 0 ? .null : .integer(1)
                        default: .text(String(repeating: "x", count: 100_000))
                        }
                    })
            }
        }
        let nodes = QueryTable("nodes", [.init("id", .text), .init("rtt", .real)]) { columns, take in
            try take(columns.map { $0 == "rtt" ? .real(1.5) : .text("n") })
        }
        return [entries, nodes]
    }

    private func run(
        _ text: String, rows: Int = 3, _ bend: (inout QueryLimits) -> Void = { _ in }
    ) throws -> QueryResult {
        var limits = QueryLimits.standard
        bend(&limits)
        return try ReadOnlyQuery(text, over: Self.tables(rows: rows), limits: limits).run()
    }

    @Test(
        arguments: [
            ("SELECT name FROM entries ORDER BY age DESC LIMIT 1", [[.text("entry 2")]]),
            ("SELECT count(*), sum(age), avg(age) FROM entries", [[.integer(3), .integer(3), .real(1)]]),
            ("VALUES (1), (NULL)", [[.integer(1)], [.null]]),
            ("SELECT x'00ff', ''", [[.text("00ff"), .text("")]]),
            (
                "SELECT e.name, n.rtt FROM entries e JOIN nodes n WHERE e.age = 1;",
                [[.text("entry 1"), .real(1.5)]]
            ),
            (
                "SELECT name FROM entries WHERE 'even' IN (SELECT value FROM json_each(tags)) AND age > 0",
                [[.text("entry 2")]]
            ),
            (
                "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3) SELECT count(*) FROM c",
                [[.integer(3)]]
            ),
            (
                "SELECT row_number() OVER (ORDER BY name DESC) FROM entries WHERE name LIKE '%0'",
                [[.integer(1)]]
            ),
            ("SELECT json_extract('{\"a\":[1,\"b\"]}', '$.a[1]'), '[7]' ->> 0", [[.text("b"), .integer(7)]]),
            ("SELECT name FROM sqlite_schema WHERE name = 'nodes' -- what there is", [[.text("nodes")]]),
        ] as [(String, [[QueryValue]])])
    func `a SELECT is answered`(text: String, rows: [[QueryValue]]) throws {
        let result = try run(text)
        #expect(result.rows == rows && !result.isCut)
    }

    @Test func `columns carry their names, in their order`() throws {
        #expect(try run("SELECT age, name AS n, age FROM entries").columns == ["age", "n", "age"])
        #expect(try run("SELECT * FROM nodes WHERE 0").columns == ["id", "rtt"])
    }

    @Test func `only what a query reads is made`() throws {
        let asked = Asked()
        let query = { try ReadOnlyQuery($0, over: Self.tables(asked: asked)).run() }
        _ = try query("SELECT id FROM nodes")
        #expect(asked.columns.withLock { $0 }.isEmpty)
        _ = try query("SELECT name FROM entries WHERE age = 1")
        #expect(asked.columns.withLock { $0 } == [["name", "age"]])
        #expect(try query("SELECT count(*) FROM entries").rows == [[.integer(3)]])
        #expect(throws: QueryError.self) { try query("SELECT nme FROM entries") }
        #expect(asked.columns.withLock { $0.count } == 2)  // what is wrong costs nothing
    }

    @Test func `a selection narrows a table before the query sees it`() throws {
        var tables = Self.tables(rows: 10)
        tables[0].selection = try Selection("readonly AND 'even' IN tags AND NOT age = 4")
        let result = try ReadOnlyQuery("SELECT name FROM entries", over: tables).run()
        #expect(result.rows == [2, 6, 8].map { [.text("entry \($0)")] })
    }

    // MARK: What is refused

    @Test(arguments: [
        ("ATTACH ':memory:' AS x", "ATTACH"), ("ATTACH DATABASE '/etc/passwd' AS p", "ATTACH"),
        ("DETACH main", "ATTACH"), ("PRAGMA table_info(entries)", "PRAGMA"),
        ("PRAGMA writable_schema = 1", "PRAGMA"),
        ("SELECT * FROM pragma_table_info('entries')", "making a table"),
        ("SELECT count(*) FROM pragma_database_list", "making a table"),
        ("INSERT INTO entries (name) VALUES ('x')", "writing"), ("UPDATE entries SET name = ''", "writing"),
        ("DELETE FROM entries", "writing"), ("REPLACE INTO nodes VALUES ('a', 1)", "writing"),
        ("DROP TABLE entries", "is not allowed"), ("CREATE TABLE x (a)", "is not allowed"),
        ("CREATE TEMP TABLE x (a)", "is not allowed"), ("CREATE VIEW v AS SELECT 1", "is not allowed"),
        ("CREATE VIRTUAL TABLE v USING fts5(a)", "is not allowed"),
        ("ALTER TABLE entries ADD x", "is not allowed"),
        ("CREATE TRIGGER t AFTER INSERT ON entries BEGIN SELECT 1; END", "is not allowed"),
        ("BEGIN", "transaction"), ("SAVEPOINT x", "transaction"), ("VACUUM", "is not allowed"),
        ("VACUUM INTO '/tmp/x.db'", "is not allowed"), ("REINDEX", "is not allowed"),
        ("ANALYZE", "is not allowed"),
        ("SELECT load_extension('x')", "load_extension"), ("SELECT randomblob(8)", "randomblob"),
        ("SELECT zeroblob(1000000000)", "zeroblob"),
        ("SELECT replace(name, 'a', 'b') FROM entries", "replace"),
        ("SELECT instr(name, 'a') FROM entries", "instr"), ("SELECT trim(name, 'a') FROM entries", "trim"),
        ("SELECT sqlite_version()", "sqlite_version"), ("SELECT fts3_tokenizer('simple')", "fts3_tokenizer"),
        ("SELECT name MATCH 'x' FROM entries", "match"), ("SELECT * FROM dbstat", "making a table"),
        ("SELECT count(*) FROM sqlite_stmt", "making a table"),
        ("WITH x AS (SELECT load_extension('x') AS a) SELECT a FROM x", "load_extension"),
        ("EXPLAIN DELETE FROM entries", "writing"),
        ("WITH x AS (SELECT 1) DELETE FROM entries", "writing"),
    ])
    func `nothing but reading the tables is allowed, and what was wanted is named`(text: String, word: String)
    {
        let error = #expect(throws: QueryError.self) { try run(text) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(word), "\(error.map { "\($0)" } ?? "")")
    }

    @Test(arguments: [
        ("", QueryError.empty), (" ; -- nothing", .empty), ("SELECT 1; SELECT 2", .severalStatements),
        ("SELECT 1; DROP TABLE entries", .severalStatements), ("SELECT ?", .parameters),
        ("SELECT * FROM entries WHERE name = :n", .parameters),
        ("SELEC 1", .wrong("near \"SELEC\": syntax error")),
        ("SELECT a FROM nodes", .wrong("no such column: a")),
        ("SELECT * FROM secrets", .wrong("no such table: secrets")),
        (String(repeating: " ", count: 16_385), .textTooLong(bytes: 16_385, max: 16_384)),
        ("SELECT 1\u{0}; DROP", .wrong("the text has a character of value 0")),
    ])
    func `what is no single SELECT is refused with the reason`(text: String, error: QueryError) {
        #expect(throws: error) { try run(text) }
    }

    @Test func `many statements in one text are one too many`() {
        let text = String(repeating: "SELECT 1;", count: 1_500)
        #expect(throws: QueryError.severalStatements) { try run(text) }
    }

    // MARK: What costs too much

    @Test(arguments: [
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) FROM c",
        "WITH RECURSIVE c(x) AS (VALUES (1) UNION ALL SELECT x FROM c) SELECT * FROM c WHERE x = 2",
        "SELECT count(*) FROM entries a, entries b, entries c, entries d, entries e, entries f",
        "SELECT max(a.age * b.age + c.age) FROM entries a, entries b, entries c, entries d",
    ])
    func `what takes too long is stopped`(text: String) {
        let start = ContinuousClock.now
        #expect(throws: QueryError.tooSlow(.milliseconds(200))) {
            try run(text, rows: 1_000) { $0.time = .milliseconds(200) }
        }
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test(
        // SQLite counts its memory for the whole process.
        .serialized,
        arguments: [
            "WITH RECURSIVE c(x) AS (SELECT hex(printf('%.*c', 100000, 'x')) UNION ALL SELECT x || '' FROM c LIMIT 1000000) SELECT count(*) FROM (SELECT DISTINCT x || random() FROM c)",
            "SELECT a.definition || b.age FROM entries a, entries b ORDER BY 1",
            "SELECT count(*) FROM (SELECT DISTINCT a.definition || b.age || c.age FROM entries a, entries b, entries c)",
        ])
    func `what needs too much memory is stopped`(text: String) {
        #expect(throws: QueryError.tooMuchMemory(bytes: 64 * 1024 * 1024)) {
            try run(text, rows: 60) {
                $0.memoryBytesMax = 64 * 1024 * 1024
                $0.time = .seconds(60)
            }
        }
    }

    @Test func `tables too large for the memory are not made`() {
        #expect(throws: QueryError.tooMuchMemory(bytes: 4 * 1024 * 1024)) {
            try run("SELECT max(definition) FROM entries", rows: 1_000) {
                $0.memoryBytesMax = 4 * 1024 * 1024
            }
        }
    }

    @Test(arguments: [
        "SELECT hex(hex(hex(hex(definition)))) FROM entries",
        "SELECT group_concat(a.definition) FROM entries a, entries b, entries c",
        "SELECT json_group_array(a.definition) FROM entries a, entries b, entries c",
        "SELECT a.definition || a.definition || a.definition || a.definition || a.definition || a.definition || a.definition || a.definition || a.definition || a.definition || a.definition FROM entries a",
    ])
    func `no value grows beyond its bound`(text: String) {
        #expect(throws: QueryError.valueTooLarge(bytes: 512 * 1024)) { try run(text, rows: 6) }
    }

    @Test(arguments: ["SELECT printf('%.*c', 100000000, 'x')", "SELECT format('%100000000d', 1)"])
    func `a format that would grow beyond it gives nothing`(text: String) throws {
        #expect(try run(text).rows == [[.null]])
    }

    /// A chain of common tables in which each uses the one before it twice.
    private static func chain(_ length: Int, defined: (Int) -> String, used: (Int) -> String) -> String {
        let links = (1...length).map {
            "\(defined($0)) AS (SELECT p.x FROM \(used($0 - 1)) p, \(used($0 - 1)) q)"
        }
        return
            "WITH \(defined(0)) AS (SELECT 1 AS x), \(links.joined(separator: ", ")) SELECT * FROM \(used(length)) WHERE 0"
    }

    @Test(arguments: [5, 24])
    func `a chain of common tables that doubles is refused before it is read, however it is written`(
        length: Int
    ) {
        let writings: [((Int) -> String, (Int) -> String)] = [
            ({ "c\($0)" }, { "c\($0)" }), ({ "'a\($0)'" }, { "'a\($0)'" }),
            ({ "\u{FEFF}a\($0)" }, { "a\($0)" }), ({ "a\($0)" }, { "\u{FEFF}a\($0)" }),
            ({ "[a\"\($0)]" }, { "\"a\"\"\($0)\"" }), ({ "`a``\($0)`" }, { "'A`\($0)'" }),
        ]
        for (defined, used) in writings {
            let text = Self.chain(length, defined: defined, used: used)
            let start = ContinuousClock.now
            if length < 8 {
                // The names are understood as SQLite understands them.
                #expect(QueryText(text.utf8).copies(atMost: 60) == nil, "\(text)")
                #expect(throws: Never.self, "\(text)") { try run(text) }
            } else {
                #expect(throws: QueryError.tooManyWithTables(max: 8), "\(text)") { try run(text) }
            }
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }

    @Test(
        arguments: [
            (
                "WITH even AS (SELECT name, age FROM entries WHERE tags LIKE '%even%'), old(n) AS MATERIALIZED (SELECT name FROM even WHERE age > 0) SELECT e.name, o.n FROM even e, old o ORDER BY 1",
                [["entry 0", "entry 2"], ["entry 2", "entry 2"]]
            ),
            (
                "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < 9), big AS (SELECT e.name FROM entries AS e JOIN c ON e.age = c.x WHERE e.age IN (SELECT x FROM c)) SELECT name FROM 'big'",
                [["entry 0"], ["entry 1"], ["entry 2"]]
            ),
        ] as [(String, [[String]])])
    func `common tables as people write them are answered`(text: String, rows: [[String]]) throws {
        #expect(try run(text).rows == rows.map { $0.map { .text($0) } })
    }

    private static let multiplied = (0..<6).reduce("SELECT age AS x FROM entries") { inner, _ in
        "SELECT \(Array(repeating: "x", count: 30).joined(separator: "+")) AS x FROM (\(inner))"
    }
    private static let manyAliases =
        "SELECT age IN (\(Array(repeating: "age", count: 1_500).joined(separator: ","))) AS y FROM entries WHERE y IN (\(Array(repeating: "y", count: 1_500).joined(separator: ",")))"

    @Test(arguments: [multiplied, manyAliases])
    func `a text of which SQLite would make gigabytes is refused`(text: String) async {
        // In a process of its own: SQLite's bound is one for the whole process, and other tests write meanwhile.
        await #expect(processExitsWith: .success) { [text = text as String] in
            InheritedSockets.close()
            let start = ContinuousClock.now
            #expect(throws: QueryError.tooComplex) { try ReadOnlyQueryTests().run(text) }
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }

    @Test(arguments: ["GLOB", "LIKE"])
    func `many patterns in one row do not outlast its time`(sign: String) {
        let run = sign == "GLOB" ? "*" : "%"
        let matches = Array(repeating: "(x \(sign) p)", count: 40).joined(separator: " + ")
        let text =
            "SELECT \(matches) FROM (SELECT printf('%.*c', 500000, 'a') AS x, '\(run)' || printf('%.*c', 250, 'a') || 'b' AS p)"
        let start = ContinuousClock.now
        #expect(throws: QueryError.tooSlow(.milliseconds(200))) {
            try self.run(text) { $0.time = .milliseconds(200) }
        }
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test func `a text that calls too many functions is refused`() throws {
        let calls = { Array(repeating: "abs(age)", count: $0).joined(separator: " + ") }
        #expect(try run("SELECT \(calls(100)) FROM entries").rows.count == 3)
        #expect(throws: QueryError.tooManyCalls(max: 100)) { try run("SELECT \(calls(101)) FROM entries") }
    }

    @Test func `an answer is cut at its bounds, and says so`() throws {
        let some = try run("SELECT name FROM entries", rows: 100) { $0.rowsMax = 10 }
        #expect(some.rows.count == 10 && some.isCut)
        let all = try run("SELECT name FROM entries", rows: 10) { $0.rowsMax = 10 }
        #expect(all.rows.count == 10 && !all.isCut)
        let large = try run("SELECT definition FROM entries", rows: 20) { $0.resultBytesMax = 250_000 }
        #expect(large.rows.count == 2 && large.isCut)
    }

    @Test func `what nobody waits for stops`() {
        let looks = Mutex(0)
        #expect(throws: CancellationError.self) {
            try ReadOnlyQuery(
                "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) FROM c",
                over: Self.tables()
            ).run(isGivenUp: {
                looks.withLock { count in
                    count += 1
                    return count > 100
                }
            })
        }
    }

    // MARK: The desk

    private static let endless =
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) FROM c"

    @Test func `the desk answers many who ask at once, up to its bound`() async throws {
        let desk = QueryDesk()
        let answers = try await withThrowingTaskGroup(of: QueryResult.self) { group in
            for number in 0..<QueryDesk.queriesMax {
                group.addTask { try await desk.run(ReadOnlyQuery("SELECT \(number)", over: Self.tables())) }
            }
            return try await group.reduce(into: []) { $0.append($1.rows) }
        }
        #expect(Set(answers.flatMap { $0.flatMap { $0 } }).count == QueryDesk.queriesMax)
    }

    @Test func `one too many is told to come again, and cancelled ones make room`() async throws {
        let desk = QueryDesk()
        var limits = QueryLimits.standard
        limits.time = .seconds(60)
        let query = ReadOnlyQuery(Self.endless, over: Self.tables(), limits: limits)
        let outcomes = await withTaskGroup(of: String.self) { group in
            for _ in 0...QueryDesk.queriesMax {
                group.addTask {
                    do {
                        return "\(try await desk.run(query))"
                    } catch {
                        return "\(type(of: error))"
                    }
                }
            }
            // The first to end is the one without room: the others are endless.
            let first = await group.next() ?? ""
            group.cancelAll()
            return await group.reduce(into: [first]) { $0.append($1) }
        }
        #expect(outcomes.first == "QueryError")
        #expect(outcomes.dropFirst().allSatisfy { $0 == "CancellationError" })
        #expect(outcomes.count == QueryDesk.queriesMax + 1)
        #expect(try await desk.run(ReadOnlyQuery("SELECT 1", over: [])).rows == [[.integer(1)]])
    }
}
