package import Catalog
import GRDB

/// Signed documents by which nodes are reminded that their vault was newer once. The bytes are opaque here.
package struct VaultWitnessShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    package func loadAll() async throws -> [[UInt8]] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT document FROM vault_witness ORDER BY origin").map {
                try $0.bytes("document")
            }
        }
    }

    /// - Parameter document: `nil` removes what there is of the origin.
    package func set(_ document: [UInt8]?, of origin: NodeID) async throws {
        try await database.write { database in
            guard let document else {
                return try database.execute(
                    sql: "DELETE FROM vault_witness WHERE origin = ?", arguments: [blob(origin.bytes)])
            }
            try database.execute(
                sql: """
                    INSERT INTO vault_witness (origin, document) VALUES (?, ?)
                    ON CONFLICT (origin) DO UPDATE SET document = excluded.document
                    """,
                arguments: [blob(origin.bytes), blob(document)])
        }
    }

    /// Of a mesh that was left nobody is a member any more.
    package func removeAll() async throws {
        try await database.write { try $0.execute(sql: "DELETE FROM vault_witness") }
    }
}
