import GRDBSQLite

/// LIKE and GLOB in place of SQLite's own: those take pattern times text and nothing interrupts them, these look at the clock.
struct PatternFunction {
    let name: String
    let arguments: Int32
    let call: @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void

    /// `x LIKE p` is `like(p, x)`, `x LIKE p ESCAPE e` is `like(p, x, e)`, `x GLOB p` is `glob(p, x)`.
    static var all: [PatternFunction] {
        [
            PatternFunction(name: "like", arguments: 2) { PatternFunction.match($0, $1, $2, .like) },
            PatternFunction(name: "like", arguments: 3) { PatternFunction.match($0, $1, $2, .like) },
            PatternFunction(name: "glob", arguments: 2) { PatternFunction.match($0, $1, $2, .glob) },
        ]
    }

    /// - Parameter context: the connection's ``QueryGuard``, which outlives the connection.
    func register(in database: OpaquePointer, context: UnsafeMutableRawPointer) -> Int32 {
        sqlite3_create_function_v2(
            database, name, arguments, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, context, call,
            nil, nil, nil)
    }

    private static func match(
        _ context: OpaquePointer?, _ count: Int32, _ values: UnsafeMutablePointer<OpaquePointer?>?,
        _ language: WildcardPattern.Language
    ) {
        guard let values, count >= 2, let user = sqlite3_user_data(context) else { return }
        let watch = Unmanaged<QueryGuard>.fromOpaque(user).takeUnretainedValue()
        guard sqlite3_value_bytes(values[0]) <= QueryLimits.patternBytesMax else {
            return sqlite3_result_error(
                context, "a pattern of LIKE or GLOB has more than \(QueryLimits.patternBytesMax) bytes", -1)
        }
        var escape: UInt32?
        if count == 3 {
            guard let bytes = text(values[2]) else { return }
            var reader = LenientUTF8(bytes: bytes)
            escape = reader.read()
            guard escape != nil, reader.peek == nil else {
                return sqlite3_result_error(context, "ESCAPE expression must be a single character", -1)
            }
        }
        // NULL is like nothing, and nothing is like NULL.
        guard let pattern = text(values[0]), let value = text(values[1]) else { return }
        let isMatch = WildcardPattern(pattern, language, escape: escape)
            .matches(value, isOver: { watch.looksBad() })
        guard let isMatch else { return sqlite3_result_error(context, "stopped", -1) }
        sqlite3_result_int(context, isMatch ? 1 : 0)
    }

    /// Lives until SQLite converts or frees the value.
    private static func text(_ value: OpaquePointer?) -> UnsafeRawBufferPointer? {
        sqlite3_value_text(value).map {
            UnsafeRawBufferPointer(start: $0, count: Int(sqlite3_value_bytes(value)))
        }
    }
}
