import Foundation
import GRDB
import Testing

@testable import Storage

struct NodeDatabaseTests {
    private let scratch = Scratch()

    @Test func `commits are flushed, references held, and removed bytes overwritten`() async throws {
        let (_, database) = try scratch.start()
        let settings = try await database.write { database in
            try ["journal_mode", "synchronous", "foreign_keys", "secure_delete"].map {
                try String.fetchOne(database, sql: "PRAGMA \($0)")
            }
        }
        #expect(settings == ["wal", "2", "1", "1"])
    }

    @Test func `every file of the database is private`() async throws {
        let (folder, database) = try scratch.start()
        try await MetaShelf(database).set(.callerPepper, to: [1])
        for name in ["martlet.db", "martlet.db-wal", "martlet.db-shm"] {
            #expect(try scratch.mode(of: "\(folder.path)/\(name)") == 0o600, "\(name)")
        }
    }

    @Test func `a database of a later version is refused, and left as it is`() async throws {
        do {
            let (_, database) = try scratch.start()
            try await database.write {
                try $0.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('v99')")
            }
            try database.close()
        }
        let folder = try DataFolder(path: scratch.data)
        #expect(throws: StorageError.newerSchema(path: folder.path(of: .database))) {
            try NodeDatabase(in: folder)
        }
    }

    @Test func `a file that is no database is said to be damaged`() throws {
        let folder = try DataFolder(path: scratch.data)
        try folder.write(Array(String(repeating: "no database ", count: 1000).utf8), to: .database)
        let error = #expect(throws: StorageError.self) { try NodeDatabase(in: folder) }
        guard case .damaged = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    /// What another process sees at this moment is what a killed node leaves behind.
    @Test func `what was written is there after a crash`() async throws {
        let (_, database) = try scratch.start()
        try await MetaShelf(database).set(.callerPepper, to: [7])
        let copy = scratch.path + "/copy"
        try FileManager.default.createDirectory(
            atPath: copy, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for name in ["martlet.db", "martlet.db-wal"] {
            try FileManager.default.copyItem(atPath: "\(scratch.data)/\(name)", toPath: "\(copy)/\(name)")
        }
        let restored = try NodeDatabase(in: DataFolder(path: copy))
        #expect(try await MetaShelf(restored).get(.callerPepper) == [7])
    }

    @Test func `a failed transaction leaves nothing`() async throws {
        let (_, database) = try scratch.start()
        await #expect(throws: StorageError.self) {
            try await database.write { database in
                try database.setMeta(.callerPepper, to: [1])
                try database.execute(sql: "INSERT INTO server (name) VALUES ('x')")
            }
        }
        #expect(try await MetaShelf(database).get(.callerPepper) == nil)
    }
}
