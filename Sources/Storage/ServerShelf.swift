package import Catalog
import GRDB

/// A server that a command defined (those of the configuration file are not stored).
package struct StoredServer: Hashable, Sendable {
    package let name: Label
    /// JSON, in the shape of the configuration's `servers.NAME`.
    package let definition: String
    package let created: WallTime
    package let updated: WallTime
}

package struct ServerShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// By name.
    package func all() async throws -> [StoredServer] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM server ORDER BY name").map { row in
                StoredServer(
                    name: try row.understood(Label(row.text("name")), "name"),
                    definition: try row.text("definition"), created: try row.time("created"),
                    updated: try row.time("updated"))
            }
        }
    }

    /// Adds the server or replaces its definition.
    package func save(_ name: Label, definition: String, at now: WallTime) async throws {
        try await database.write { database in
            try database.execute(
                sql: """
                    INSERT INTO server (name, definition, created, updated) VALUES (?, ?, ?, ?)
                    ON CONFLICT (name) DO UPDATE SET
                        definition = excluded.definition, updated = excluded.updated
                    """,
                arguments: [
                    name.text, try column(definition, of: "the definition of server \(name)"),
                    now.milliseconds,
                    now.milliseconds,
                ])
        }
    }

    /// - Returns: whether there was one.
    package func remove(_ name: Label) async throws -> Bool {
        try await database.write { database in
            try database.execute(sql: "DELETE FROM server WHERE name = ?", arguments: [name.text])
            return database.changesCount > 0
        }
    }
}
