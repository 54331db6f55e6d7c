import FoundationEssentials
import GRDB
package import Vault

/// What is kept of a caller's API key.
package struct StoredCallerKey: Hashable, Sendable {
    package let id: String
    /// The name that a person gave it.
    package let label: String
    package let digest: CredentialDigest
    /// JSON; `Gateway` gives it meaning.
    package let scopes: String
    package let created: WallTime
    /// `nil`: never.
    package let expires: WallTime?
    package let lastUsed: WallTime?

    package init(
        id: String, label: String, digest: CredentialDigest, scopes: String, created: WallTime,
        expires: WallTime?, lastUsed: WallTime? = nil
    ) {
        self.id = id
        self.label = label
        self.digest = digest
        self.scopes = scopes
        self.created = created
        self.expires = expires
        self.lastUsed = lastUsed
    }
}

/// Callers' API keys. The request path works on a copy in memory (``all()``, by digest), never on this.
package struct CallerKeyShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// With the pepper of this installation, which is made at the first call.
    package func ring() async throws -> CallerKeyRing {
        var bytes = try await database.write { database in
            if let stored = try database.meta(.callerPepper) { return stored }
            var random = SystemRandomNumberGenerator()
            let made = randomBytes(CredentialDigest.pepperBytes, using: &random)
            try database.setMeta(.callerPepper, to: made)
            return made
        }
        guard bytes.count == CredentialDigest.pepperBytes else {
            throw StorageError.damaged(detail: "the pepper of the callers' keys has a wrong length")
        }
        return CallerKeyRing(pepper: Secret(moving: &bytes))
    }

    /// By age.
    package func all() async throws -> [StoredCallerKey] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM caller_key ORDER BY created, id").map { row in
                StoredCallerKey(
                    id: try row.text("id"), label: try row.text("label"),
                    digest: try row.understood(CredentialDigest(stored: row.bytes("digest")), "digest"),
                    scopes: try row.text("scopes"), created: try row.time("created"),
                    expires: try row.optionalTime("expires"), lastUsed: try row.optionalTime("last_used"))
            }
        }
    }

    /// Whether there ever was a key: callers then need one, also when all have been revoked.
    package func isKeyNeeded() async throws -> Bool {
        try await database.read { database in
            let hasKey = try Row.fetchOne(database, sql: "SELECT 1 FROM caller_key LIMIT 1") != nil
            return try hasKey || database.meta(.callersNeedKey) != nil
        }
    }

    package func add(_ key: StoredCallerKey) async throws {
        try await database.write { database in
            try database.setMeta(.callersNeedKey, to: [1])
            try database.execute(
                sql: """
                    INSERT INTO caller_key (id, label, digest, scopes, created, expires, last_used)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    key.id, try column(key.label, of: "the key's name"), blob(key.digest.bytes),
                    try column(key.scopes, of: "the key's scopes"), key.created.milliseconds,
                    key.expires?.milliseconds, key.lastUsed?.milliseconds,
                ])
        }
    }

    /// - Returns: whether there was one.
    package func remove(id: String) async throws -> Bool {
        try await database.write { database in
            try database.execute(sql: "DELETE FROM caller_key WHERE id = ?", arguments: [id])
            return database.changesCount > 0
        }
    }

    /// Notes uses in batches; a use a second is worth no flush of the disk.
    package func noteUses(_ uses: [String: WallTime]) async throws {
        guard !uses.isEmpty else { return }
        try await database.write { try Self.note(uses, in: $0) }
    }

    /// The same for what ends: it blocks, and is done though its task was cancelled.
    package func noteUsesAtEnd(_ uses: [String: WallTime]) throws {
        guard !uses.isEmpty else { return }
        try database.writeAtEnd { try Self.note(uses, in: $0) }
    }

    private static func note(_ uses: [String: WallTime], in database: Database) throws {
        for (id, time) in uses {
            try database.execute(
                sql: "UPDATE caller_key SET last_used = max(coalesce(last_used, ?1), ?1) WHERE id = ?2",
                arguments: [time.milliseconds, id])
        }
    }
}
