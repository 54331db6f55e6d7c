import Catalog
import Foundation
import GRDB
import Testing
import Vault

@testable import Storage

struct SecretStoreTests {
    private static let token = SecretName("github-token")!
    private static let own = SecretName(own: "mesh-root")!
    private static let audience = SecretAudience(
        server: "github", origin: "https://api.example.com", resource: "/mcp", issuer: "")
    private static let cheap = ScryptCost(roundsLog2: 4, blocks: 1, lanes: 1)

    private let scratch = Scratch()

    /// One life of a node, from start to stop.
    @discardableResult
    private func live<Value>(
        passphrase: String? = nil, node: NodeID = .me,
        _ body: (SecretStore, NodeDatabase) async throws -> Value
    ) async throws -> Value {
        let (folder, database) = try scratch.start()
        let store = try await open(folder, database, passphrase: passphrase, node: node)
        let value = try await body(store, database)
        try database.close()
        return value
    }

    private func open(
        _ folder: DataFolder, _ database: NodeDatabase, passphrase: String?, node: NodeID
    ) async throws -> SecretStore {
        guard let passphrase else {
            return try await SecretStore.open(in: folder, database: database, node: node)
        }
        return try await SecretStore.open(
            in: folder, database: database, node: node, passphrase: Secret(copying: passphrase.utf8),
            cost: Self.cheap)
    }

    private func set(
        _ text: String, as name: SecretName = token, for audience: SecretAudience = audience,
        in store: SecretStore
    ) async throws {
        try await store.set(name, to: Secret(copying: text.utf8), for: audience, at: .noon)
    }

    @Test func `the first start makes a key file, and a restart opens what was set`() async throws {
        try await live { store, _ async throws in
            #expect(store.sealed == nil)
            try await set("s3cret", in: store)
            #expect(try store.text(Self.token, for: Self.audience) == "s3cret")
        }
        #expect(try scratch.mode(of: scratch.data + "/vault.key") == 0o600)
        try await live { store, _ async throws in
            #expect(try store.text(Self.token, for: Self.audience) == "s3cret")
            #expect(store.counter == 1)
        }
    }

    @Test func `the list tells everything but the secret`() async throws {
        try await live { store, _ async throws in
            try await set("one", in: store)
            try await store.set(
                Self.token, to: Secret(copying: "two".utf8), kind: .oauth, for: Self.audience,
                at: WallTime.noon.advanced(by: .seconds(1)))
            try await store.set(Self.own, to: Secret(copying: "root".utf8), at: .noon)
            let summary = try #require(store.list().first)
            #expect(store.list().count == 1, "the node's own records are not people's business")
            #expect(summary.name == Self.token && summary.kind == .oauth && summary.audience == Self.audience)
            #expect(summary.version == 2 && summary.created == .noon && summary.updated > .noon)
            #expect(try store.text(Self.token, for: Self.audience) == "two")
            #expect(try store.text(Self.own, for: .node) == "root")
            #expect(store.contains(Self.own))
        }
    }

    @Test func `a secret opens for its audience alone, until a person binds it to another`() async throws {
        let moved = try SecretAudience(server: "github", url: "https://api.example.org/mcp")
        try await live { store, _ async throws in
            try await set("s3cret", in: store)
            #expect(throws: SecretStoreError.wrongAudience(Self.token, bound: Self.audience, asked: moved)) {
                try store.text(Self.token, for: moved)
            }
            try await store.bind(Self.token, to: moved, at: .noon)
        }
        try await live { store, _ async throws in
            #expect(try store.text(Self.token, for: moved) == "s3cret")
            #expect(throws: SecretStoreError.wrongAudience(Self.token, bound: moved, asked: Self.audience)) {
                try store.text(Self.token, for: Self.audience)
            }
        }
    }

    @Test func `an unbound secret opens for nobody`() async throws {
        try await live { store, _ async throws in
            try await set("s3cret", for: .unbound, in: store)
            for audience in [SecretAudience.unbound, Self.audience, .node] {
                #expect(throws: SecretStoreError.unbound(Self.token)) {
                    try store.text(Self.token, for: audience)
                }
            }
            try await store.bind(Self.token, to: Self.audience, at: .noon)
            #expect(try store.text(Self.token, for: Self.audience) == "s3cret")
        }
    }

    @Test func `the node's own records are for the node, whatever is asked`() async throws {
        try await live { store, _ async throws in
            try await set("root", as: Self.own, in: store)
            #expect(
                throws: SecretStoreError.wrongAudience(Self.own, bound: .node, asked: Self.audience)
            ) { try store.text(Self.own, for: Self.audience) }
            await #expect(throws: SecretStoreError.unknown(Self.own)) {
                try await store.bind(Self.own, to: Self.audience, at: .noon)
            }
            #expect(try store.text(Self.own, for: .node) == "root")
        }
    }

    @Test func `a removed secret is gone, and one set again has a new version`() async throws {
        try await live { store, _ async throws in
            try await set("one", in: store)
            try await store.remove(Self.token)
            #expect(throws: SecretStoreError.unknown(Self.token)) {
                try store.text(Self.token, for: Self.audience)
            }
            await #expect(throws: SecretStoreError.unknown(Self.token)) { try await store.remove(Self.token) }
            try await set("two", in: store)
            #expect(store.list().map(\.version) == [3])
        }
    }

    @Test func `without its passphrase the vault is sealed: it lists, and gives nothing`() async throws {
        try await live(passphrase: "correct horse") { store, _ async throws in
            try await set("s3cret", in: store)
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.data + "/vault.key"))
        try await live { store, _ async throws in
            let sealed = SecretStoreError.sealed(.passphraseMissing)
            #expect(store.sealed == .passphraseMissing)
            #expect(store.list().map(\.name) == [Self.token])
            #expect(throws: sealed) { try store.text(Self.token, for: Self.audience) }
            await #expect(throws: sealed) { try await set("other", in: store) }
            await #expect(throws: sealed) { try await store.remove(Self.token) }

            await #expect(throws: VaultError.wrongKey(.passphrase)) {
                try await store.unseal(passphrase: Secret(copying: "guess".utf8))
            }
            #expect(store.sealed == .passphraseMissing)
            try await store.unseal(passphrase: Secret(copying: "correct horse".utf8))
            #expect(store.sealed == nil)
            #expect(try store.text(Self.token, for: Self.audience) == "s3cret")
            try await set("changed", in: store)
        }
        try await live(passphrase: "correct horse") { store, _ async throws in
            #expect(try store.text(Self.token, for: Self.audience) == "changed")
        }
    }

    @Test func `unsealing twice at once loses no change`() async throws {
        try await live(passphrase: "correct horse") { _, _ in }
        try await live { store, _ async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in ["a", "b", "c", "d"].compactMap({ SecretName($0) }) {
                    group.addTask {
                        try await store.unseal(passphrase: Secret(copying: "correct horse".utf8))
                        try await store.set(name, to: Secret(copying: [1]), for: Self.audience, at: .noon)
                    }
                }
                try await group.waitForAll()
            }
            #expect(store.counter == 4)
        }
        try await live(passphrase: "correct horse") { store, _ async throws in
            #expect(store.list().count == 4)
        }
    }

    @Test func `a wrong passphrase or another node's vault stops the start`() async throws {
        try await live(passphrase: "correct horse") { _, _ async throws in }
        await #expect(throws: VaultError.wrongKey(.passphrase)) {
            try await live(passphrase: "guess") { _, _ async throws in }
        }
        await #expect(throws: VaultError.otherNode) {
            try await live(passphrase: "correct horse", node: .other) { _, _ async throws in }
        }
    }

    @Test func `a passphrase for a vault with a key file is an error that says so`() async throws {
        try await live { _, _ async throws in }
        await #expect(throws: VaultError.noSlot(.passphrase)) {
            try await live(passphrase: "x") { _, _ async throws in }
        }
    }

    @Test func `a missing key file seals, and is never replaced by another`() async throws {
        try await live { store, _ async throws in try await set("s3cret", in: store) }
        let path = scratch.data + "/vault.key"
        try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
        try await live { store, _ async throws in #expect(store.sealed == .keyFileMissing(path: path)) }
        #expect(!FileManager.default.fileExists(atPath: path))
        try FileManager.default.moveItem(atPath: path + ".away", toPath: path)
        try await live { store, _ async throws in #expect(store.sealed == nil) }
    }

    @Test func `a key file that a first start left behind is used`() async throws {
        do {
            let folder = try DataFolder(path: scratch.data)
            try folder.create(.vaultKey, with: [UInt8](repeating: 7, count: 32))
        }
        try await live { store, _ async throws in try await set("s3cret", in: store) }
        let folder = try DataFolder(path: scratch.data)
        #expect(try folder.read(.vaultKey) == [UInt8](repeating: 7, count: 32))
    }

    @Test(arguments: [
        "DELETE FROM secret WHERE name = 'a'",
        "UPDATE secret SET resource = '/other' WHERE name = 'a'",
        "UPDATE secret SET origin = 'https://evil.example' WHERE name = 'a'",
        "UPDATE secret SET version = 9 WHERE name = 'a'",
        "UPDATE secret SET kind = 2 WHERE name = 'a'",
        "UPDATE secret SET record = (SELECT record FROM secret WHERE name = 'b') WHERE name = 'a'",
        "UPDATE secret SET name = CASE name WHEN 'a' THEN 'b' ELSE 'a' END",
        """
        INSERT INTO secret
        SELECT 'c', version, kind, server, origin, resource, issuer, record, created, updated
        FROM secret WHERE name = 'a'
        """,
        """
        INSERT INTO secret
        SELECT name, 99, kind, server, origin, resource, issuer, record, created, updated
        FROM secret WHERE name = 'a'
        """,
    ])
    func `rows that another hand changed stop the start`(sql: String) async throws {
        try await live { store, database async throws in
            try await set("one", as: #require(SecretName("a")), in: store)
            try await set("two", as: #require(SecretName("b")), in: store)
            try await database.write { try $0.execute(sql: sql) }
        }
        await #expect(throws: VaultError.tampered(.index)) { try await live { _, _ async throws in } }
    }

    @Test func `an older header or an older row alone is noticed`() async throws {
        let header = try await live { store, database async throws in
            try await set("one", in: store)
            return try #require(try await MetaShelf(database).get(.vaultHeader))
        }
        let newer = try await live { store, database async throws in
            try await set("two", in: store)
            let newer = try #require(try await MetaShelf(database).get(.vaultHeader))
            try await MetaShelf(database).set(.vaultHeader, to: header)
            return newer
        }
        await #expect(throws: VaultError.tampered(.index)) { try await live { _, _ async throws in } }

        let (folder, database) = try scratch.start()
        try await MetaShelf(database).set(.vaultHeader, to: newer)
        #expect(try await SecretStore.open(in: folder, database: database, node: .me).counter == 2)
    }

    @Test func `secrets without their header are not thrown away`() async throws {
        try await live { store, database async throws in
            try await set("one", in: store)
            try await MetaShelf(database).remove(.vaultHeader)
        }
        await #expect(throws: SecretStoreError.headerMissing) { try await live { _, _ async throws in } }
    }

    @Test func `new keys wrap every record, and everything still opens`() async throws {
        try await live { store, database async throws in
            try await set("one", in: store)
            try await set("root", as: Self.own, in: store)
            try await store.beginGeneration()
            #expect(store.keyStanding.waiting == 2)
            #expect(try store.text(Self.token, for: Self.audience) == "one", "it opens before it is wrapped")
            #expect(try await store.rewrapSome() == 0)
            #expect(try await store.rewrapSome() == 0)
            let counter = store.counter
            #expect(try await store.rewrapSome() == 0)
            #expect(store.counter == counter, "nothing left to do changes nothing")
            let rows = try await SecretShelf(database).load().secrets
            #expect(try rows.map { try SealedRecord($0.record).generation } == [2, 2])
        }
        try await live { store, _ async throws in
            #expect(try store.text(Self.token, for: Self.audience) == "one")
            #expect(try store.text(Self.own, for: .node) == "root")
        }
    }

    @Test func `a change that cannot be stored changes nothing`() async throws {
        try await live { store, _ async throws in
            try await set("one", in: store)
            let odd = SecretAudience(server: "a\0b", origin: "https://x", resource: "/", issuer: "")
            await #expect(throws: StorageError.self) { try await set("two", for: odd, in: store) }
            #expect(store.counter == 1)
            #expect(try store.text(Self.token, for: Self.audience) == "one")
            try await set("three", in: store)
        }
        try await live { store, _ async throws in
            #expect(try store.text(Self.token, for: Self.audience) == "three")
        }
    }

    @Test func `changes at once all arrive`() async throws {
        let names = (0..<40).compactMap { SecretName("s\($0)") }
        try await live { store, _ async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in names {
                    group.addTask {
                        try await store.set(
                            name, to: Secret(copying: name.text.utf8), for: Self.audience, at: .noon)
                    }
                }
                try await group.waitForAll()
            }
        }
        try await live { store, _ async throws in
            #expect(store.counter == 40)
            for name in names { #expect(try store.text(name, for: Self.audience) == name.text) }
            #expect(Set(store.list().map(\.version)).count == 40)
        }
    }

    @Test func `the secret is in no file of the folder`() async throws {
        let canary = "canary-0123456789-canary"
        try await live { store, _ async throws in try await set(canary, in: store) }
        var searched = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: scratch.data) {
            let content = try Data(contentsOf: URL(fileURLWithPath: "\(scratch.data)/\(name)"))
            #expect(content.range(of: Data(canary.utf8)) == nil, "\(name)")
            searched += content.count
        }
        #expect(searched > 4096, "the database was among them")
    }
}
