/// A choice of entries: `'readonly' IN tags AND segment = 'plant-a'`.
///
/// One grammar for `catalog search --where`, `catalog sql --where`, `catalog export --where` and `virtualServers.use`, written
/// down in docs/reference/catalog.md. What it means is what SQLite makes of ``sql``: three-valued logic, text compared by its
/// bytes, `LIKE` without regard to case in ASCII.
package struct Selection: Hashable, Sendable, CustomStringConvertible {
    /// Bytes of a whole expression: some hundred conditions, more than anybody writes by hand, and few enough that SQLite's
    /// bounds on expressions are never met.
    package static let bytesMax = 4_096
    /// Levels of parentheses and `NOT`: reading and evaluating recurse.
    package static let depthMax = 32

    package indirect enum Condition: Hashable, Sendable {
        case compare(SelectionColumn, Comparison, SelectionValue)
        case like(SelectionColumn, LikePattern)
        case oneOf(SelectionColumn, [SelectionValue])
        case isNull(SelectionColumn)
        /// A column of type ``SelectionColumn/ValueType/words`` has this word.
        case has(SelectionColumn, String)
        case not(Condition)
        case all([Condition])
        case any([Condition])
    }

    package enum Comparison: String, Hashable, Sendable, CaseIterable {
        case equal = "="
        case unequal = "<>"
        case less = "<"
        case greater = ">"
    }

    /// As it was written.
    package let text: String
    package let condition: Condition

    package init(_ text: String) throws(SelectionError) {
        var parser = try SelectionParser(text)
        condition = try parser.parse()
        self.text = text
    }

    package var description: String { text }

    /// Every column it asks about.
    package var columns: Set<SelectionColumn> { condition.columns }

    /// Whether the row is chosen: unknown is not chosen, as in SQL's `WHERE`.
    ///
    /// - Parameter value: what stands in a column of the row.
    /// - Complexity: O(conditions · bytes of the values)
    package func matches(_ value: (SelectionColumn) -> SelectionValue) -> Bool {
        condition.truth(value) == true
    }

    package static func == (a: Self, b: Self) -> Bool { a.text == b.text }
    package func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

extension Selection.Condition {
    /// `nil`: unknown.
    package func truth(_ value: (SelectionColumn) -> SelectionValue) -> Bool? {
        switch self {
        case .compare(let column, let comparison, let wanted): comparison.holds(value(column), wanted)
        case .like(let column, let pattern):
            if case .text(let text) = value(column) { pattern.matches(text) } else { nil }
        case .oneOf(let column, let wanted):
            switch value(column) {
            case .null: nil
            case let value: wanted.contains { Selection.Comparison.equal.holds(value, $0) == true }
            }
        case .isNull(let column): value(column) == .null
        case .has(let column, let word):
            if case .words(let words) = value(column) {
                words.contains { $0.utf8.elementsEqual(word.utf8) }
            } else {
                false
            }
        case .not(let condition): condition.truth(value).map { !$0 }
        case .all(let conditions):
            Self.first(false, of: conditions, value)
        case .any(let conditions):
            Self.first(true, of: conditions, value)
        }
    }

    /// One part that is `deciding` decides; else one that is unknown leaves it unknown.
    private static func first(
        _ deciding: Bool, of conditions: [Self], _ value: (SelectionColumn) -> SelectionValue
    ) -> Bool? {
        var isKnown = true
        for condition in conditions {
            switch condition.truth(value) {
            case deciding: return deciding
            case nil: isKnown = false
            default: break
            }
        }
        return isKnown ? !deciding : nil
    }

    var columns: Set<SelectionColumn> {
        switch self {
        case .compare(let column, _, _), .like(let column, _), .oneOf(let column, _), .isNull(let column),
            .has(let column, _):
            [column]
        case .not(let condition): condition.columns
        case .all(let conditions), .any(let conditions):
            conditions.reduce(into: []) { $0.formUnion($1.columns) }
        }
    }
}

extension Selection.Comparison {
    /// - Returns: `nil` when one side is unknown; sides of different types, which the grammar excludes, are unequal.
    fileprivate func holds(_ a: SelectionValue, _ b: SelectionValue) -> Bool? {
        switch (a, b) {
        case (.null, _), (_, .null): nil
        case (.number(let a), .number(let b)): holds(a < b, a == b)
        case (.flag(let a), .flag(let b)): holds(!a && b, a == b)
        case (.text(let a), .text(let b)):
            // `String` would take canonically equivalent texts for one.
            holds(a.utf8.lexicographicallyPrecedes(b.utf8), a.utf8.elementsEqual(b.utf8))
        default: self == .unequal
        }
    }

    private func holds(_ isLess: Bool, _ isEqual: Bool) -> Bool {
        switch self {
        case .equal: isEqual
        case .unequal: !isEqual
        case .less: isLess
        case .greater: !isLess && !isEqual
        }
    }
}
