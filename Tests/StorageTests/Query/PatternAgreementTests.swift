import GRDB
import MartletTestKit
import Testing

@testable import Storage

/// LIKE and GLOB of a query mean what SQLite's own mean: random patterns over random texts.
struct PatternAgreementTests {
    private static let parts = [
        "a", "A", "b", "Z", "é", "É", "𝄞", "%", "_", "*", "?", "[", "]", "^", "-", "[a-c]", "[^a]", "[]a]",
        "\\",
        "\\%", "\\_", "\u{FFFE}", "\u{FFFD}", "%%", "**", "aab",
    ]

    private static func text(_ random: inout SplitMix64) -> String {
        (0..<Int.random(in: 0...6, using: &random)).map { _ in parts.randomElement(using: &random) ?? "" }
            .joined()
    }

    @Test(arguments: UInt64(1)...10)
    func `a pattern means the same here and in SQLite`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let queue = try DatabaseQueue()
        let forms = [
            "x LIKE p", "x GLOB p", "x LIKE p ESCAPE '\\'", "x LIKE p ESCAPE '%'", "x LIKE p ESCAPE 'a'",
        ]
        let answers = forms.joined(separator: ", ")
        for _ in 0..<10 {
            let rows = (0..<100).map { _ in (Self.text(&random), Self.text(&random)) }
            let table = QueryTable("texts", [.init("x", .text), .init("p", .text)]) { columns, take in
                for (x, p) in rows { try take(columns.map { .text($0 == "x" ? x : p) }) }
            }
            let here = try ReadOnlyQuery("SELECT \(answers) FROM texts", over: [table]).run().rows
            let there = try queue.read { database in
                try rows.map { x, p in
                    try Row.fetchOne(
                        database, sql: "SELECT \(answers) FROM (SELECT ? AS x, ? AS p)", arguments: [x, p]
                    ).map { row in forms.indices.map { QueryValue.integer(row[$0]) } }
                }
            }
            for ((row, x), y) in zip(zip(rows, here), there) {
                #expect(x == y, "seed \(seed): \(row.0) by \(row.1)")
            }
        }
    }

    @Test(
        arguments: [
            ("NULL LIKE 'a'", .null), ("'a' LIKE NULL", .null), ("'a' LIKE 'a' ESCAPE NULL", .null),
            ("12 LIKE '1_'", .integer(1)), ("x'6162' GLOB 'a*'", .integer(1)),
            ("'ab' NOT LIKE 'A%'", .integer(0)),
            ("glob('a*', 'ab')", .integer(1)),
        ] as [(String, QueryValue)])
    func `what is no text is taken as SQLite takes it`(text: String, value: QueryValue) throws {
        #expect(try ReadOnlyQuery("SELECT \(text)", over: []).run().rows == [[value]])
    }

    @Test(arguments: [
        ("'a' LIKE 'a' ESCAPE 'xy'", "single character"), ("'a' LIKE 'a' ESCAPE ''", "single character"),
        ("'a' GLOB printf('%.*c', 257, 'a')", "256 bytes"),
    ])
    func `a pattern that is too long, or an escape that is none, is refused`(text: String, word: String) {
        let error = #expect(throws: QueryError.self) {
            try ReadOnlyQuery("SELECT \(text)", over: []).run()
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains(word))
    }
}
