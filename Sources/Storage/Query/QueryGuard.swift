import Catalog
import GRDBSQLite
import Synchronization

/// What stands between a query and all that SQLite could do: asked for each thing the text would do before it runs, and
/// every few steps while it runs.
final class QueryGuard {
    /// Making and filling the tables is our own text; then the query's begins.
    var isAsking = false
    /// What the query reads: columns by table.
    private(set) var reads: [String: Set<String>] = [:]
    /// Places at which it calls functions.
    private var calls = 0
    /// Why it was refused or stopped; the first reason counts.
    private(set) var objection: QueryError?

    private let tables: [String: Set<String>]
    private let limits: QueryLimits
    private let deadline: ContinuousClock.Instant
    private let memoryAtStart = sqlite3_memory_used()
    private let isGivenUp: () -> Bool
    private let withTables: Set<String>

    /// - Parameters:
    ///   - withTables: what the text defines itself by WITH.
    ///   - isGivenUp: whether nobody waits for the answer any more.
    init(
        tables: [QueryTable], withTables: Set<String>, limits: QueryLimits,
        isGivenUp: @escaping () -> Bool
    ) {
        self.tables = Dictionary(
            tables.map { ($0.name, Set($0.columns.map(\.name))) }, uniquingKeysWith: { first, _ in first })
        self.withTables = withTables
        self.limits = limits
        self.isGivenUp = isGivenUp
        deadline = ContinuousClock.now + limits.time
    }

    /// To be called between steps.
    ///
    /// - Returns: whether to stop.
    func looksBad() -> Bool {
        if ContinuousClock.now > deadline { object(.tooSlow(limits.time)) }
        if sqlite3_memory_used() - memoryAtStart > limits.memoryBytesMax {
            object(.tooMuchMemory(bytes: limits.memoryBytesMax))
        }
        return objection != nil || isGivenUp()
    }

    /// Called by SQLite for each thing that a text would do, while it is being read.
    func allows(_ action: Int32, _ first: String, _ second: String) -> Bool {
        guard isAsking else { return true }
        if looksBad() { return false }
        switch action {
        case SQLITE_SELECT, SQLITE_RECURSIVE: return true
        case SQLITE_READ: return allowsReading(first.lowercased(), second.lowercased())
        case SQLITE_FUNCTION:
            guard Self.functions.contains(second.lowercased()) else { return deny("the function \(second)") }
            calls += 1
            if calls > limits.callsMax { object(.tooManyCalls(max: limits.callsMax)) }
            return objection == nil
        case SQLITE_ATTACH, SQLITE_DETACH: return deny("ATTACH")
        case SQLITE_PRAGMA: return deny("PRAGMA")
        case SQLITE_TRANSACTION, SQLITE_SAVEPOINT: return deny("a transaction")
        // What is not one of our tables is SQLite's schema: also where a module's table is named for the first time.
        case SQLITE_INSERT, SQLITE_UPDATE, SQLITE_DELETE:
            return deny(tables[first.lowercased()] == nil ? "making a table" : "writing")
        default: return deny("anything but SELECT")
        }
    }

    private func allowsReading(_ table: String, _ column: String) -> Bool {
        if let columns = tables[table] {
            // Of a table of which no column is read, SQLite asks for the column without name.
            reads[table, default: []].formUnion(columns.contains(column) ? [column] : [])
            return true
        }
        if Self.otherTables.contains(table) || (column.isEmpty && withTables.contains(table)) {
            return true
        }
        return deny("reading \(table)")
    }

    private func deny(_ what: String) -> Bool {
        object(.notAllowed(what))
        return false
    }

    private func object(_ error: QueryError) { if objection == nil { objection = error } }

    /// What lists the columns of our tables, and what takes JSON apart.
    private static let otherTables: Set<String> = [
        "sqlite_master", "sqlite_schema", "json_each", "json_tree",
    ]

    /// Functions that reach nothing outside, and whose cost does not grow with the product of two long arguments: nothing
    /// interrupts one call, but for those of ``PatternFunction``. (So no `replace`, `instr`, `trim` of two arguments, `json_patch`.)
    private static let functions: Set<String> = [
        "abs", "avg", "ceil", "ceiling", "char", "coalesce", "concat", "concat_ws", "count", "cume_dist",
        "date", "datetime", "dense_rank", "first_value", "floor", "format", "glob", "group_concat", "hex",
        "ifnull", "iif", "json", "json_array", "json_array_length", "json_each", "json_extract",
        "json_group_array", "json_group_object", "json_object", "json_quote", "json_tree", "json_type",
        "json_valid", "julianday", "lag", "last_value", "lead", "length", "like", "lower", "max", "min",
        "mod", "nth_value", "ntile", "nullif", "percent_rank", "pow", "power", "printf", "quote", "random",
        "rank", "round", "row_number", "sign", "sqrt", "strftime", "string_agg", "substr", "substring", "sum",
        "time", "total", "typeof", "unicode", "unixepoch", "upper", "->", "->>",
    ]
}
