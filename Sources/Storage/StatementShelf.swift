import GRDB

/// The revocations that a node holds. The bytes are opaque here; whoever reads them checks them again.
package struct StatementShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// Everything, by key.
    package func loadAll() async throws -> [[UInt8]] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT bytes FROM statement ORDER BY key").map {
                try $0.bytes("bytes")
            }
        }
    }

    /// All or none; on stable storage when it returns.
    ///
    /// - Parameter changes: by key, in their order; `nil` removes.
    package func apply(_ changes: [(key: [UInt8], bytes: [UInt8]?)]) async throws {
        guard !changes.isEmpty else { return }
        try await database.write { database in
            for (key, bytes) in changes {
                if let bytes {
                    try database.execute(
                        sql: """
                            INSERT INTO statement (key, bytes) VALUES (?, ?)
                            ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes
                            """, arguments: [blob(key), blob(bytes)])
                } else {
                    try database.execute(
                        sql: "DELETE FROM statement WHERE key = ?", arguments: [blob(key)])
                }
            }
        }
    }

    /// Forgets all: they were said in a mesh that the node is no longer in.
    package func removeAll() async throws {
        try await database.write { try $0.execute(sql: "DELETE FROM statement") }
    }
}
