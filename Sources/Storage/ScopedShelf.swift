package import Catalog
import GRDB

/// What lies on disk of servers that are for some nodes only: those of this node, and those that their owners gave it.
/// The bytes are opaque here; whoever reads them checks them again.
package struct ScopedShelf: Sendable {
    package struct Row: Sendable {
        package let server: ServerKey
        package let document: [UInt8]
        /// The last whole one, encoded.
        package let manifest: [UInt8]?
    }

    package enum Change: Sendable {
        case save(ServerKey, document: [UInt8])
        /// Of a server that is saved; of another, nothing happens.
        case saveManifest(ServerKey, [UInt8])
        case remove(ServerKey)
    }

    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// Everything, by owner and name.
    package func loadAll() async throws -> [Row] {
        try await database.read { database in
            try GRDB.Row.fetchAll(database, sql: "SELECT * FROM scoped_server ORDER BY owner, name").map {
                row in
                let manifest = try row.bytes("manifest")
                return Row(
                    server: ServerKey(
                        owner: try row.understood(NodeID(bytes: row.bytes("owner")), "owner"),
                        name: try row.understood(Label(row.text("name")), "name")),
                    // No manifest is empty.
                    document: try row.bytes("document"), manifest: manifest.isEmpty ? nil : manifest)
            }
        }
    }

    /// All or none, in their order.
    package func apply(_ changes: [Change]) async throws {
        guard !changes.isEmpty else { return }
        try await database.write { database in
            for change in changes {
                switch change {
                case .save(let server, let document):
                    try database.execute(
                        sql: """
                            INSERT INTO scoped_server (owner, name, document, manifest) VALUES (?, ?, ?, x'')
                            ON CONFLICT (owner, name) DO UPDATE SET document = excluded.document
                            """, arguments: [blob(server.owner.bytes), server.name.text, blob(document)])
                case .saveManifest(let server, let manifest):
                    try database.execute(
                        sql: "UPDATE scoped_server SET manifest = ? WHERE owner = ? AND name = ?",
                        arguments: [blob(manifest), blob(server.owner.bytes), server.name.text])
                case .remove(let server):
                    try database.execute(
                        sql: "DELETE FROM scoped_server WHERE owner = ? AND name = ?",
                        arguments: [blob(server.owner.bytes), server.name.text])
                }
            }
        }
    }

    /// Forgets all: they belong to a mesh that the node is no longer in.
    package func removeAll() async throws {
        try await database.write { try $0.execute(sql: "DELETE FROM scoped_server") }
    }
}
