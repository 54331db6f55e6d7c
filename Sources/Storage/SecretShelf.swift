import FoundationEssentials
import GRDB
package import Vault

/// A sealed record with what must be known to open it, and dates for people.
package struct StoredSecret: Hashable, Sendable {
    package let context: RecordContext
    /// A ``SealedRecord``, encoded.
    package let record: [UInt8]
    /// When a secret of this name was first set.
    package let created: WallTime
    package let updated: WallTime

    package init(context: RecordContext, record: [UInt8], created: WallTime, updated: WallTime) {
        self.context = context
        self.record = record
        self.created = created
        self.updated = updated
    }
}

/// The vault's rows and header. Knows no key; ``SecretStore`` does.
package struct SecretShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    package func load() async throws -> (header: [UInt8]?, secrets: [StoredSecret]) {
        try await database.read { database in
            let secrets = try Row.fetchAll(database, sql: "SELECT * FROM secret ORDER BY name, version")
                .map(StoredSecret.init(row:))
            return (try database.meta(.vaultHeader), secrets)
        }
    }
}

extension Database {
    func saveSecret(_ secret: StoredSecret) throws {
        let context = secret.context
        try execute(
            sql: """
                INSERT INTO secret
                    (name, version, kind, server, origin, resource, issuer, record, created, updated)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                context.name.text, column(context.version), context.kind.rawValue,
                try column(context.audience.server, of: "a server's name"),
                try column(context.audience.origin, of: "a backend's address"),
                try column(context.audience.resource, of: "a backend's address"),
                try column(context.audience.issuer, of: "an issuer's address"), blob(secret.record),
                secret.created.milliseconds, secret.updated.milliseconds,
            ])
    }

    func removeSecret(_ context: RecordContext) throws {
        try execute(
            sql: "DELETE FROM secret WHERE name = ? AND version = ?",
            arguments: [context.name.text, column(context.version)])
    }
}

extension StoredSecret {
    fileprivate init(row: Row) throws {
        self.init(
            context: RecordContext(
                name: try row.understood(SecretName(stored: row.text("name")), "name"),
                version: try row.word("version"),
                kind: try row.understood(SecretKind(rawValue: row.byte("kind")), "kind"),
                audience: SecretAudience(
                    server: try row.text("server"), origin: try row.text("origin"),
                    resource: try row.text("resource"), issuer: try row.text("issuer"))),
            record: try row.bytes("record"), created: try row.time("created"),
            updated: try row.time("updated"))
    }
}
