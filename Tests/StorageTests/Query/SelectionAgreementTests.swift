import Catalog
import GRDB
import MartletTestKit
import Testing

@testable import Storage

/// A `where` is one thing whether it is evaluated here or by SQLite: random expressions over random rows.
struct SelectionAgreementTests {
    private static let words = [
        "", "a", "A", "ab", "a_b", "a%b", "b", "plant-a", "é", "e\u{301}", "É", "\u{FFFF}", "\u{FFFD}", "'",
        "\"",
        "𝄞", "\\", "a\nb", "100", "\u{FFFE}x",
    ]

    private static func word(_ random: inout SplitMix64) -> String {
        (0..<Int.random(in: 0...2, using: &random)).map { _ in words.randomElement(using: &random) ?? "" }
            .joined()
    }

    private static func row(_ random: inout SplitMix64) -> [SelectionColumn: SelectionValue] {
        var row: [SelectionColumn: SelectionValue] = [:]
        for column in SelectionColumn.allCases {
            if column.type != .words, random.chance(0.2) { continue }
            switch column.type {
            case .text: row[column] = .text(word(&random))
            case .number: row[column] = .number(Int64.random(in: -3...3, using: &random))
            case .flag: row[column] = .flag(random.chance(0.5))
            case .words:
                row[column] = .words(
                    (0..<Int.random(in: 0...3, using: &random)).map { _ in
                        words.randomElement(using: &random) ?? ""
                    })
            }
        }
        return row
    }

    private static func literal(_ type: SelectionColumn.ValueType, _ random: inout SplitMix64) -> String {
        switch type {
        case .text, .words: "'\(word(&random).replacing("'", with: "''"))'"
        case .number: "\(Int.random(in: -3...3, using: &random))"
        case .flag: random.chance(0.5) ? "TRUE" : "false"
        }
    }

    private static func pattern(_ random: inout SplitMix64) -> String {
        let parts = words + ["%", "_", "%", "_", "%%", "_%"]
        let text = (0..<Int.random(in: 0...4, using: &random)).map { _ in
            parts.randomElement(using: &random) ?? ""
        }.joined()
        return "'\(text.replacing("'", with: "''"))'"
    }

    private static func expression(depth: Int, _ random: inout SplitMix64) -> String {
        if depth > 0, random.chance(0.7) {
            let left = expression(depth: depth - 1, &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: return "NOT \(left)"
            case 1: return "(\(left))"
            case 2: return "\(left) AND \(expression(depth: depth - 1, &random))"
            default: return "\(left) OR \(expression(depth: depth - 1, &random))"
            }
        }
        guard let column = SelectionColumn.allCases.randomElement(using: &random) else { return "readonly" }
        let not = random.chance(0.3) ? "NOT " : ""
        if column.type == .words { return "\(literal(.words, &random)) \(not)IN \(column)" }
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return "\(column) IS \(not)NULL"
        case 1:
            let values = (0..<Int.random(in: 1...3, using: &random)).map { _ in literal(column.type, &random)
            }
            return "\(column) \(not)IN (\(values.joined(separator: ", ")))"
        case 2 where column.type == .text: return "\(column) \(not)LIKE \(pattern(&random))"
        case 3 where column.type == .flag: return "\(column)"
        default:
            let signs = column.type == .flag ? ["=", "<>"] : ["=", "<>", "<", ">"]
            let sign = signs.randomElement(using: &random) ?? "="
            return "\(column) \(sign) \(literal(column.type, &random))"
        }
    }

    private static func bound(_ value: QueryValue) -> (any DatabaseValueConvertible)? {
        switch value {
        case .null: nil
        case .integer(let number): number
        case .real(let number): number
        case .text(let text): text
        }
    }

    @Test(arguments: UInt64(1)...20)
    func `a where means the same here and in SQLite`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let rows = (0..<40).map { _ in Self.row(&random) }
        let columns = SelectionColumn.allCases
        let queue = try DatabaseQueue()
        try queue.write { database in
            let names = columns.map { column in
                "\"\(column)\" \(column.type == .text || column.type == .words ? "TEXT" : "INTEGER")"
            }
            try database.execute(sql: "CREATE TABLE entries (\(names.joined(separator: ", "))) STRICT")
            for row in rows {
                try database.execute(
                    sql: "INSERT INTO entries VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))",
                    arguments: StatementArguments(columns.map { Self.bound(QueryValue(row[$0] ?? .null)) }))
            }
        }
        for _ in 0..<60 {
            let text = Self.expression(depth: 5, &random)
            guard text.utf8.count <= Selection.bytesMax else { continue }
            let selection = try Selection(text)
            let sql = selection.sql
            let there = try queue.read { database in
                try Optional<Bool>.fetchAll(
                    database, sql: "SELECT \(sql.text) FROM entries ORDER BY rowid",
                    arguments: StatementArguments(sql.values.map { Self.bound(QueryValue($0)) }))
            }
            let here = rows.map { row in selection.condition.truth { row[$0] ?? .null } }
            #expect(here == there, "seed \(seed): \(text)")
        }
    }
}
