import GRDBSQLite
import Synchronization

/// A database in memory of its own, for one query: nothing of the node's is open in it, so nothing of the node's can be reached
/// from it, whatever the query's text does.
///
/// Not GRDB's: that one keeps the authorizer of its connections for itself.
final class QueryConnection {
    private let handle: OpaquePointer
    private let watch: QueryGuard
    private let limits: QueryLimits

    init(watch: QueryGuard, limits: QueryLimits) throws(QueryError) {
        var opened: OpaquePointer?
        let flags =
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_PRIVATECACHE
        guard sqlite3_open_v2(":memory:", &opened, flags, nil) == SQLITE_OK, let opened else {
            sqlite3_close_v2(opened)
            throw .wrong("no database could be made in memory")
        }
        handle = opened
        self.watch = watch
        self.limits = limits
        bound()
        // Lives no longer than this connection, which holds it.
        let context = Unmanaged.passUnretained(watch).toOpaque()
        sqlite3_set_authorizer(opened, authorize, context)
        sqlite3_progress_handler(opened, QueryLimits.stepsBetweenLooks, look, context)
        for function in PatternFunction.all {
            try check(function.register(in: opened, context: context))
        }
        // What does not fit a sort must not go to files; there are no transactions to undo.
        try run("PRAGMA temp_store = MEMORY; PRAGMA journal_mode = OFF; PRAGMA trusted_schema = OFF")
        // Makes the two tables of modules that queries may read; making others is refused.
        try run("SELECT 1 FROM json_each('[]'), json_tree('[]')")
    }

    deinit { sqlite3_close_v2(handle) }

    /// SQLite's own bounds, as far as its defaults are beyond what a query here needs.
    private func bound() {
        for (limit, value) in [
            (SQLITE_LIMIT_LENGTH, QueryLimits.filledBytesMax), (SQLITE_LIMIT_ATTACHED, 0),
            (SQLITE_LIMIT_COLUMN, QueryLimits.columnsMax), (SQLITE_LIMIT_EXPR_DEPTH, 500),
            (SQLITE_LIMIT_COMPOUND_SELECT, 50), (SQLITE_LIMIT_VDBE_OP, QueryLimits.programStepsMax),
            (SQLITE_LIMIT_FUNCTION_ARG, QueryLimits.argumentsMax), (SQLITE_LIMIT_TRIGGER_DEPTH, 1),
            (SQLITE_LIMIT_WORKER_THREADS, 0),
        ] as [(Int32, Int32)] {
            sqlite3_limit(handle, limit, value)
        }
    }

    /// Bounds values and rows from now on.
    func bound(valueBytes: Int32) { sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, valueBytes) }

    /// Runs statements of our own that answer nothing.
    func run(_ text: String) throws(QueryError) {
        try check(sqlite3_exec(handle, text, nil, nil, nil))
    }

    /// SQLite's bound on memory, ``QueryLimits/parsedBytesMax`` beyond what is used, is one for the whole process; it stands
    /// only while a text is read, when nothing else can stop SQLite. Whoever else needs memory of SQLite's at that moment
    /// shares it: it is some hundred times of what an honest text needs.
    private static let parsing = Mutex(())

    /// - Returns: the first statement of a text, and what follows it; no statement for a text without one.
    func prepare(_ text: String) throws(QueryError) -> (statement: QueryStatement?, rest: [UInt8]) {
        let bytes = Array(text.utf8)
        var statement: OpaquePointer?
        var consumed = 0
        let code = bytes.withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { text in
                var tail: UnsafePointer<CChar>?
                let code = Self.parsing.withLock { _ in
                    let before = sqlite3_hard_heap_limit64(sqlite3_memory_used() + QueryLimits.parsedBytesMax)
                    defer { sqlite3_hard_heap_limit64(before) }
                    return sqlite3_prepare_v2(handle, text.baseAddress, Int32(text.count), &statement, &tail)
                }
                if let base = text.baseAddress, let tail { consumed = tail - base }
                return code
            }
        }
        if code & 0xFF == SQLITE_NOMEM, watch.objection == nil { throw .tooComplex }
        try check(code)
        return (statement.map { QueryStatement($0, of: self) }, Array(bytes[consumed...]))
    }

    func check(_ code: Int32) throws(QueryError) {
        guard ![SQLITE_OK, SQLITE_ROW, SQLITE_DONE].contains(code) else { return }
        if let objection = watch.objection { throw objection }
        switch code & 0xFF {
        case SQLITE_TOOBIG: throw .valueTooLarge(bytes: Int(sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, -1)))
        case SQLITE_NOMEM: throw .tooMuchMemory(bytes: limits.memoryBytesMax)
        default: throw .wrong(String(cString: sqlite3_errmsg(handle)))
        }
    }
}

private let authorize:
    @convention(c) (
        UnsafeMutableRawPointer?, Int32, UnsafePointer<CChar>?, UnsafePointer<CChar>?,
        UnsafePointer<CChar>?, UnsafePointer<CChar>?
    ) -> Int32 = { context, action, first, second, _, _ in
        guard let context else { return SQLITE_DENY }
        let watch = Unmanaged<QueryGuard>.fromOpaque(context).takeUnretainedValue()
        let text = { (pointer: UnsafePointer<CChar>?) in pointer.map { String(cString: $0) } ?? "" }
        return watch.allows(action, text(first), text(second)) ? SQLITE_OK : SQLITE_DENY
    }

private let look: @convention(c) (UnsafeMutableRawPointer?) -> Int32 = { context in
    guard let context else { return 1 }
    return Unmanaged<QueryGuard>.fromOpaque(context).takeUnretainedValue().looksBad() ? 1 : 0
}
