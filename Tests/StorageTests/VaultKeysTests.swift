import Catalog
import Foundation
import Synchronization
import Testing
import Vault

@testable import Storage

/// Changes of keys, slots and versions, and backups of a node's vault.
struct VaultKeysTests {
    private static let audience = SecretAudience(
        server: "github", origin: "https://api.example.com", resource: "/mcp", issuer: "")
    private static let cheap = ScryptCost(roundsLog2: 4, blocks: 1, lanes: 1)

    private let scratch = Scratch()

    private func name(_ text: String) throws -> SecretName { try #require(SecretName(text)) }

    private func phrase(_ text: String) -> Secret { Secret(copying: text.utf8) }

    @discardableResult
    private func live<Value>(
        in scratch: Scratch? = nil, passphrase: String? = nil, serviceFile: String? = nil, node: NodeID = .me,
        _ body: (SecretStore) async throws -> Value
    ) async throws -> Value {
        let (folder, database) = try (scratch ?? self.scratch).start()
        let store: SecretStore
        if let passphrase {
            store = try await SecretStore.open(
                in: folder, database: database, node: node, passphrase: phrase(passphrase),
                serviceFile: serviceFile, cost: Self.cheap)
        } else {
            store = try await SecretStore.open(
                in: folder, database: database, node: node, serviceFile: serviceFile, cost: Self.cheap)
        }
        let value = try await body(store)
        try database.close()
        return value
    }

    private func fill(_ store: SecretStore, _ count: Int) async throws {
        for index in 0..<count {
            try await store.set(
                try name("s\(index)"), to: phrase("value \(index)"), for: Self.audience, at: .noon)
        }
    }

    private func check(_ store: SecretStore, _ count: Int) throws {
        for index in 0..<count {
            #expect(try store.text(try name("s\(index)"), for: Self.audience) == "value \(index)")
        }
    }

    // MARK: Versions

    @Test func `two versions are live until the former is ended, over a restart and a change of keys`()
        async throws
    {
        let token = try name("token")
        try await live { store async throws in
            try await store.set(token, to: phrase("old"), for: Self.audience, at: .noon)
            try await store.rotate(token, to: phrase("new"), at: .noon)
            #expect(store.hasFormer(token))
            #expect(store.list().map(\.former) == [1])
            await #expect(throws: SecretStoreError.rotating(token)) {
                try await store.rotate(token, to: phrase("newer"), at: .noon)
            }
        }
        try await live { store async throws in
            try await store.beginGeneration()
            while try await store.rewrapSome() > 0 {}
        }
        try await live { store async throws in
            #expect(try store.text(token, for: Self.audience) == "new")
            #expect(try store.text(token, for: Self.audience, .former) == "old")
            try await store.endFormer(token)
            #expect(try store.text(token, for: Self.audience, .former) == "new", "there is one only")
            await #expect(throws: SecretStoreError.notRotating(token)) { try await store.endFormer(token) }
        }
        try await live { store async throws in
            #expect(try store.text(token, for: Self.audience) == "new")
            #expect(!store.hasFormer(token))
        }
    }

    @Test func `setting or binding a secret anew ends the former version`() async throws {
        let token = try name("token")
        try await live { store async throws in
            for index in 0..<2 {
                try await store.set(token, to: phrase("old"), for: Self.audience, at: .noon)
                try await store.rotate(token, to: phrase("new"), at: .noon)
                if index == 0 {
                    try await store.set(token, to: phrase("newest"), for: Self.audience, at: .noon)
                } else {
                    try await store.bind(token, to: Self.audience, at: .noon)
                }
                #expect(!store.hasFormer(token))
            }
            try await store.rotate(token, to: phrase("again"), at: .noon)
            try await store.remove(token)
            #expect(!store.contains(token))
        }
    }

    // MARK: Keys under load

    private final class Load: Sendable {
        let isOver = Atomic(false)
    }

    @Test(.timeLimit(.minutes(1)))
    func `secrets open all the while that keys and root are changed`() async throws {
        let count = 200
        try await live { store async throws in
            try await fill(store, count)
            let load = Load()
            let opened = try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<3 {
                    group.addTask {
                        var (opened, index) = (0, worker)
                        while !load.isOver.load(ordering: .relaxed) {
                            index = (index * 31 + 7) % count
                            let text = try store.text(try name("s\(index)"), for: Self.audience)
                            guard text == "value \(index)" else { throw StorageError.damaged(detail: text) }
                            opened += 1
                            if opened % 100 == 0 { await Task.yield() }
                        }
                        return opened
                    }
                }
                defer { load.isOver.store(true, ordering: .relaxed) }
                for _ in 0..<3 {
                    try await store.beginGeneration()
                    while try await store.rewrapSome() > 0 {}
                    try await store.replaceRoot()
                    try await store.setKeyFile()
                    while try await store.rewrapSome() > 0 {}
                }
                load.isOver.store(true, ordering: .relaxed)
                return try await group.reduce(0, +)
            }
            #expect(opened > 1_000, "\(opened)")
            #expect(store.keyStanding.formerRoots == 0 && store.keyStanding.generation == 7)
        }
        try await live { store async throws in try check(store, count) }
    }

    // MARK: Slots

    @Test func `a new key file opens, and the one before no more`() async throws {
        try await live { store async throws in try await fill(store, 3) }
        let path = scratch.data + "/vault.key"
        let old = try Data(contentsOf: URL(fileURLWithPath: path))
        try await live { store async throws in try await store.setKeyFile() }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) != old)
        #expect(try scratch.mode(of: path) == 0o600)
        try await live { store async throws in
            try check(store, 3)
            #expect(store.keyStanding.slots == [.keyFile])
        }
        try old.write(to: URL(fileURLWithPath: path))
        try scratch.setMode(0o600, of: path)
        await #expect(throws: VaultError.wrongKey(.keyFile)) { try await live { _ async throws in } }
    }

    @Test func `a passphrase in place of the key file seals the next start`() async throws {
        try await live { store async throws in
            try await fill(store, 2)
            await #expect(throws: VaultError.lastSlot) { try await store.removeSlot(.keyFile) }
            try await store.setPassphrase(phrase("correct horse"), cost: Self.cheap)
            try await store.removeSlot(.keyFile)
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.data + "/vault.key"))
        try await live { store async throws in
            #expect(store.sealed == .passphraseMissing)
            try await store.unseal(passphrase: phrase("correct horse"))
            try await store.setPassphrase(phrase("battery staple"), cost: Self.cheap)
            #expect(store.keyStanding.slots == [.passphrase])
        }
        await #expect(throws: VaultError.wrongKey(.passphrase)) {
            try await live(passphrase: "correct horse") { _ async throws in }
        }
        try await live(passphrase: "battery staple") { store async throws in try check(store, 2) }
    }

    @Test func `a new root makes every slot anew, and needs the right passphrase for that`() async throws {
        try await live { store async throws in
            try await fill(store, 2)
            try await store.setPassphrase(phrase("correct horse"), cost: Self.cheap)
            await #expect(throws: SecretStoreError.slotCredentialMissing(.passphrase)) {
                try await store.replaceRoot()
            }
            await #expect(throws: VaultError.wrongKey(.passphrase)) {
                try await store.replaceRoot(passphrase: phrase("mistyped"), cost: Self.cheap)
            }
            #expect(store.keyStanding.generation == 1)
            try await store.replaceRoot(passphrase: phrase("correct horse"), cost: Self.cheap)
            #expect(Set(store.keyStanding.slots) == [.keyFile, .passphrase])
        }
        try await live { store async throws in try check(store, 2) }
        try await live(passphrase: "correct horse") { store async throws in
            try check(store, 2)
            #expect(try await store.rewrapSome() == 0)
            #expect(store.keyStanding.formerRoots == 0)
        }
    }

    @Test func `a service manager's credential opens the vault, also from the first start on`() async throws {
        let file = scratch.path + ".credential"
        try Data((0..<32).map { UInt8($0) }).write(to: URL(fileURLWithPath: file))
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await live(serviceFile: file) { store async throws in
            try await fill(store, 2)
            #expect(store.keyStanding.slots == [.service])
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.data + "/vault.key"))
        try await live(serviceFile: file) { store async throws in try check(store, 2) }
        try await live { store async throws in #expect(store.sealed == .serviceCredentialMissing) }
        try await live(serviceFile: file + ".absent") { store async throws in
            #expect(store.sealed == .serviceCredentialMissing)
            await #expect(throws: SecretStoreError.sealed(.serviceCredentialMissing)) {
                try await store.unsealFromDisk()
            }
        }
        try Data(repeating: 7, count: 32).write(to: URL(fileURLWithPath: file))
        await #expect(throws: VaultError.wrongKey(.service)) {
            try await live(serviceFile: file) { _ async throws in }
        }
    }

    @Test func `a key file that was put back unseals without a restart`() async throws {
        try await live { store async throws in try await fill(store, 1) }
        let path = scratch.data + "/vault.key"
        try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
        try await live { store async throws in
            await #expect(throws: SecretStoreError.sealed(.keyFileMissing(path: path))) {
                try await store.unsealFromDisk()
            }
            try FileManager.default.moveItem(atPath: path + ".away", toPath: path)
            try await store.unsealFromDisk()
            try check(store, 1)
        }
    }

    // MARK: The counter

    @Test func `every change is told, and a raised counter goes on from there`() async throws {
        try await live { store async throws in
            let told = Mutex<[UInt64]>([])
            store.onChange { counter in told.withLock { $0.append(counter) } }
            try await fill(store, 2)
            try await store.raiseCounter(above: 57)
            try await fill(store, 1)
            #expect(told.withLock { $0 } == [1, 2, 58, 59])
        }
        try await live { store async throws in
            #expect(store.counter == 59)
            try check(store, 2)
        }
    }

    // MARK: Backups

    @Test func `a backup comes back on another node, which stays who it is`() async throws {
        let token = try name("token")
        let root = try #require(SecretName(own: "mesh-root.x"))
        let issuer = try #require(SecretName(own: "mesh-issuer.x"))
        let bytes = try await live { store async throws in
            try await fill(store, 3)
            try await store.set(token, to: phrase("old"), for: Self.audience, at: .noon)
            try await store.rotate(token, to: phrase("new"), at: .noon)
            for own in [root, issuer] { try await store.set(own, to: phrase(own.text), at: .noon) }
            return try await store.backup(passphrase: phrase("safe"), cost: Self.cheap)
        }
        let elsewhere = Scratch()
        try await live(in: elsewhere, node: .other) { store async throws in
            let held = try await SecretStore.open(backup: bytes, passphrase: phrase("safe"))
            let restored = try await store.restore(held, overwrites: false, at: .noon)
            #expect(restored.secrets.map(\.text) == ["s0", "s1", "s2", "token"])
            #expect(restored.own == [root] && restored.leftOut == [issuer])
            try check(store, 3)
            await #expect(throws: SecretStoreError.wouldOverwrite(restored.secrets)) {
                try await store.restore(held, overwrites: false, at: .noon)
            }
            try await store.set(try name("s0"), to: phrase("mine"), for: Self.audience, at: .noon)
            _ = try await store.restore(held, overwrites: true, at: .noon)
            #expect(try store.text(token, for: Self.audience, .former) == "old")
        }
        try await live(in: elsewhere, node: .other) { store async throws in
            try check(store, 3)
            #expect(try store.text(token, for: Self.audience) == "new")
            #expect(try store.text(token, for: Self.audience, .former) == "old")
            #expect(try store.text(root, for: .node) == root.text)
            try await store.endFormer(token)
            try await store.set(token, to: phrase("newest"), for: Self.audience, at: .noon)
        }
        try await live(in: elsewhere, node: .other) { store async throws in
            #expect(try store.text(token, for: Self.audience) == "newest")
        }
    }

    @Test func `a backup that keeps the slots is made while sealed, and its key file opens it`() async throws
    {
        try await live { store async throws in try await fill(store, 2) }
        let path = scratch.data + "/vault.key"
        let key = try Data(contentsOf: URL(fileURLWithPath: path))
        try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
        let bytes = try await live { store async throws in
            #expect(store.sealed != nil)
            await #expect(throws: SecretStoreError.sealed(.keyFileMissing(path: path))) {
                _ = try await store.backup(passphrase: phrase("safe"), cost: Self.cheap)
            }
            return try await store.backup(passphrase: nil)
        }
        let elsewhere = Scratch()
        try await live(in: elsewhere, node: .other) { store async throws in
            let held = try await SecretStore.open(backup: bytes, keyFile: Secret(copying: Array(key)))
            #expect(held.names.map(\.text) == ["s0", "s1"])
            _ = try await store.restore(held, overwrites: false, at: .noon)
            try check(store, 2)
        }
    }
}
