import GRDB

/// The node's database, `DATA/martlet.db`: SQLite in WAL mode, every commit on stable storage.
///
/// What is stored through the shelves; each is a few statements over one table. All of their methods are
/// `async` and run on the database's own queues, so that no event loop and no task waits on the disk.
package final class NodeDatabase: Sendable {
    /// The control plane reads rarely, and rarely two things at once.
    private static let readersMax = 2
    /// We hold the folder's lock, so only a person's own `sqlite3` can be in the way.
    private static let busySeconds = 5.0

    private let pool: DatabasePool
    /// Held so that its lock outlives the last access.
    private let folder: DataFolder

    /// Opens the database, making or migrating it as needed. Blocks: for starting up.
    package init(in folder: DataFolder) throws {
        try folder.ensure(.database)
        self.folder = folder
        let path = folder.path(of: .database)
        pool = try Self.translating {
            var configuration = Configuration()
            configuration.label = "martlet"
            configuration.maximumReaderCount = Self.readersMax
            configuration.busyMode = .timeout(Self.busySeconds)
            configuration.prepareDatabase { database in
                // A removed secret or join token is overwritten, not only unlinked.
                try database.execute(sql: "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF")
            }
            let pool = try DatabasePool(path: path, configuration: configuration)
            // After opening, because opening in WAL mode sets NORMAL, which may lose the last commits.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            let migrator = Schema.migrator
            guard try !pool.read(migrator.hasBeenSuperseded) else {
                throw StorageError.newerSchema(path: path)
            }
            try migrator.migrate(pool)
            return pool
        }
    }

    /// Ends all access; blocks until what runs has ended.
    package func close() throws { try Self.translating { try pool.close() } }

    func read<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
        do { return try await pool.read(body) } catch let error as DatabaseError { throw StorageError(error) }
    }

    /// One transaction: all of it is on stable storage when this returns, or nothing of it.
    func write<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
        do { return try await pool.write(body) } catch let error as DatabaseError {
            throw StorageError(error)
        }
    }

    /// The same for what ends: it blocks, and is done though its task was cancelled.
    func writeAtEnd(_ body: (Database) throws -> Void) throws {
        try Self.translating { try pool.write(body) }
    }

    /// Empties the log of changes into the database: until then it holds whatever rows were, removed ones too. A few writes
    /// and syncs.
    ///
    /// - Returns: whether it is empty; somebody who reads may be in the way.
    func emptyLog() async throws -> Bool {
        do {
            try await pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
            return true
        } catch let error as DatabaseError {
            if [.SQLITE_BUSY, .SQLITE_LOCKED].contains(error.resultCode) { return false }
            throw StorageError(error)
        }
    }

    private static func translating<Value>(_ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as DatabaseError { throw StorageError(error) }
    }
}

extension StorageError {
    /// Keeps SQLite's message, which names columns and constraints but never values.
    init(_ error: DatabaseError) {
        let detail = error.message ?? "no detail"
        self =
            switch error.resultCode {
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: .damaged(detail: detail)
            case .SQLITE_FULL: .diskFull
            case .SQLITE_BUSY, .SQLITE_LOCKED: .busy
            case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_IOERR, .SQLITE_PERM:
                .inaccessible(detail: detail)
            default: .failed(code: error.extendedResultCode.rawValue, detail: detail)
            }
    }
}
