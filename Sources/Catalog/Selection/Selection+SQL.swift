import JSONSlice

/// A condition for SQLite, with what is to be bound to its `?`, in order.
///
/// It asks columns by the names of ``SelectionColumn``: texts as TEXT, numbers and flags (0, 1) as INTEGER, words as a JSON array.
package struct SelectionSQL: Hashable, Sendable {
    package private(set) var text = ""
    package private(set) var values: [SelectionValue] = []

    /// How words stand in their column.
    package static func array(of words: [String]) -> String { JSON.array(words.map(JSON.string)).text }

    fileprivate mutating func add(_ text: String, _ values: SelectionValue...) {
        self.text += text
        self.values += values
    }
}

extension Selection {
    package var sql: SelectionSQL {
        var sql = SelectionSQL()
        condition.write(to: &sql)
        return sql
    }
}

extension Selection.Condition {
    fileprivate func write(to sql: inout SelectionSQL) {
        switch self {
        case .compare(let column, let comparison, let value):
            sql.add("\"\(column.rawValue)\" \(comparison.rawValue) ?", value)
        case .like(let column, let pattern):
            sql.add("\"\(column.rawValue)\" LIKE ?", .text(pattern.text))
        case .oneOf(let column, let values):
            sql.add("\"\(column.rawValue)\" IN (")
            for (index, value) in values.enumerated() { sql.add(index == 0 ? "?" : ", ?", value) }
            sql.add(")")
        case .isNull(let column): sql.add("\"\(column.rawValue)\" IS NULL")
        case .has(let column, let word):
            sql.add(
                "EXISTS (SELECT 1 FROM json_each(\"\(column.rawValue)\") AS word WHERE word.value = ?)",
                .text(word))
        case .not(let condition):
            sql.add("NOT (")
            condition.write(to: &sql)
            sql.add(")")
        case .all(let conditions): Self.write(conditions, joinedBy: " AND ", to: &sql)
        case .any(let conditions): Self.write(conditions, joinedBy: " OR ", to: &sql)
        }
    }

    private static func write(_ conditions: [Self], joinedBy word: String, to sql: inout SelectionSQL) {
        sql.add("(")
        for (index, condition) in conditions.enumerated() {
            if index > 0 { sql.add(word) }
            condition.write(to: &sql)
        }
        sql.add(")")
    }
}
