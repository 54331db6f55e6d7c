package import Catalog
import FoundationEssentials
import GRDB

/// What this node has seen each entry be, and when: for `catalog diff` and the history in `catalog show`. Definitions are not
/// kept, only their hashes.
package struct EntryVersionShelf: Sendable {
    /// Of one entry; older ones are forgotten first.
    package static let perEntryMax = 20
    /// How long what is over is remembered.
    package static let lifeMax = Duration.seconds(30 * 86_400)
    /// Of one server, so that none takes the others' place: two definitions of each entry it may have. Past it what has been over
    /// for longest is forgotten; what stands is bounded by the list of its server.
    package static let perServerMax = 2 * Manifest.entriesMax
    /// Of all entries together: at some 250 bytes each (a name stands in its row and in the index), 50 MB; 400 MB when all names
    /// are as long as they may be (``EntryAddress/notedBytesMax``, and ``EntryStep/memberBytesMax`` for each member). Past it what
    /// has been over for longest is forgotten.
    package static let versionsMax = 200_000

    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// The definitions that stand, by server.
    package func standing() async throws -> [ServerKey: [EntryAddress: ContentHash]] {
        try await database.read { database in
            let rows = try Row.fetchAll(database, sql: "SELECT * FROM entry_version WHERE gone IS NULL")
            var standing: [ServerKey: [EntryAddress: ContentHash]] = [:]
            for version in rows.compactMap(Self.version) {
                standing[version.address.server, default: [:]][version.address] = version.hash
            }
            return standing
        }
    }

    /// Writes down what happened, all or nothing, under the names by which entries are noted (``EntryAddress/noted``).
    package func note(_ steps: [EntryStep], at now: WallTime) async throws {
        try await database.write { database in
            for step in steps {
                switch step {
                case .added(let address, let hash):
                    try database.insert(address, hash, isNew: true, [], now)
                case .changed(let address, let hash, let members):
                    try database.end(address, at: now)
                    try database.insert(address, hash, isNew: false, members, now)
                    try database.forgetOldest(of: address)
                case .removed(let address): try database.end(address, at: now)
                }
            }
            for server in Set(steps.map(\.address.server)) {
                try database.forgetOldest(of: server, beyond: Self.perServerMax)
            }
        }
    }

    /// Every version of those entries that anything happened to since a time.
    package func touched(since time: WallTime) async throws -> [EntryVersion] {
        try await database.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM entry_version WHERE (owner, server, kind, name) IN (
                        SELECT owner, server, kind, name FROM entry_version WHERE learnt >= ? OR gone >= ?)
                    """, arguments: [time.milliseconds, time.milliseconds]
            ).compactMap(Self.version)
        }
    }

    /// Newest first.
    package func versions(of address: EntryAddress) async throws -> [EntryVersion] {
        try await database.read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM entry_version WHERE \(Self.isAddress) ORDER BY learnt DESC, id DESC",
                arguments: Self.arguments(address)
            ).compactMap(Self.version)
        }
    }

    /// Forgets what has been over for longer than ``lifeMax``, and what is more than ``versionsMax``.
    package func forgetOld(at now: WallTime) async throws {
        let limit = now.advanced(by: .zero - Self.lifeMax)
        try await database.write { database in
            try database.execute(
                sql: "DELETE FROM entry_version WHERE gone < ?", arguments: [limit.milliseconds])
            let count = try Int.fetchOne(database, sql: "SELECT count(*) FROM entry_version") ?? 0
            guard count > Self.versionsMax else { return }
            try database.execute(
                sql: """
                    DELETE FROM entry_version WHERE id IN (
                        SELECT id FROM entry_version WHERE gone IS NOT NULL ORDER BY gone LIMIT ?)
                    """, arguments: [count - Self.versionsMax])
        }
    }

    // MARK: - Rows

    fileprivate static let isAddress = "owner = ? AND server = ? AND kind = ? AND name = ?"

    /// Names are stored as bytes: a text of SQLite's would end at its first NUL.
    fileprivate static func arguments(_ address: EntryAddress) -> StatementArguments {
        [
            blob(address.server.owner.bytes), address.server.name.text, Int64(address.kind.rawValue),
            blob(Array(address.noted.name.utf8)),
        ]
    }

    /// - Returns: `nil` for a row that cannot be understood: it is worth less than all others.
    private static func version(_ row: Row) -> EntryVersion? { try? understood(row) }

    private static func understood(_ row: Row) throws -> EntryVersion {
        let owner = try row.understood(NodeID(bytes: row.bytes("owner")), "owner")
        let server = try row.understood(Label(row.text("server")), "server")
        let kind = try row.understood(EntryKind(rawValue: row.byte("kind")), "kind")
        let changed = try row.text("changed").split(separator: "\n").map(String.init)
        return EntryVersion(
            EntryAddress(
                server: ServerKey(owner: owner, name: server), kind: kind,
                name: String(decoding: try row.bytes("name"), as: UTF8.self)),
            hash: try row.understood(ContentHash(bytes: row.bytes("hash")), "hash"),
            learnt: try row.time("learnt").milliseconds, gone: try row.optionalTime("gone")?.milliseconds,
            isNew: try row.byte("is_new") == 1, changed: changed)
    }
}

extension Database {
    fileprivate func insert(
        _ address: EntryAddress, _ hash: ContentHash, isNew: Bool, _ changed: [String], _ now: WallTime
    ) throws {
        // One member a line; a name that is none is not worth more.
        let members = changed.filter { !$0.utf8.contains(0) && !$0.contains("\n") }
            .prefix(EntryStep.membersMax).map { $0.shortened(toBytes: EntryStep.memberBytesMax) }
            .joined(separator: "\n")
        try execute(
            sql: """
                INSERT INTO entry_version (owner, server, kind, name, hash, learnt, is_new, changed)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: EntryVersionShelf.arguments(address)
                + [blob(hash.bytes), now.milliseconds, isNew ? 1 : 0, members])
    }

    fileprivate func end(_ address: EntryAddress, at now: WallTime) throws {
        try execute(
            sql: "UPDATE entry_version SET gone = ? WHERE gone IS NULL AND \(EntryVersionShelf.isAddress)",
            arguments: [now.milliseconds] + EntryVersionShelf.arguments(address))
    }

    fileprivate func forgetOldest(of address: EntryAddress) throws {
        try execute(
            sql: """
                DELETE FROM entry_version WHERE id IN (
                    SELECT id FROM entry_version WHERE \(EntryVersionShelf.isAddress)
                    ORDER BY learnt DESC, id DESC LIMIT -1 OFFSET ?)
                """,
            arguments: EntryVersionShelf.arguments(address) + [EntryVersionShelf.perEntryMax])
    }

    fileprivate func forgetOldest(of server: ServerKey, beyond max: Int) throws {
        let key: StatementArguments = [blob(server.owner.bytes), server.name.text]
        let count = try Int.fetchOne(
            self, sql: "SELECT count(*) FROM entry_version WHERE owner = ? AND server = ?", arguments: key)
        guard let count, count > max else { return }
        try execute(
            sql: """
                DELETE FROM entry_version WHERE id IN (
                    SELECT id FROM entry_version WHERE owner = ? AND server = ? AND gone IS NOT NULL
                    ORDER BY gone LIMIT ?)
                """, arguments: key + [count - max])
    }
}
