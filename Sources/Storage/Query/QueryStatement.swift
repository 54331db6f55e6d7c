package import Catalog
import GRDBSQLite

/// One prepared statement.
final class QueryStatement {
    private let handle: OpaquePointer
    /// Kept open for as long as its statement lives.
    private let connection: QueryConnection

    init(_ handle: OpaquePointer, of connection: QueryConnection) {
        self.handle = handle
        self.connection = connection
    }

    deinit { sqlite3_finalize(handle) }

    /// Whether it changes nothing and answers with rows.
    var isSelect: Bool { sqlite3_stmt_readonly(handle) != 0 && sqlite3_column_count(handle) > 0 }
    var hasParameters: Bool { sqlite3_bind_parameter_count(handle) > 0 }

    var columns: [String] {
        (0..<sqlite3_column_count(handle)).map { column in
            sqlite3_column_name(handle, column).map { String(cString: $0) } ?? ""
        }
    }

    /// - Returns: whether there is a row.
    func step() throws(QueryError) -> Bool {
        let code = sqlite3_step(handle)
        try connection.check(code)
        return code == SQLITE_ROW
    }

    /// Binds, runs to the end, and is as new.
    func run(_ values: [QueryValue]) throws(QueryError) {
        for (index, value) in values.enumerated() {
            try connection.check(bind(value, at: Int32(index + 1)))
        }
        while try step() {}
        try connection.check(sqlite3_reset(handle))
    }

    private func bind(_ value: QueryValue, at place: Int32) -> Int32 {
        switch value {
        case .null: return sqlite3_bind_null(handle, place)
        case .integer(let number): return sqlite3_bind_int64(handle, place, number)
        case .real(let number): return sqlite3_bind_double(handle, place, number)
        case .text(var text):
            return text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) { bytes in
                    // An empty buffer may have no address, and no address means NULL.
                    bytes.baseAddress.map {
                        sqlite3_bind_text(handle, place, $0, Int32(clamping: bytes.count), transient)
                    } ?? sqlite3_bind_text(handle, place, "", 0, transient)
                }
            }
        }
    }

    /// The row's values; bytes that are no text are shown in hexadecimal.
    func row() -> [QueryValue] {
        (0..<sqlite3_column_count(handle)).map { column in
            switch sqlite3_column_type(handle, column) {
            case SQLITE_INTEGER: .integer(sqlite3_column_int64(handle, column))
            case SQLITE_FLOAT: .real(sqlite3_column_double(handle, column))
            case SQLITE_TEXT:
                .text(
                    String(
                        decoding: bytes(sqlite3_column_text(handle, column), of: column), as: UTF8.self))
            case SQLITE_BLOB: .text(hexadecimal(bytes(sqlite3_column_blob(handle, column), of: column)))
            default: .null
            }
        }
    }

    private func bytes(_ start: UnsafeRawPointer?, of column: Int32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
    }

    private func bytes(_ start: UnsafePointer<UInt8>?, of column: Int32) -> UnsafeRawBufferPointer {
        bytes(start.map { UnsafeRawPointer($0) }, of: column)
    }

    private func hexadecimal(_ bytes: UnsafeRawBufferPointer) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// Has SQLite copy what it is handed (`SQLITE_TRANSIENT`, which C spells as a cast that Swift does not import).
private let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

extension QueryValue {
    /// How a value of a ``Selection`` is bound and stored.
    package init(_ value: SelectionValue) {
        switch value {
        case .null: self = .null
        case .text(let text): self = .text(text)
        case .number(let number): self = .integer(number)
        case .flag(let flag): self = .integer(flag ? 1 : 0)
        case .words(let words): self = .text(SelectionSQL.array(of: words))
        }
    }

    /// Bytes of it in an answer.
    var size: Int {
        if case .text(let text) = self { text.utf8.count } else { 8 }
    }
}
