package import Catalog
import GRDB

/// What an owner pinned of one entry, as stored: definitions, never pins.
package struct StoredPin: Hashable, Sendable {
    package var server: Label
    package var kind: EntryKind
    /// By its bytes.
    package var name: [UInt8]
    package var approved: [UInt8]?
    package var ground: UInt8
    package var granted: [UInt8]?
    package var pending: [UInt8]?
    package var since: Int64
    package var likeness: String?

    package init(
        server: Label, kind: EntryKind, name: [UInt8], approved: [UInt8]?, ground: UInt8, granted: [UInt8]?,
        pending: [UInt8]?, since: Int64, likeness: String?
    ) {
        self.server = server
        self.kind = kind
        self.name = name
        self.approved = approved
        self.ground = ground
        self.granted = granted
        self.pending = pending
        self.since = since
        self.likeness = likeness
    }
}

/// The definitions that are approved at their owner, and those that wait.
package struct PinShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    package func all() async throws -> [StoredPin] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM pin ORDER BY server, kind, name").map { row in
                StoredPin(
                    server: try row.understood(Label(row.text("server")), "server"),
                    kind: try row.understood(EntryKind(rawValue: row.byte("kind")), "kind"),
                    name: try row.bytes("name"), approved: try row.optionalBytes("approved"),
                    ground: try row.byte("ground"), granted: try row.optionalBytes("granted"),
                    pending: try row.optionalBytes("pending"), since: try row.time("since").milliseconds,
                    likeness: try row.optionalText("likeness"))
            }
        }
    }

    /// All or none; on stable storage when it returns.
    package func save(_ pins: [StoredPin]) async throws {
        guard !pins.isEmpty else { return }
        try await database.write { database in
            for pin in pins {
                try database.execute(
                    sql: """
                        INSERT INTO pin (server, kind, name, approved, ground, granted, pending, since, likeness)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                        ON CONFLICT (server, kind, name) DO UPDATE SET
                            approved = excluded.approved, ground = excluded.ground,
                            granted = excluded.granted, pending = excluded.pending,
                            since = excluded.since, likeness = excluded.likeness
                        """,
                    arguments: [
                        pin.server.text, Int64(pin.kind.rawValue), blob(pin.name), pin.approved.map(blob),
                        Int64(pin.ground), pin.granted.map(blob), pin.pending.map(blob), pin.since,
                        try pin.likeness.map { try column($0, of: "a likeness") },
                    ])
            }
        }
    }

    /// Forgets what was pinned of a server.
    package func remove(_ server: Label) async throws {
        try await database.write {
            try $0.execute(sql: "DELETE FROM pin WHERE server = ?", arguments: [server.text])
        }
    }
}

/// What an administrator holds back on this node alone.
package struct LocalHoldShelf: Sendable {
    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// The signer is not stored: it is whoever this node is.
    package func all(signer: NodeID) async throws -> [Hold] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM local_hold ORDER BY owner, server, kind, name").map
            {
                row in
                let owner = try row.understood(NodeID(bytes: row.bytes("owner")), "owner")
                let server = try row.text("server")
                let kind = try row.byte("kind")
                let target: StatementTarget
                if server.isEmpty {
                    target = .node(owner)
                } else {
                    let key = ServerKey(owner: owner, name: try row.understood(Label(server), "server"))
                    if kind == 0 {
                        target = .server(key)
                    } else {
                        target = .entry(
                            EntryAddress(
                                server: key, kind: try row.understood(EntryKind(rawValue: kind), "kind"),
                                name: String(decoding: try row.bytes("name"), as: UTF8.self)))
                    }
                }
                return Hold(
                    target: target, signer: signer, reach: .here, reason: try row.text("reason"),
                    at: UInt64(clamping: try row.time("at").milliseconds / 1_000))
            }
        }
    }

    package func save(_ hold: Hold) async throws {
        let parts = Self.columns(of: hold.target)
        try await database.write { database in
            try database.execute(
                sql: """
                    INSERT INTO local_hold (owner, server, kind, name, reason, at) VALUES (?, ?, ?, ?, ?, ?)
                    ON CONFLICT (owner, server, kind, name) DO UPDATE SET
                        reason = excluded.reason, at = excluded.at
                    """,
                arguments: [
                    blob(parts.owner), parts.server, parts.kind, blob(parts.name),
                    try column(hold.reason, of: "a reason"), Int64(clamping: hold.at) * 1_000,
                ])
        }
    }

    package func remove(_ target: StatementTarget) async throws {
        let parts = Self.columns(of: target)
        try await database.write { database in
            try database.execute(
                sql: "DELETE FROM local_hold WHERE owner = ? AND server = ? AND kind = ? AND name = ?",
                arguments: [blob(parts.owner), parts.server, parts.kind, blob(parts.name)])
        }
    }

    /// A node has no server, a server no kind; so each target has one row.
    private static func columns(
        of target: StatementTarget
    ) -> (owner: [UInt8], server: String, kind: Int64, name: [UInt8]) {
        switch target {
        case .node(let node): (node.bytes, "", 0, [])
        case .server(let key): (key.owner.bytes, key.name.text, 0, [])
        case .entry(let address):
            (
                address.server.owner.bytes, address.server.name.text, Int64(address.kind.rawValue),
                Array(address.name.utf8)
            )
        }
    }
}
