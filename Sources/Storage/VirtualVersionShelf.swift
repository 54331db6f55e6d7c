package import Catalog
import GRDB

/// What this node has heard operators say of virtual servers, with the definitions: for `virtual history`, `diff` and `rollback`.
package struct VirtualVersionShelf: Sendable {
    /// Of one name; of more, those with the lowest counters are forgotten.
    package static let perNameMax = 32
    /// Of all names together, at 64 KiB each at most; past it what was learnt first is forgotten.
    package static let versionsMax = 2_000

    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// Writes words down that are not noted yet; what is noted stays as it was learnt first.
    package func note(_ versions: [VirtualVersion]) async throws {
        try await database.write { database in
            for version in versions {
                let word = version.word
                try database.execute(
                    sql: """
                        INSERT OR IGNORE INTO virtual_version
                            (name, counter, hash, author, author_label, replaces, is_configured, definition, learnt)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        word.name.text, column(word.counter), blob(word.hash.bytes), blob(word.author.bytes),
                        try column(version.author, of: "a node's name"),
                        word.replaces.map { blob($0.bytes) }, word.isConfigured,
                        try word.definitionText.map { try column($0, of: "the definition of \(word.name)") },
                        version.learnt,
                    ])
            }
            for name in Set(versions.map(\.word.name)) {
                try database.execute(
                    sql: """
                        DELETE FROM virtual_version WHERE rowid IN (
                            SELECT rowid FROM virtual_version WHERE name = ?
                            ORDER BY counter < 0 DESC, counter DESC, hash DESC LIMIT -1 OFFSET ?)
                        """, arguments: [name.text, Self.perNameMax])
            }
            try database.execute(
                sql: """
                    DELETE FROM virtual_version WHERE rowid IN (
                        SELECT rowid FROM virtual_version ORDER BY learnt DESC, rowid DESC LIMIT -1 OFFSET ?)
                    """, arguments: [Self.versionsMax])
        }
    }

    /// The one that counts first.
    package func versions(of name: Label) async throws -> [VirtualVersion] {
        try await database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM virtual_version WHERE name = ?", arguments: [name.text]
            ).compactMap { row in try? Self.understood(row) }
        }.sorted { $0.word.wins(over: $1.word) || ($0.word.hash == $1.word.hash && $0.learnt < $1.learnt) }
    }

    private static func understood(_ row: Row) throws -> VirtualVersion {
        let replaces = row["replaces"] == nil ? nil : try row.bytes("replaces")
        let definition = row["definition"] == nil ? nil : try row.text("definition")
        let word = try VirtualServerWord(
            name: row.understood(Label(row.text("name")), "name"),
            author: row.understood(NodeID(bytes: row.bytes("author")), "author"),
            counter: row.word("counter"),
            replaces: replaces.map { try row.understood(ContentHash(bytes: $0), "replaces") },
            isConfigured: row.byte("is_configured") == 1, definitionText: definition)
        return VirtualVersion(
            word, author: try row.text("author_label"), learnt: try row.time("learnt").milliseconds)
    }
}
