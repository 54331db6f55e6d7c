package import Catalog
import GRDB

/// Which of this node's configured virtual servers were published, and as what: they are published anew only when the file
/// changed.
package struct ConfiguredVirtualShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    package func all() async throws -> [Label: ContentHash] {
        try await database.read { database in
            let rows = try Row.fetchAll(database, sql: "SELECT name, hash FROM virtual_configured").map {
                row in
                (
                    try row.understood(Label(row.text("name")), "name"),
                    try row.understood(ContentHash(bytes: row.bytes("hash")), "hash")
                )
            }
            return Dictionary(rows) { first, _ in first }
        }
    }

    package func save(_ name: Label, _ hash: ContentHash) async throws {
        try await database.write { database in
            try database.execute(
                sql: """
                    INSERT INTO virtual_configured (name, hash) VALUES (?, ?)
                    ON CONFLICT (name) DO UPDATE SET hash = excluded.hash
                    """, arguments: [name.text, blob(hash.bytes)])
        }
    }

    package func remove(_ name: Label) async throws {
        try await database.write { database in
            try database.execute(sql: "DELETE FROM virtual_configured WHERE name = ?", arguments: [name.text])
        }
    }
}
