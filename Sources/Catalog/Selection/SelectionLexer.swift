/// Cuts the text of a ``Selection`` into words, values and signs.
struct SelectionLexer {
    enum Token: Hashable {
        /// A keyword or a column.
        case word(String)
        case text(String)
        case number(Int64)
        case sign(String)
        case end
    }

    /// A token, the character at which it begins, and how it was written.
    struct Place: Hashable {
        let token: Token
        let column: Int
        let written: String

        /// As in "found …".
        var shown: String {
            if token == .end { return "the end" }
            return written.count > 30 ? "\(written.prefix(29))…" : written
        }
    }

    private let scalars: [Unicode.Scalar]
    private var next = 0

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    mutating func token() throws(SelectionError) -> Place {
        while next < scalars.count, [" ", "\t", "\n", "\r"].contains(scalars[next]) { next += 1 }
        let start = next
        guard next < scalars.count else { return Place(token: .end, column: start + 1, written: "") }
        let token: Token
        switch scalars[next] {
        case "'": token = .text(try quoted(from: start))
        case "0"..."9", "-", "+": token = .number(try number(from: start))
        case let first where Self.beginsWord(first):
            while next < scalars.count, Self.continuesWord(scalars[next]) { next += 1 }
            token = .word(text(from: start))
        default: token = .sign(try sign(from: start))
        }
        return Place(token: token, column: start + 1, written: text(from: start))
    }

    private mutating func quoted(from start: Int) throws(SelectionError) -> String {
        var value = String.UnicodeScalarView()
        next += 1
        while next < scalars.count {
            let scalar = scalars[next]
            next += 1
            if scalar == "'" {
                guard next < scalars.count, scalars[next] == "'" else { return String(value) }
                next += 1
            }
            guard scalar.value != 0 else {
                throw .expected(at: next, "text", found: "a character of value 0")
            }
            value.append(scalar)
        }
        throw .expected(
            at: scalars.count + 1, "a ' to close the text that begins at \(start + 1)", found: "the end")
    }

    private mutating func number(from start: Int) throws(SelectionError) -> Int64 {
        next += 1
        while next < scalars.count, Self.continuesWord(scalars[next]) || scalars[next] == "." { next += 1 }
        guard let number = Int64(text(from: start)) else {
            throw .expected(at: start + 1, "a whole number", found: text(from: start))
        }
        return number
    }

    private mutating func sign(from start: Int) throws(SelectionError) -> String {
        let two = String(String.UnicodeScalarView(scalars[start..<min(start + 2, scalars.count)]))
        if let instead = Self.foreign[two] { throw .notHere(at: start + 1, two, instead: instead) }
        if two == "<>" {
            next += 2
            return two
        }
        next += 1
        let one = text(from: start)
        if let instead = Self.foreign[one] { throw .notHere(at: start + 1, one, instead: instead) }
        guard ["=", "<", ">", "(", ")", ","].contains(one) else {
            throw .expected(at: start + 1, "a column, a value or one of = <> < > ( ) ,", found: one)
        }
        return one
    }

    /// What people bring along from SQL and from other languages.
    private static let foreign = [
        "!=": "<>", "==": "=", "<=": "NOT … > …", ">=": "NOT … < …", "&&": "AND", "||": "OR", "!": "NOT",
        "\"": "text in single quotes, and columns without quotes",
        "*": "LIKE with % for any run of characters",
    ]

    private func text(from start: Int) -> String { String(String.UnicodeScalarView(scalars[start..<next])) }

    private static func beginsWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "_": true
        default: false
        }
    }

    private static func continuesWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "0"..."9": true
        default: beginsWord(scalar)
        }
    }
}
