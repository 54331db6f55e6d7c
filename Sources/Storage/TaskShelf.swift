package import Catalog
import GRDB

/// Whose task is whose: who was handed one by a server of this node, so that after a restart they may ask after it again.
package struct StoredTask: Hashable, Sendable {
    package struct Key: Hashable, Sendable {
        package var server: Label
        /// The server's own name for it.
        package var task: String
        /// The caller, as proved by a credential.
        package var issuer: String
        package var subject: String

        package init(server: Label, task: String, issuer: String, subject: String) {
            self.server = server
            self.task = task
            self.issuer = issuer
            self.subject = subject
        }

        /// Whether it can be kept: a NUL cannot, as text.
        package var isStorable: Bool {
            ![task, issuer, subject].contains { $0.utf8.contains(0) }
        }
    }

    package var key: Key
    /// Where the server was: a task of another server under the same name is another task.
    package var place: String
    package var made: WallTime
    package var expires: WallTime
    /// Whether its caller knows nothing of it: the node waits for it on the caller's behalf.
    package var isHidden: Bool

    package init(key: Key, place: String, made: WallTime, expires: WallTime, isHidden: Bool = false) {
        self.isHidden = isHidden
        self.key = key
        self.place = place
        self.made = made
        self.expires = expires
    }
}

/// What is kept of tasks: no word of what they do or end with.
package struct TaskShelf: Sendable {
    package enum Change: Hashable, Sendable {
        case save(StoredTask)
        case remove(StoredTask.Key)

        fileprivate var key: StoredTask.Key {
            switch self {
            case .save(let task): task.key
            case .remove(let key): key
            }
        }
    }

    private let database: NodeDatabase

    package init(_ database: NodeDatabase) { self.database = database }

    /// All whose time is not over; the others are removed.
    ///
    /// - Parameter countMax: of more than that, those that last longest.
    package func load(at now: WallTime, atMost countMax: Int) async throws -> [StoredTask] {
        try await database.write { database in
            try database.execute(
                sql: "DELETE FROM task_owner WHERE expires <= ?", arguments: [now.milliseconds])
            return try Row.fetchAll(
                database, sql: "SELECT * FROM task_owner ORDER BY expires DESC, task LIMIT ?",
                arguments: [countMax]
            ).map { row in
                StoredTask(
                    key: StoredTask.Key(
                        server: try row.understood(Label(row.text("server")), "server"),
                        task: try row.text("task"), issuer: try row.text("issuer"),
                        subject: try row.text("subject")),
                    place: try row.text("place"), made: try row.time("made"),
                    expires: try row.time("expires"), isHidden: try row.byte("hidden") != 0)
            }
        }
    }

    /// All or none of those that can be kept as text. One that never can is left out alone: a caller chooses parts of it, and
    /// tried again with every batch it would keep the tasks of all others off the disk.
    package func apply(_ changes: [Change]) async throws {
        guard !changes.isEmpty else { return }
        try await database.write { try Self.apply(changes, in: $0) }
    }

    /// The same, blocking: for the end of a node, when nothing is awaited any more.
    package func applyAtEnd(_ changes: [Change]) throws {
        guard !changes.isEmpty else { return }
        try database.writeAtEnd { try Self.apply(changes, in: $0) }
    }

    private static func apply(_ changes: [Change], in database: Database) throws {
        for change in changes where change.key.isStorable {
            switch change {
            case .save(let task):
                let key = task.key
                try database.execute(
                    sql: """
                        INSERT INTO task_owner (server, task, issuer, subject, place, made, expires, hidden)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                        ON CONFLICT (server, task, issuer, subject) DO UPDATE
                        SET place = excluded.place, made = excluded.made, expires = excluded.expires,
                            hidden = excluded.hidden
                        """,
                    arguments: [
                        key.server.text, try column(key.task, of: "a task's id"),
                        try column(key.issuer, of: "a caller's name"),
                        try column(key.subject, of: "a caller's name"), task.place, task.made.milliseconds,
                        task.expires.milliseconds, task.isHidden ? 1 : 0,
                    ])
            case .remove(let key):
                try database.execute(
                    sql: """
                        DELETE FROM task_owner WHERE server = ? AND task = ? AND issuer = ? AND subject = ?
                        """,
                    arguments: [key.server.text, key.task, key.issuer, key.subject])
            }
        }
    }
}
