/// Why a query was not answered.
package enum QueryError: Error, Hashable, Sendable {
    case empty
    case textTooLong(bytes: Int, max: Int)
    case severalStatements
    case parameters
    /// Something that queries may not do, as in "… is not allowed".
    case notAllowed(String)
    /// SQLite's own word on what is wrong with the text.
    case wrong(String)
    case tooManyCopies(max: Int)
    case tooManyWithTables(max: Int)
    case tooManyReferences(Int)
    case tooManyCalls(max: Int)
    case tooComplex
    case tooSlow(Duration)
    case tooMuchMemory(bytes: Int64)
    case valueTooLarge(bytes: Int)
    /// Others wait or run already.
    case busy(Int)
}

extension QueryError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .empty: "there is no statement; write one SELECT"
        case .textTooLong(let bytes, let max): "the query has \(bytes) bytes; \(max) are the most"
        case .severalStatements: "there is more than one statement; write one SELECT"
        case .parameters: "the query has parameters (?), and nothing to put there; write the values"
        case .notAllowed(let what):
            "\(what) is not allowed: a query reads the tables nodes, links, servers, entries, virtual_servers and statements, with functions whose cost is bounded (docs/reference/catalog.md)"
        case .wrong(let message): "SQLite says: \(message)"
        case .tooManyCopies(let max):
            "its WITH tables stand for more than \(max) copies of one another; use each fewer times, or nest them less"
        case .tooManyWithTables(let max):
            "it defines more than \(max) tables by WITH (or windows by WINDOW); write some of them as subqueries"
        case .tooManyReferences(let count):
            "it names tables \(count) times, too often for so many WITH tables in a text so long; use fewer of them"
        case .tooManyCalls(let max):
            "it calls functions at more than \(max) places (LIKE, GLOB, -> and ->> count); use fewer"
        case .tooComplex:
            "SQLite would make too much of it (names within subqueries are written out wherever they are used); use each fewer times"
        case .tooSlow(let time):
            "it took more than \(time), the most a query may; narrow it with WHERE or LIMIT"
        case .tooMuchMemory(let bytes):
            "it needed more than \(bytes / 1024 / 1024) MiB, the most a query may; read fewer columns (definition is the largest), or narrow it"
        case .valueTooLarge(let bytes):
            "a value in it is larger than \(bytes / 1024) KiB, the most one may have"
        case .busy(let count): "\(count) queries wait or run already; try again in a moment"
        }
    }
}
