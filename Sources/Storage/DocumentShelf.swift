package import Catalog
import FoundationEssentials
import GRDB

/// A signed document as it lies on disk. The bytes are opaque here; whoever reads them checks them again.
package struct StoredDocument: Hashable, Sendable {
    package struct Key: Hashable, Sendable {
        package let kind: UInt8
        package let origin: NodeID
        /// Empty for the kinds of which an origin has one.
        package let name: String

        package init(kind: UInt8, origin: NodeID, name: String) {
            self.kind = kind
            self.origin = origin
            self.name = name
        }
    }

    package let key: Key
    package let incarnation: UInt64
    package let life: UInt64
    package let sequence: UInt64
    package let bytes: [UInt8]

    package init(key: Key, incarnation: UInt64, life: UInt64, sequence: UInt64, bytes: [UInt8]) {
        self.key = key
        self.incarnation = incarnation
        self.life = life
        self.sequence = sequence
        self.bytes = bytes
    }
}

/// What one step of the mesh changes on disk, all or none of it.
package struct DocumentChanges: Sendable {
    package var saved: [StoredDocument] = []
    package var removed: [StoredDocument.Key] = []
    package var manifests: [(hash: ContentHash, bytes: [UInt8])] = []
    /// Go after all others were saved.
    package var removedManifests: Set<ContentHash> = []

    package init() {}

    package var isEmpty: Bool {
        saved.isEmpty && removed.isEmpty && manifests.isEmpty && removedManifests.isEmpty
    }
}

/// The node's replica of the mesh: the last version of every document, and manifests by their hash.
///
/// Which version is the greatest is decided by the mesh's core; what is saved here replaces what was there.
package struct DocumentShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// Everything, by kind, origin and name.
    package func loadAll() async throws -> [StoredDocument] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM document ORDER BY kind, origin, name").map { row in
                StoredDocument(
                    key: StoredDocument.Key(
                        kind: try row.byte("kind"),
                        origin: try row.understood(NodeID(bytes: row.bytes("origin")), "origin"),
                        name: try row.text("name")),
                    incarnation: try row.word("incarnation"), life: try row.word("life"),
                    sequence: try row.word("sequence"), bytes: try row.bytes("bytes"))
            }
        }
    }

    /// When something was last saved of each origin, by the system's clock then.
    package func lastHeard() async throws -> [NodeID: WallTime] {
        try await database.read { database in
            let rows = try Row.fetchAll(
                database,
                sql:
                    "SELECT origin, MAX(heard_at) AS heard_at FROM document WHERE heard_at > 0 GROUP BY origin"
            )
            var heard: [NodeID: WallTime] = [:]
            for row in rows {
                let origin = try row.understood(NodeID(bytes: row.bytes("origin")), "origin")
                heard[origin] = WallTime(milliseconds: row["heard_at"])
            }
            return heard
        }
    }

    /// One transaction for the whole batch: a commit costs a flush of the disk, however much is in it.
    package func apply(_ changes: DocumentChanges, at now: WallTime) async throws {
        guard !changes.isEmpty else { return }
        try await database.write { database in
            let save = try database.cachedStatement(
                sql: """
                    INSERT INTO document (kind, origin, name, incarnation, life, sequence, bytes, heard_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (kind, origin, name) DO UPDATE SET
                        incarnation = excluded.incarnation, life = excluded.life,
                        sequence = excluded.sequence, bytes = excluded.bytes,
                        heard_at = excluded.heard_at
                    """)
            for document in changes.saved {
                try save.execute(
                    arguments: [
                        document.key.kind, blob(document.key.origin.bytes),
                        try column(document.key.name, of: "a document's name"), column(document.incarnation),
                        column(document.life), column(document.sequence), blob(document.bytes),
                        now.milliseconds,
                    ])
            }
            for key in changes.removed {
                try database.execute(
                    sql: "DELETE FROM document WHERE kind = ? AND origin = ? AND name = ?",
                    arguments: [
                        key.kind, blob(key.origin.bytes), try column(key.name, of: "a document's name"),
                    ])
            }
            for manifest in changes.manifests {
                try database.execute(
                    sql: """
                        INSERT INTO manifest (hash, bytes, last_used) VALUES (?, ?, ?)
                        ON CONFLICT (hash) DO UPDATE SET last_used = excluded.last_used
                        """,
                    arguments: [blob(manifest.hash.bytes), blob(manifest.bytes), now.milliseconds])
            }
            for hash in changes.removedManifests {
                try database.execute(
                    sql: "DELETE FROM manifest WHERE hash = ?", arguments: [blob(hash.bytes)])
            }
        }
    }

    /// Forgets every document: they belong to a mesh that the node is no longer in, and were signed for it.
    package func removeAll() async throws {
        try await database.write { try $0.execute(sql: "DELETE FROM document") }
    }
}

// MARK: - Manifests

extension DocumentShelf {
    package func manifest(_ hash: ContentHash) async throws -> [UInt8]? {
        try await database.read { database in
            try Row.fetchOne(
                database, sql: "SELECT bytes FROM manifest WHERE hash = ?", arguments: [blob(hash.bytes)])?
                .bytes("bytes")
        }
    }

    package func manifestHashes() async throws -> Set<ContentHash> {
        try await database.read { database in
            Set(
                try Row.fetchAll(database, sql: "SELECT hash FROM manifest").map { row in
                    try row.understood(ContentHash(bytes: row.bytes("hash")), "hash")
                })
        }
    }

    /// Marks the manifests that documents name now, and drops those that none has named since `horizon`.
    ///
    /// - Returns: how many were dropped.
    package func keepManifests(
        _ used: Set<ContentHash>, at now: WallTime, droppingUnusedSince horizon: WallTime
    ) async throws -> Int {
        try await database.write { database in
            let mark = try database.cachedStatement(sql: "UPDATE manifest SET last_used = ? WHERE hash = ?")
            for hash in used { try mark.execute(arguments: [now.milliseconds, blob(hash.bytes)]) }
            try database.execute(
                sql: "DELETE FROM manifest WHERE last_used < ?", arguments: [horizon.milliseconds])
            return database.changesCount
        }
    }
}
