import GRDB

/// The tables, by migration. What a released version wrote is migrated for good: a step is never edited.
///
/// Unsigned 64-bit numbers are stored by their bits, times as ``WallTime`` milliseconds, ids and hashes raw.
enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("v1") { try $0.execute(sql: version1) }
        migrator.registerMigration("statements") { try $0.execute(sql: statements) }
        migrator.registerMigration("private-manifests") { try $0.execute(sql: privateManifests) }
        migrator.registerMigration("scoped-servers") { try $0.execute(sql: scopedServers) }
        migrator.registerMigration("task-owners") { try $0.execute(sql: taskOwners) }
        migrator.registerMigration("document-ages") { try $0.execute(sql: documentAges) }
        migrator.registerMigration("entry-versions") { try $0.execute(sql: entryVersions) }
        migrator.registerMigration("virtual-versions") { try $0.execute(sql: virtualVersions) }
        migrator.registerMigration("hidden-tasks") { try $0.execute(sql: hiddenTasks) }
        migrator.registerMigration("pins") { try $0.execute(sql: pins) }
        migrator.registerMigration("vault-witnesses") { try $0.execute(sql: vaultWitnesses) }
        return migrator
    }

    private static let vaultWitnesses = """
        CREATE TABLE vault_witness (
            origin BLOB PRIMARY KEY NOT NULL CHECK (length(origin) = 16),
            document BLOB NOT NULL
        ) STRICT;
        """

    private static let pins = """
        CREATE TABLE pin (
            server TEXT NOT NULL,
            kind INTEGER NOT NULL,
            name BLOB NOT NULL,
            approved BLOB,
            ground INTEGER NOT NULL,
            granted BLOB,
            pending BLOB,
            since INTEGER NOT NULL,
            likeness TEXT,
            PRIMARY KEY (server, kind, name)
        ) STRICT;
        CREATE TABLE local_hold (
            owner BLOB NOT NULL CHECK (length(owner) = 16),
            server TEXT NOT NULL,
            kind INTEGER NOT NULL,
            name BLOB NOT NULL,
            reason TEXT NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (owner, server, kind, name)
        ) STRICT;
        """

    private static let taskOwners = """
        CREATE TABLE task_owner (
            server TEXT NOT NULL,
            task TEXT NOT NULL,
            issuer TEXT NOT NULL,
            subject TEXT NOT NULL,
            place TEXT NOT NULL,
            made INTEGER NOT NULL,
            expires INTEGER NOT NULL,
            PRIMARY KEY (server, task, issuer, subject)
        ) STRICT, WITHOUT ROWID;
        """

    /// 1: the caller knows nothing of the task.
    private static let hiddenTasks = """
        ALTER TABLE task_owner ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1))
        """

    /// When each was saved, by the system's clock; 0: before that was kept.
    private static let documentAges = "ALTER TABLE document ADD COLUMN heard_at INTEGER NOT NULL DEFAULT 0"

    private static let entryVersions = """
        CREATE TABLE entry_version (
            id INTEGER PRIMARY KEY NOT NULL,
            owner BLOB NOT NULL CHECK (length(owner) = 16),
            server TEXT NOT NULL,
            kind INTEGER NOT NULL,
            name BLOB NOT NULL,
            hash BLOB NOT NULL CHECK (length(hash) = 32),
            learnt INTEGER NOT NULL,
            gone INTEGER,
            is_new INTEGER NOT NULL CHECK (is_new IN (0, 1)),
            changed TEXT NOT NULL
        ) STRICT;
        CREATE INDEX entry_version_address ON entry_version (owner, server, kind, name, learnt);
        CREATE INDEX entry_version_learnt ON entry_version (learnt);
        CREATE INDEX entry_version_gone ON entry_version (gone);
        """

    private static let virtualVersions = """
        CREATE TABLE virtual_version (
            name TEXT NOT NULL,
            counter INTEGER NOT NULL,
            hash BLOB NOT NULL CHECK (length(hash) = 32),
            author BLOB NOT NULL CHECK (length(author) = 16),
            author_label TEXT NOT NULL,
            replaces BLOB CHECK (length(replaces) = 32),
            is_configured INTEGER NOT NULL CHECK (is_configured IN (0, 1)),
            definition TEXT,
            learnt INTEGER NOT NULL,
            UNIQUE (name, counter, hash, author)
        ) STRICT;
        CREATE TABLE virtual_configured (
            name TEXT PRIMARY KEY NOT NULL,
            hash BLOB NOT NULL CHECK (length(hash) = 32)
        ) STRICT;
        """

    private static let scopedServers = """
        CREATE TABLE scoped_server (
            owner BLOB NOT NULL CHECK (length(owner) = 16),
            name TEXT NOT NULL,
            document BLOB NOT NULL,
            manifest BLOB NOT NULL,
            PRIMARY KEY (owner, name)
        ) STRICT;
        """

    private static let privateManifests = """
        CREATE TABLE private_manifest (
            name TEXT PRIMARY KEY NOT NULL,
            bytes BLOB NOT NULL
        ) STRICT;
        """

    private static let statements = """
        CREATE TABLE statement (
            key BLOB PRIMARY KEY NOT NULL,
            bytes BLOB NOT NULL
        ) STRICT;
        """

    private static let version1 = """
        CREATE TABLE meta (
            key TEXT PRIMARY KEY NOT NULL,
            value BLOB NOT NULL
        ) STRICT;

        CREATE TABLE document (
            kind INTEGER NOT NULL,
            origin BLOB NOT NULL CHECK (length(origin) = 16),
            name TEXT NOT NULL,
            incarnation INTEGER NOT NULL,
            life INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            bytes BLOB NOT NULL,
            PRIMARY KEY (kind, origin, name)
        ) STRICT;

        CREATE TABLE manifest (
            hash BLOB PRIMARY KEY NOT NULL CHECK (length(hash) = 32),
            bytes BLOB NOT NULL,
            last_used INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE server (
            name TEXT PRIMARY KEY NOT NULL,
            definition TEXT NOT NULL,
            created INTEGER NOT NULL,
            updated INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE virtual_server (
            name TEXT PRIMARY KEY NOT NULL,
            definition TEXT NOT NULL,
            counter INTEGER NOT NULL,
            updated INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE secret (
            name TEXT NOT NULL,
            version INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            server TEXT NOT NULL,
            origin TEXT NOT NULL,
            resource TEXT NOT NULL,
            issuer TEXT NOT NULL,
            record BLOB NOT NULL,
            created INTEGER NOT NULL,
            updated INTEGER NOT NULL,
            PRIMARY KEY (name, version)
        ) STRICT;

        CREATE TABLE caller_key (
            id TEXT PRIMARY KEY NOT NULL,
            label TEXT NOT NULL,
            digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
            scopes TEXT NOT NULL,
            created INTEGER NOT NULL,
            expires INTEGER,
            last_used INTEGER
        ) STRICT;

        CREATE TABLE join_token (
            id BLOB PRIMARY KEY NOT NULL,
            material BLOB NOT NULL,
            roles INTEGER NOT NULL,
            segment TEXT NOT NULL,
            label TEXT,
            uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
            revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
            issued INTEGER NOT NULL,
            expires INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE join_answer (
            token BLOB NOT NULL REFERENCES join_token (id) ON DELETE CASCADE,
            request BLOB NOT NULL CHECK (length(request) = 32),
            answer BLOB NOT NULL,
            PRIMARY KEY (token, request)
        ) STRICT;
        """
}
