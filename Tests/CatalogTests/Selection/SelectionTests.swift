import Catalog
import Testing

struct SelectionTests {
    /// A row of which these columns are known.
    private static func truth(
        _ text: String, _ row: [SelectionColumn: SelectionValue] = sample
    ) throws -> Bool? {
        try Selection(text).condition.truth { row[$0] ?? .null }
    }

    private static let sample: [SelectionColumn: SelectionValue] = [
        .name: .text("get_Order"), .kind: .text("tool"), .segment: .text("plant-a"),
        .tags: .words(["erp", "readonly"]), .readonly: .flag(true), .destructive: .flag(false),
        .age: .number(12), .description: .text("It's 100 % safe"),
    ]

    @Test(arguments: [
        ("'readonly' IN tags AND segment = 'plant-a'", true), ("'x' IN tags", false),
        ("'x' NOT IN tags", true), ("NOT 'erp' IN tags", false),
        ("kind = 'tool'", true), ("kind = 'Tool'", false), ("KIND <> 'prompt' and not kind = 'x'", true),
        ("name LIKE 'GET\\_%'", false),  // there is no escape character
        ("name LIKE 'GET_o%'", true), ("name NOT LIKE '%order'", false), ("name LIKE '%d_r'", true),
        ("name > 'get'", true), ("name < 'get'", false), ("name < 'gets'", true),
        ("kind IN ('prompt', 'tool')", true), ("kind NOT IN ('prompt', 'tool')", false),
        ("age > 11 AND age < 13", true), ("age = -12", false), ("age IN (1, 12)", true),
        ("readonly", true), ("NOT destructive", true), ("readonly = FALSE", false),
        ("readonly <> FALSE", true), ("destructive IN (true)", false),
        ("description = 'It''s 100 % safe'", true), ("description IS NOT NULL", true),
        ("title IS NULL AND (hops IS NULL)", true),
        ("kind = 'x' OR kind = 'tool' AND age = 1", false),  // AND binds more
        ("(kind = 'x' OR kind = 'tool') AND age = 12", true),
        ("NOT kind = 'x' AND age = 12", true),  // NOT binds most
    ])
    func `an expression means what SQL means by it`(text: String, truth: Bool) throws {
        #expect(try Self.truth(text) == truth)
    }

    @Test(arguments: [
        ("title = 'x'", nil), ("NOT title = 'x'", nil), ("title <> 'x'", nil), ("title LIKE '%'", nil),
        ("title IN ('x')", nil), ("title NOT IN ('x')", nil), ("idempotent", nil),
        ("title = 'x' AND kind = 'tool'", nil), ("title = 'x' AND kind = 'y'", false),
        ("title = 'x' OR kind = 'tool'", true), ("title = 'x' OR kind = 'y'", nil),
        ("NOT (title = 'x' OR kind = 'y')", nil), ("hops < 3 OR hops > 2", nil),
    ])
    func `what is unknown stays unknown, unless the rest decides`(text: String, truth: Bool?) throws {
        #expect(try Self.truth(text) == truth)
        #expect(try Selection(text).matches { Self.sample[$0] ?? .null } == (truth == true))
    }

    @Test func `text is compared by its bytes`() throws {
        let composed = "\u{E9}"
        let decomposed = "e\u{301}"
        #expect(try Self.truth("name = '\(composed)'", [.name: .text(decomposed)]) == false)
        #expect(try Self.truth("name = '\(composed)'", [.name: .text(composed)]) == true)
        #expect(try Self.truth("name LIKE '_'", [.name: .text(decomposed)]) == false)
        #expect(try Self.truth("name LIKE '\u{C9}'", [.name: .text(composed)]) == false)  // ASCII only
    }

    @Test(arguments: [
        ("", "empty"), ("  ", "empty"),
        ("segmnt = 'a'", "column 1: there is no segmnt to ask for; expected one of name, kind,"),
        ("kind = tool", "column 8: kind is text; expected text in single quotes, found tool"),
        ("kind = \"tool\"", "column 8: there is no \" here; expected text in single quotes"),
        ("kind = 'tool", "column 13: expected a ' to close the text that begins at 8, found the end"),
        ("age = '3'", "column 7: age is a whole number; expected digits, found '3'"),
        ("age = 1.5", "column 7: expected a whole number, found 1.5"),
        ("age > 99999999999999999999", "column 7: expected a whole number"),
        ("readonly = 1", "column 12: readonly is TRUE or FALSE"),
        ("readonly < TRUE", "column 10: expected = or <> after readonly, found <"),
        ("title = NULL", "column 9: there is no comparison with NULL here; expected title IS NULL"),
        ("age >= 3", "column 5: there is no >= here; expected NOT"),
        ("kind != 'x'", "column 6: there is no != here; expected <>"),
        ("tags = 'x'", "column 1: tags is a set of words; expected 'word' IN tags"),
        ("tags IS NULL", "'word' IN tags"), ("tags", "'word' IN tags"),
        ("'x' IN kind", "column 8: expected tags, found kind"),
        ("'plant-a' = segment", "column 11: expected IN tags (a comparison begins with its column), found ="),
        ("kind", "column 5: expected =, <>, <, >, LIKE, IN or IS after kind, found the end"),
        ("kind = 'a' kind = 'b'", "column 12: expected AND, OR or the end, found kind"),
        ("(kind = 'a'", "column 12: expected AND, OR or ), found the end"),
        ("kind = 'a')", "column 11: expected AND, OR or the end, found )"),
        ("kind IN ()", "column 10: kind is text; expected text in single quotes, found )"),
        ("kind IN 'a'", "column 9: expected ( after IN"), ("kind NOT 'a'", "column 10: expected IN or LIKE"),
        ("kind IS 'a'", "column 9: expected NULL or NOT NULL"), ("age LIKE '1'", "expected text before LIKE"),
        ("AND kind = 'a'", "column 1: expected a column, or 'text' IN tags, found AND"),
        ("kind = 'a';", "column 11: expected a column, a value or one of"),
        ("kind = 'a' -- x", "column 12: expected a whole number, found -"),
        ("kind LIKE '\(String(repeating: "x", count: 257))'", "column 11: a pattern of LIKE has at most 256"),
    ])
    func `what is wrong is told with its place and what was expected`(text: String, message: String) {
        let error = #expect(throws: SelectionError.self) { try Selection(text) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(message), "\(error.map { "\($0)" } ?? "")")
    }

    @Test func `an expression has a bounded length and depth`() throws {
        let most = String(repeating: "(", count: 32) + "readonly" + String(repeating: ")", count: 32)
        _ = try Selection(most)
        #expect(throws: SelectionError.tooDeep(at: 33)) { try Selection("(\(most))") }
        #expect(throws: SelectionError.tooDeep(at: 129)) {
            try Selection(String(repeating: "NOT ", count: 1_000) + "readonly")
        }
        let long = "readonly" + String(repeating: " OR readonly", count: 340)
        #expect(try Selection(long).matches { _ in .flag(true) })
        #expect(throws: SelectionError.tooLong(bytes: 4_097)) {
            try Selection(String(repeating: " ", count: 4_097))
        }
    }

    @Test func `it tells which columns it asks for`() throws {
        let selection = try Selection("'a' IN tags AND NOT (kind = 'b' OR age IS NULL) AND name LIKE '%'")
        #expect(selection.columns == [.tags, .kind, .age, .name])
        #expect(selection == (try Selection(selection.text)) && selection.description == selection.text)
    }

    @Test func `for SQL its values are parameters, never text`() throws {
        let sql = try Selection("name = 'x''; DROP' AND (age IN (1, 2) OR NOT readonly) AND 'a' IN tags").sql
        #expect(
            sql.text == """
                ("name" = ? AND ("age" IN (?, ?) OR NOT ("readonly" = ?)) AND \
                EXISTS (SELECT 1 FROM json_each("tags") AS word WHERE word.value = ?))
                """)
        #expect(sql.values == [.text("x'; DROP"), .number(1), .number(2), .flag(true), .text("a")])
    }
}
