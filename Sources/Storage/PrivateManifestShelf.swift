package import Catalog
import GRDB

/// What the servers offer that this node tells nobody of, in the encoding of `ManifestCodec`, so that after a restart
/// they are listed as last known too. (Of servers that the mesh knows, the documents say it.)
package struct PrivateManifestShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    package func all() async throws -> [Label: [UInt8]] {
        try await database.read { database in
            let rows = try Row.fetchAll(database, sql: "SELECT name, bytes FROM private_manifest").map {
                row in
                (try row.understood(Label(row.text("name")), "name"), try row.bytes("bytes"))
            }
            return Dictionary(rows) { first, _ in first }
        }
    }

    package func save(_ name: Label, _ manifest: [UInt8]) async throws {
        try await database.write { database in
            try database.execute(
                sql: """
                    INSERT INTO private_manifest (name, bytes) VALUES (?, ?)
                    ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes
                    """, arguments: [name.text, blob(manifest)])
        }
    }

    /// Forgets all but these.
    package func keepOnly(_ names: Set<Label>) async throws {
        for name in try await all().keys where !names.contains(name) { try await remove(name) }
    }

    package func remove(_ name: Label) async throws {
        try await database.write { database in
            try database.execute(sql: "DELETE FROM private_manifest WHERE name = ?", arguments: [name.text])
        }
    }
}
