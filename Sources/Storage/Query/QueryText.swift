/// A query's text as words and signs, as far as its WITH tables and its end have to be known before SQLite reads it.
struct QueryText {
    enum Token: Hashable {
        /// Also quoted ones; lower case, as SQLite compares names.
        case name(String)
        case sign(UInt8)
    }

    let tokens: [Token]

    init(_ text: some Sequence<UInt8>) {
        var scanner = Scanner(bytes: Array(text))
        tokens = scanner.tokens()
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

    /// How often SQLite would write out a WITH table, counting those within others.
    ///
    /// Its parser copies a WITH table's query at each use, and only then looks at it: a chain in which each is used
    /// twice by the next doubles at each step, in memory and in time that no handler can interrupt.
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
                if case .name(let name) = tokens[index], names.contains(name) { sum += cost(of: name) }
                if sum > max { return max + 1 }
            }
            return sum
        }
        let whole = uses(in: tokens.indices)
        return whole > max ? nil : whole
    }

    /// `NAME [(COLUMNS)] AS [[NOT] MATERIALIZED] (BODY)`
    private var definitions: [WithTable] {
        let ends = closings
        var found: [WithTable] = []
        for index in tokens.indices {
            guard case .name(let name) = tokens[index] else { continue }
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

        mutating func tokens() -> [Token] {
            var tokens: [Token] = []
            while next < bytes.count {
                let byte = bytes[next]
                switch byte {
                case UInt8(ascii: "'"): skip(to: byte)
                case UInt8(ascii: "\""), UInt8(ascii: "`"): tokens.append(.name(quoted(to: byte)))
                case UInt8(ascii: "["): tokens.append(.name(quoted(to: UInt8(ascii: "]"))))
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

        private mutating func quoted(to end: UInt8) -> String {
            let start = next + 1
            skip(to: end)
            return Self.folded(bytes[start..<max(start, next - 1)])
        }

        /// Past the next `end` that is not doubled.
        private mutating func skip(to end: UInt8) {
            next += 1
            while next < bytes.count {
                next += 1
                guard bytes[next - 1] == end else { continue }
                guard end != UInt8(ascii: "]"), next < bytes.count, bytes[next] == end else { return }
                next += 1
            }
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
