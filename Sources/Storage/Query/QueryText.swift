/// A query's text as words and signs, as far as its WITH tables and its end have to be known before SQLite reads it.
struct QueryText {
    enum Token: Hashable {
        /// Bare; lower case, as SQLite compares names.
        case name(String)
        /// In quotes of any kind, which are no part of it. SQLite takes those of strings for names too, where it expects one.
        case quoted(String)
        case sign(UInt8)

        /// What it names, if it is a name.
        var name: String? {
            switch self {
            case .name(let text), .quoted(let text): text
            case .sign: nil
            }
        }
    }

    let tokens: [Token]
    private let bytes: Int
    /// Whether there is a place for a value (`?`, `:x`, `@x`, `$x`, `#x`). Beyond one, SQLite may read other words than are
    /// read here: `$x(')` is a single one to it.
    let hasParameters: Bool

    init(_ text: some Sequence<UInt8>) {
        var scanner = Scanner(bytes: Array(text))
        tokens = scanner.tokens()
        bytes = scanner.bytes.count
        hasParameters = scanner.hasParameters
    }

    /// Whether there is nothing here but space, comments and `;`.
    var isBlank: Bool { tokens.allSatisfy { $0 == .sign(UInt8(ascii: ";")) } }

    // MARK: WITH tables

    private struct WithTable {
        var name: String
        var body: Range<Int>
    }

    /// Names of the tables that WITH defines (and of windows, which are written the same way).
    var withTables: Set<String> { Set(definitions.map(\.name)) }

    /// What in it would be copied more often than ``QueryLimits`` let it.
    ///
    /// SQLite's parser copies a WITH table's query at each use, and only then looks at it: a chain in which each is used
    /// twice by the next doubles at each step, in memory and in time that no handler can interrupt. So the uses are counted
    /// by their names; and apart from that, without a look at any name, it is assumed that they are spread as badly as can be.
    func objection(_ limits: QueryLimits) -> QueryError? {
        if hasParameters { return .parameters }
        let definitions = definitionsAtMost
        guard definitions <= limits.withTablesMax else {
            return .tooManyWithTables(max: limits.withTablesMax)
        }
        guard copies(atMost: QueryLimits.expansionsMax) != nil else {
            return .tooManyCopies(max: QueryLimits.expansionsMax)
        }
        guard worstCopies(definitions) * Double(bytes) <= QueryLimits.copiedBytesMax else {
            return .tooManyReferences(references)
        }
        return nil
    }

    /// How often SQLite would write out a WITH table, counting those within others.
    ///
    /// - Returns: `nil` for more than `max`.
    func copies(atMost max: Int) -> Int? {
        let definitions = definitions
        let names = Set(definitions.map(\.name))
        var costs: [String: Int] = [:]
        var isOpen: Set<String> = []
        func cost(of name: String) -> Int {
            if let known = costs[name] { return known }
            guard isOpen.insert(name).inserted else { return 1 }
            var sum = 1
            for definition in definitions where definition.name == name {
                sum = Swift.min(max + 1, sum + uses(in: definition.body))
            }
            isOpen.remove(name)
            costs[name] = sum
            return sum
        }
        func uses(in range: Range<Int>) -> Int {
            var sum = 0
            for index in range {
                if let name = tokens[index].name, names.contains(name) { sum += cost(of: name) }
                if sum > max { return max + 1 }
            }
            return sum
        }
        let whole = uses(in: tokens.indices)
        return whole > max ? nil : whole
    }

    /// How often a WITH table would be written out if the references were spread over the definitions as badly as can be:
    /// each uses the one before it equally often.
    private func worstCopies(_ definitions: Int) -> Double {
        guard definitions > 0 else { return 0 }
        return (1...definitions).reduce(0) { worst, depth in
            var product = 1.0
            for _ in 0..<depth { product *= Double(references) / Double(depth) }
            return max(worst, product)
        }
    }

    /// No fewer than the text defines: everything of the form `AS [[NOT] MATERIALIZED] (`.
    private var definitionsAtMost: Int {
        tokens.indices.count { index in
            guard tokens[index] == .name("as") else { return false }
            var next = index + 1
            _ = take("not", &next)
            _ = take("materialized", &next)
            return next < tokens.count && tokens[next] == .sign(UInt8(ascii: "("))
        }
    }

    /// No fewer than the places where the text names a table: after FROM, JOIN and IN, and after a comma or an opening
    /// parenthesis between FROM and what follows its tables.
    var references: Int {
        var count = 0
        var isFrom = [false]
        for (index, token) in tokens.enumerated() {
            let before = index > 0 ? tokens[index - 1] : .sign(UInt8(ascii: ";"))
            if token.name != nil, !isKnownOtherwise(index) {
                switch before {
                case .name("from"), .name("join"), .name("in"): count += 1
                case .sign(UInt8(ascii: ",")), .sign(UInt8(ascii: "(")): if isFrom.last == true { count += 1 }
                default: break
                }
            }
            switch token {
            case .sign(UInt8(ascii: "(")): isFrom.append(isFrom.last ?? false)
            case .sign(UInt8(ascii: ")")): if isFrom.count > 1 { isFrom.removeLast() }
            case .name("from"), .name("join"): isFrom[isFrom.count - 1] = true
            case .name("select"), .name("where"), .name("group"), .name("order"), .name("having"),
                .name("limit"):
                isFrom[isFrom.count - 1] = false
            default: break
            }
        }
        return count
    }

    /// What begins another SELECT, a number, a function's name, a schema's or a table's before its column.
    private func isKnownOtherwise(_ index: Int) -> Bool {
        if case .name(let word) = tokens[index],
            word == "select" || word == "values"
                || word.utf8.first.map({ (0x30...0x39).contains($0) }) ?? true
        {
            return true
        }
        guard index + 1 < tokens.count else { return false }
        return [.sign(UInt8(ascii: "(")), .sign(UInt8(ascii: "."))].contains(tokens[index + 1])
    }

    /// `NAME [(COLUMNS)] AS [[NOT] MATERIALIZED] (BODY)`
    private var definitions: [WithTable] {
        let ends = closings
        var found: [WithTable] = []
        for index in tokens.indices {
            guard let name = tokens[index].name else { continue }
            var next = index + 1
            if let end = ends[next] { next = end + 1 }
            guard take("as", &next) else { continue }
            _ = take("not", &next)
            _ = take("materialized", &next)
            if let end = ends[next] { found.append(WithTable(name: name, body: next + 1..<end)) }
        }
        return found
    }

    private func take(_ word: String, _ next: inout Int) -> Bool {
        guard next < tokens.count, tokens[next] == .name(word) else { return false }
        next += 1
        return true
    }

    /// Where each `(` is closed; at the end of the text when nowhere.
    private var closings: [Int: Int] {
        var ends: [Int: Int] = [:]
        var open: [Int] = []
        for (index, token) in tokens.enumerated() {
            if token == .sign(UInt8(ascii: "(")) { open.append(index) }
            if token == .sign(UInt8(ascii: ")")), let start = open.popLast() { ends[start] = index }
        }
        for start in open { ends[start] = tokens.count }
        return ends
    }
}

extension QueryText {
    private struct Scanner {
        let bytes: [UInt8]
        var next = 0
        private(set) var hasParameters = false

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func tokens() -> [Token] {
            var tokens: [Token] = []
            while next < bytes.count {
                let byte = bytes[next]
                switch byte {
                case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "`"):
                    tokens.append(.quoted(quoted(to: byte)))
                case UInt8(ascii: "["): tokens.append(.quoted(quoted(to: UInt8(ascii: "]"))))
                // A byte order mark is space to SQLite, unless it is within a word.
                case 0xEF where bytes[next...].starts(with: [0xEF, 0xBB, 0xBF]): next += 3
                case UInt8(ascii: "$"), UInt8(ascii: "?"), UInt8(ascii: ":"), UInt8(ascii: "@"),
                    UInt8(ascii: "#"):
                    hasParameters = true
                    tokens.append(.sign(byte))
                    next += 1
                case UInt8(ascii: "-") where peek == byte: skipLine()
                case UInt8(ascii: "/") where peek == UInt8(ascii: "*"): skipComment()
                case let byte where Self.isWord(byte): tokens.append(.name(word()))
                case 0x09, 0x0A, 0x0C, 0x0D, 0x20: next += 1
                default:
                    tokens.append(.sign(byte))
                    next += 1
                }
            }
            return tokens
        }

        private var peek: UInt8? { next + 1 < bytes.count ? bytes[next + 1] : nil }

        private mutating func word() -> String {
            let start = next
            while next < bytes.count, Self.isWord(bytes[next]) { next += 1 }
            return Self.folded(bytes[start..<next])
        }

        /// Up to the next `end` that is not doubled; of a doubled one, one counts.
        private mutating func quoted(to end: UInt8) -> String {
            var text: [UInt8] = []
            next += 1
            while next < bytes.count {
                let byte = bytes[next]
                next += 1
                if byte == end {
                    guard end != UInt8(ascii: "]"), next < bytes.count, bytes[next] == end else { break }
                    next += 1
                }
                text.append(byte)
            }
            return Self.folded(text[...])
        }

        private mutating func skipLine() {
            while next < bytes.count, bytes[next] != 0x0A { next += 1 }
        }

        private mutating func skipComment() {
            next += 2
            while next < bytes.count, bytes[next] != UInt8(ascii: "*") || peek != UInt8(ascii: "/") {
                next += 1
            }
            next = min(bytes.count, next + 2)
        }

        private static func isWord(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"), 0x80...:
                true
            default: false
            }
        }

        /// ASCII in lower case, as SQLite compares names.
        private static func folded(_ bytes: ArraySlice<UInt8>) -> String {
            String(
                decoding: bytes.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }, as: UTF8.self)
        }
    }
}
