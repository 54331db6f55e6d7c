/// Reads a ``Selection`` by recursive descent; `OR` binds least, then `AND`, then `NOT`.
struct SelectionParser {
    private var lexer: SelectionLexer
    private var next: SelectionLexer.Place
    private var depth = 0

    init(_ text: String) throws(SelectionError) {
        guard text.utf8.count <= Selection.bytesMax else { throw .tooLong(bytes: text.utf8.count) }
        lexer = SelectionLexer(text)
        next = try lexer.token()
        if next.token == .end { throw .empty }
    }

    mutating func parse() throws(SelectionError) -> Selection.Condition {
        let condition = try alternatives()
        guard next.token == .end else { throw expected("AND, OR or the end") }
        return condition
    }

    // MARK: Conditions

    private mutating func alternatives() throws(SelectionError) -> Selection.Condition {
        var parts = [try conjunction()]
        while try take(keyword: "OR") { parts.append(try conjunction()) }
        return parts.count == 1 ? parts[0] : .any(parts)
    }

    private mutating func conjunction() throws(SelectionError) -> Selection.Condition {
        var parts = [try negation()]
        while try take(keyword: "AND") { parts.append(try negation()) }
        return parts.count == 1 ? parts[0] : .all(parts)
    }

    private mutating func negation() throws(SelectionError) -> Selection.Condition {
        if next.isKeyword("NOT") {
            return try deeper { parser throws(SelectionError) in
                try parser.advance()
                return .not(try parser.negation())
            }
        }
        guard next.token == .sign("(") else { return try predicate() }
        return try deeper { parser throws(SelectionError) in
            try parser.advance()
            let inner = try parser.alternatives()
            guard parser.next.token == .sign(")") else { throw parser.expected("AND, OR or )") }
            try parser.advance()
            return inner
        }
    }

    private mutating func deeper(
        _ body: (inout Self) throws(SelectionError) -> Selection.Condition
    ) throws(SelectionError) -> Selection.Condition {
        depth += 1
        guard depth <= Selection.depthMax else { throw .tooDeep(at: next.column) }
        let condition = try body(&self)
        depth -= 1
        return condition
    }

    private mutating func predicate() throws(SelectionError) -> Selection.Condition {
        switch next.token {
        case .text(let word):
            try advance()
            return try membership(of: word)
        case .word(let word):
            let place = next
            guard !place.isReserved else { throw expected("a column, or 'text' IN tags") }
            guard let column = SelectionColumn(rawValue: word.lowercased()) else {
                throw .unknownColumn(at: place.column, place.shown)
            }
            try advance()
            return try test(of: column, at: place)
        default: throw expected("a column, NOT, ( or 'text' IN tags")
        }
    }

    /// `'x' IN tags`
    private mutating func membership(of word: String) throws(SelectionError) -> Selection.Condition {
        let isNegated = try take(keyword: "NOT")
        guard try take(keyword: "IN") else {
            throw expected("IN tags (a comparison begins with its column)")
        }
        guard case .word(let name) = next.token, let column = SelectionColumn(rawValue: name.lowercased()),
            column.type == .words
        else { throw expected("tags") }
        try advance()
        return .has(column, word).negated(isNegated)
    }

    private mutating func test(
        of column: SelectionColumn, at place: SelectionLexer.Place
    ) throws(SelectionError) -> Selection.Condition {
        if try take(keyword: "IS") {
            let isNegated = try take(keyword: "NOT")
            guard try take(keyword: "NULL") else { throw expected(isNegated ? "NULL" : "NULL or NOT NULL") }
            try refuseWords(column, at: place)
            return .isNull(column).negated(isNegated)
        }
        let isNegated = try take(keyword: "NOT")
        if try take(keyword: "IN") {
            try refuseWords(column, at: place)
            return .oneOf(column, try values(for: column)).negated(isNegated)
        }
        if try take(keyword: "LIKE") {
            guard column.type == .text else {
                throw .expected(at: place.column, "text before LIKE", found: column.rawValue)
            }
            let start = next.column
            guard case .text(let text) = try value(for: column), let pattern = LikePattern(text) else {
                throw .patternTooLong(at: start)
            }
            return .like(column, pattern).negated(isNegated)
        }
        if isNegated { throw expected("IN or LIKE") }
        if case .sign(let sign) = next.token, let comparison = Selection.Comparison(rawValue: sign) {
            try refuseWords(column, at: place)
            if column.type == .flag, comparison == .less || comparison == .greater {
                throw expected("= or <> after \(column.rawValue)")
            }
            try advance()
            return .compare(column, comparison, try value(for: column))
        }
        // TRUE or FALSE by itself is a condition.
        if column.type == .flag { return .compare(column, .equal, .flag(true)) }
        try refuseWords(column, at: place)
        throw expected("=, <>, <, >, LIKE, IN or IS after \(column.rawValue)")
    }

    private func refuseWords(
        _ column: SelectionColumn, at place: SelectionLexer.Place
    ) throws(SelectionError) {
        if column.type == .words {
            throw .misfit(at: place.column, column, found: "\(column.rawValue) first")
        }
    }

    // MARK: Values

    private mutating func values(for column: SelectionColumn) throws(SelectionError) -> [SelectionValue] {
        guard next.token == .sign("(") else { throw expected("( after IN") }
        try advance()
        var values = [try value(for: column)]
        while next.token == .sign(",") {
            try advance()
            values.append(try value(for: column))
        }
        guard next.token == .sign(")") else { throw expected(", or )") }
        try advance()
        return values
    }

    private mutating func value(for column: SelectionColumn) throws(SelectionError) -> SelectionValue {
        let value: SelectionValue
        switch (next.token, column.type) {
        case (.text(let text), .text): value = .text(text)
        case (.number(let number), .number): value = .number(number)
        case (.word, .flag) where next.isKeyword("TRUE"): value = .flag(true)
        case (.word, .flag) where next.isKeyword("FALSE"): value = .flag(false)
        case (.word, _) where next.isKeyword("NULL"):
            throw .notHere(at: next.column, "comparison with NULL", instead: "\(column.rawValue) IS NULL")
        default: throw .misfit(at: next.column, column, found: next.shown)
        }
        try advance()
        return value
    }

    // MARK: Tokens

    private mutating func advance() throws(SelectionError) { next = try lexer.token() }

    private mutating func take(keyword: String) throws(SelectionError) -> Bool {
        guard next.isKeyword(keyword) else { return false }
        try advance()
        return true
    }

    private func expected(_ what: String) -> SelectionError {
        .expected(at: next.column, what, found: next.shown)
    }
}

extension SelectionLexer.Place {
    private static let reserved = ["AND", "OR", "NOT", "IN", "IS", "LIKE", "NULL", "TRUE", "FALSE"]

    fileprivate func isKeyword(_ keyword: String) -> Bool {
        if case .word(let word) = token { word.uppercased() == keyword } else { false }
    }

    fileprivate var isReserved: Bool { Self.reserved.contains { isKeyword($0) } }
}

extension Selection.Condition {
    fileprivate func negated(_ isNegated: Bool) -> Self { isNegated ? .not(self) : self }
}
