import FoundationEssentials
import GRDB

/// The way of our values into columns and back. A row that this version could not have written is damage.
extension Row {
    func bytes(_ column: String) throws -> [UInt8] { [UInt8](try decode(Data.self, forColumn: column)) }
    func optionalBytes(_ column: String) throws -> [UInt8]? {
        try decode(Data?.self, forColumn: column).map { [UInt8]($0) }
    }
    func optionalText(_ column: String) throws -> String? { try decode(String?.self, forColumn: column) }
    func text(_ column: String) throws -> String { try decode(String.self, forColumn: column) }
    func time(_ column: String) throws -> WallTime {
        WallTime(milliseconds: try decode(Int64.self, forColumn: column))
    }
    func optionalTime(_ column: String) throws -> WallTime? {
        try decode(Int64?.self, forColumn: column).map(WallTime.init(milliseconds:))
    }
    func word(_ column: String) throws -> UInt64 {
        UInt64(bitPattern: try decode(Int64.self, forColumn: column))
    }
    func byte(_ column: String) throws -> UInt8 {
        try understood(UInt8(exactly: try decode(Int64.self, forColumn: column)), column)
    }

    /// For values whose type knows what it accepts.
    func understood<Value>(_ value: Value?, _ column: String) throws -> Value {
        guard let value else {
            throw StorageError.damaged(detail: "column \(column) holds what nobody wrote")
        }
        return value
    }
}

func blob(_ bytes: [UInt8]) -> Data { Data(bytes) }
func column(_ word: UInt64) -> Int64 { Int64(bitPattern: word) }

/// SQLite ends a bound text at its first NUL, which would make two names one.
func column(_ text: String, of what: String) throws -> String {
    guard !text.utf8.contains(0) else { throw StorageError.unstorable(what: what) }
    return text
}
