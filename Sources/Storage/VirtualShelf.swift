package import Catalog
import GRDB

/// A virtual server that a command of this node defined.
package struct StoredVirtualServer: Hashable, Sendable {
    package let name: Label
    /// JSON, in the normal form that `Composition` writes.
    package let definition: String
    /// One more than the definition it replaced, wherever in the mesh that came from.
    package let counter: UInt64
    package let updated: WallTime
}

package struct VirtualShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// By name.
    package func all() async throws -> [StoredVirtualServer] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM virtual_server ORDER BY name").map { row in
                StoredVirtualServer(
                    name: try row.understood(Label(row.text("name")), "name"),
                    definition: try row.text("definition"), counter: try row.word("counter"),
                    updated: try row.time("updated"))
            }
        }
    }

    /// Adds the virtual server or replaces it.
    package func save(_ name: Label, definition: String, counter: UInt64, at now: WallTime) async throws {
        try await database.write { database in
            try database.execute(
                sql: """
                    INSERT INTO virtual_server (name, definition, counter, updated) VALUES (?, ?, ?, ?)
                    ON CONFLICT (name) DO UPDATE SET
                        definition = excluded.definition, counter = excluded.counter,
                        updated = excluded.updated
                    """,
                arguments: [
                    name.text, try column(definition, of: "the definition of \(name)"), column(counter),
                    now.milliseconds,
                ])
        }
    }

    /// - Returns: whether there was one.
    package func remove(_ name: Label) async throws -> Bool {
        try await database.write { database in
            try database.execute(sql: "DELETE FROM virtual_server WHERE name = ?", arguments: [name.text])
            return database.changesCount > 0
        }
    }
}
