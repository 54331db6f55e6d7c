package import Catalog
import GRDB
import Synchronization

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
    private let remains = Remains()

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

    /// All or none, in their order. What was removed is then gone from the database's log too; where somebody who reads is in
    /// the way of that, a later call sees to it, also one without changes.
    package func apply(_ changes: [Change]) async throws {
        if !changes.isEmpty { try await write(changes) }
        guard remains.areDue else { return }
        remains.note(areGone: try await database.emptyLog())
    }

    private func write(_ changes: [Change]) async throws {
        if changes.contains(where: { if case .remove = $0 { true } else { false } }) { remains.note() }
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
        remains.note()
        try await database.write { try $0.execute(sql: "DELETE FROM scoped_server") }
        remains.note(areGone: try await database.emptyLog())
    }

    /// Whether the database's log may still hold what was removed.
    private final class Remains: Sendable {
        /// Whoever reads that long is a person with a tool; each try waits for them.
        private static let retryEvery = Duration.seconds(60)

        /// `nil`: no. A node that died may have left some, so a start looks at once.
        private let dueAt = Mutex<ContinuousClock.Instant?>(.now)

        var areDue: Bool { dueAt.withLock { $0.map { $0 <= .now } ?? false } }
        func note() { dueAt.withLock { $0 = .now } }
        func note(areGone: Bool) { dueAt.withLock { $0 = areGone ? nil : .now + Self.retryEvery } }
    }
}
