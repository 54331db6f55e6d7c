import Catalog
import Foundation
import GRDB
import Testing

@testable import Storage

/// What the shelves keep, seen after a restart.
struct ShelfTests {
    private let scratch = Scratch()

    /// Runs one life of a node, and lets go of everything at its end.
    @discardableResult
    private func live<Value>(_ body: (NodeDatabase) async throws -> Value) async throws -> Value {
        let (_, database) = try scratch.start()
        let value = try await body(database)
        try database.close()
        return value
    }

    @Test func `every start has a higher incarnation, and one above what peers saw`() async throws {
        var seen: [UInt64] = []
        for _ in 0..<3 { seen.append(try await live { try await MetaShelf($0).nextIncarnation() }) }
        seen.append(try await live { try await MetaShelf($0).nextIncarnation(above: 40) })
        seen.append(try await live { try await MetaShelf($0).nextIncarnation(above: 7) })
        #expect(seen == [1, 2, 3, 41, 42])
    }

    @Test func `an incarnation that cannot rise is an error`() async throws {
        try await live { database async throws in
            await #expect(throws: StorageError.counterExhausted("the incarnation counter")) {
                try await MetaShelf(database).nextIncarnation(above: .max)
            }
        }
    }

    @Test func `single values are kept, replaced and removed`() async throws {
        try await live {
            try await MetaShelf($0).set([.joinedAt: [1], .callerPepper: [2], .vaultHeader: []])
        }
        try await live { database async throws in
            let shelf = MetaShelf(database)
            #expect(try await shelf.get(.joinedAt) == [1])
            #expect(try await shelf.get(.vaultHeader) == [])
            try await shelf.set([.joinedAt: [3], .callerPepper: nil])
            #expect(try await shelf.get(.joinedAt) == [3])
            #expect(try await shelf.get(.callerPepper) == nil)
        }
    }

    @Test func `what servers offered that left the configuration while the node was down is forgotten`()
        async throws
    {
        try await live { database async throws in
            let shelf = PrivateManifestShelf(database)
            for name in ["diary", "notes", "old"] { try await shelf.save(try #require(Label(name)), [1, 2]) }
        }
        try await live { database async throws in
            let shelf = PrivateManifestShelf(database)
            try await shelf.keepOnly([.sample("diary"), .sample("new")])
            #expect(try await shelf.all().keys.map(\.text) == ["diary"])
        }
    }

    @Test func `whose task is whose is kept for as long as the task is`() async throws {
        let server = Label("studio")
        let task = { (id: String, expires: Int64) in
            StoredTask(
                key: StoredTask.Key(server: server, task: id, issuer: "key", subject: "me"),
                place: "https://studio", made: WallTime(milliseconds: 1),
                expires: WallTime(milliseconds: expires))
        }
        try await live {
            try await TaskShelf($0).apply([
                .save(task("a", 100)), .save(task("b", 200)), .save(task("c", 300)), .save(task("d", 400)),
            ])
        }
        var hidden = task("a", 500)
        hidden.isHidden = true
        try await live { [hidden] database async throws in
            try await TaskShelf(database).apply([.save(hidden), .remove(task("c", 0).key)])
            let kept = try await TaskShelf(database).load(at: WallTime(milliseconds: 200), atMost: 10)
            #expect(kept == [hidden, task("d", 400)])
        }
        try await live { database async throws in
            let longest = try await TaskShelf(database).load(at: WallTime(milliseconds: 0), atMost: 1)
            #expect(longest == [hidden])
        }
    }

    private static func document(
        _ kind: UInt8, _ origin: NodeID, _ name: String, sequence: UInt64, life: UInt64 = .max
    ) -> StoredDocument {
        StoredDocument(
            key: StoredDocument.Key(kind: kind, origin: origin, name: name), incarnation: 1, life: life,
            sequence: sequence, bytes: [kind, UInt8(truncatingIfNeeded: sequence)])
    }

    @Test func `documents come back as they were last saved`() async throws {
        let first = Self.document(1, .me, "", sequence: 1)
        let server = Self.document(3, .me, "time", sequence: 2)
        let foreign = Self.document(3, .other, "time", sequence: .max, life: 1 << 63)
        try await live { database async throws in
            var changes = DocumentChanges()
            changes.saved = [server, foreign, first]
            try await DocumentShelf(database).apply(changes, at: .noon)
        }
        let newer = Self.document(3, .me, "time", sequence: 9)
        try await live { database async throws in
            let shelf = DocumentShelf(database)
            #expect(try await shelf.loadAll() == [first, server, foreign])
            var changes = DocumentChanges()
            changes.saved = [newer]
            changes.removed = [first.key]
            try await shelf.apply(changes, at: .noon)
        }
        try await live { database async throws in
            let shelf = DocumentShelf(database)
            #expect(try await shelf.loadAll() == [newer, foreign])
            try await shelf.removeAll()
            #expect(try await shelf.loadAll().isEmpty)
        }
    }

    @Test func `a batch is saved whole or not at all`() async throws {
        try await live { database async throws in
            let shelf = DocumentShelf(database)
            var changes = DocumentChanges()
            changes.saved = [
                Self.document(1, .me, "", sequence: 1), Self.document(3, .me, "a\0b", sequence: 2),
            ]
            await #expect(throws: StorageError.unstorable(what: "a document's name")) {
                try await shelf.apply(changes, at: .noon)
            }
            #expect(try await shelf.loadAll().isEmpty)
        }
    }

    @Test func `manifests live as long as somebody names them`() async throws {
        let hashes = (0..<3).map { ContentHash(of: [UInt8($0)]) }
        try await live { database async throws in
            let shelf = DocumentShelf(database)
            var changes = DocumentChanges()
            changes.manifests = hashes.map { ($0, $0.bytes + [1]) }
            try await shelf.apply(changes, at: .noon)
            let later = WallTime.noon.advanced(by: .seconds(3600))
            #expect(try await shelf.keepManifests([hashes[1]], at: later, droppingUnusedSince: .noon) == 0)
            let dropped = try await shelf.keepManifests(
                [hashes[1]], at: later, droppingUnusedSince: WallTime.noon.advanced(by: .milliseconds(1)))
            #expect(dropped == 2)
        }
        try await live { database async throws in
            let shelf = DocumentShelf(database)
            #expect(try await shelf.manifestHashes() == [hashes[1]])
            #expect(try await shelf.manifest(hashes[1]) == hashes[1].bytes + [1])
            #expect(try await shelf.manifest(hashes[0]) == nil)
            var changes = DocumentChanges()
            changes.removedManifests = [hashes[1]]
            try await shelf.apply(changes, at: .noon)
            #expect(try await shelf.manifestHashes().isEmpty)
        }
    }

    @Test func `servers and virtual servers keep their definitions`() async throws {
        let (time, ops) = (try Label.sample("time"), try Label.sample("ops"))
        try await live { database async throws in
            try await ServerShelf(database).save(time, definition: #"{"command":"a"}"#, at: .noon)
            try await ServerShelf(database).save(
                time, definition: #"{"command":"b"}"#, at: WallTime.noon.advanced(by: .seconds(1)))
            try await VirtualShelf(database).save(ops, definition: "{}", counter: .max, at: .noon)
        }
        try await live { database async throws in
            let server = try #require(try await ServerShelf(database).all().first)
            #expect(server.name == time && server.definition == #"{"command":"b"}"#)
            #expect(server.created == .noon && server.updated == WallTime.noon.advanced(by: .seconds(1)))
            let virtual = try #require(try await VirtualShelf(database).all().first)
            #expect(virtual.name == ops && virtual.counter == .max && virtual.definition == "{}")
            #expect(try await ServerShelf(database).remove(time))
            #expect(try await !ServerShelf(database).remove(time))
            #expect(try await VirtualShelf(database).remove(ops))
            #expect(try await ServerShelf(database).all().isEmpty)
            #expect(try await VirtualShelf(database).all().isEmpty)
        }
    }

    @Test func `a key that was made is known again after a restart, by its digest alone`() async throws {
        var random = SystemRandomNumberGenerator()
        let made = try await live { database async throws in
            let made = try await CallerKeyShelf(database).ring().make(using: &random)
            try await CallerKeyShelf(database).add(
                StoredCallerKey(
                    id: made.id, label: "ci", digest: made.digest, scopes: "{}", created: .noon,
                    expires: WallTime.noon.advanced(by: .seconds(60))))
            return made
        }
        #expect(made.text.hasPrefix("mk_") && made.text.utf8.count == 35)
        try await live { database async throws in
            let shelf = CallerKeyShelf(database)
            let stored = try #require(try await shelf.all().first)
            #expect(try await shelf.ring().digest(of: made.text) == stored.digest)
            #expect(stored.expires == WallTime.noon.advanced(by: .seconds(60)))

            let used = WallTime.noon.advanced(by: .seconds(5))
            try await shelf.noteUses([stored.id: used])
            try await shelf.noteUses([stored.id: .noon, "gone": .noon])
            #expect(try await shelf.all().first?.lastUsed == used)
            #expect(try await shelf.remove(id: stored.id))
            #expect(try await shelf.all().isEmpty)
        }
    }

    @Test(arguments: [
        "", "mk_", "mk_short", "xx_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "mk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ])
    func `what is no key of ours is not even looked up`(presented: String) async throws {
        try await live { database async throws in
            #expect(try await CallerKeyShelf(database).ring().digest(of: presented) == nil)
        }
    }
}

struct JoinTokenTests {
    private let scratch = Scratch()
    private let id = [UInt8](repeating: 1, count: 16)

    private func token(uses: Int) throws -> StoredJoinToken {
        StoredJoinToken(
            id: id, material: [1, 2, 3], roles: .ordinary, segment: try .sample("plant-a"), label: nil,
            usesLeft: uses, issued: .noon, expires: WallTime.noon.advanced(by: .seconds(900)))
    }

    @Test func `the same request gets the same answer, another one needs another use`() async throws {
        let (first, second) = (ContentHash(of: [1]), ContentHash(of: [2]))
        do {
            let (_, database) = try scratch.start()
            let shelf = JoinTokenShelf(database)
            try await shelf.add(try token(uses: 1))
            #expect(try await shelf.redeem(id, for: first, answer: [10], at: .noon) == .stored)
            #expect(try await shelf.redeem(id, for: second, answer: [20], at: .noon) == .exhausted)
            try database.close()
        }
        let (_, database) = try scratch.start()
        let shelf = JoinTokenShelf(database)
        let late = WallTime.noon.advanced(by: .seconds(10_000))
        #expect(try await shelf.redeem(id, for: first, answer: [11], at: late) == .repeated(answer: [10]))
        #expect(try await shelf.answers(for: id) == [first: [10]])
        let kept = try #require(try await shelf.all().first)
        #expect(
            kept.usesLeft == 0 && kept.material == [1, 2, 3] && kept.roles == .ordinary && kept.label == nil)
    }

    @Test func `unknown, expired and revoked tokens are told apart`() async throws {
        let (_, database) = try scratch.start()
        let shelf = JoinTokenShelf(database)
        let request = ContentHash(of: [1])
        #expect(try await shelf.redeem(id, for: request, answer: [], at: .noon) == .unknown)
        let fresh = try token(uses: 2)
        try await shelf.add(fresh)
        #expect(try await shelf.redeem(id, for: request, answer: [], at: fresh.expires) == .expired)
        #expect(try await shelf.redeem(id, for: request, answer: [1], at: .noon) == .stored)
        #expect(try await shelf.revoke(id))
        #expect(try await shelf.redeem(id, for: request, answer: [1], at: .noon) == .revoked)
        #expect(try await shelf.all().first?.material == [])
    }

    @Test func `two joiners cannot share the last use`() async throws {
        let (_, database) = try scratch.start()
        let shelf = JoinTokenShelf(database)
        try await shelf.add(try token(uses: 3))
        let results = try await withThrowingTaskGroup(of: JoinRedemption.self) { group in
            for number in UInt8(0)..<20 {
                group.addTask { [id] in
                    try await shelf.redeem(id, for: ContentHash(of: [number]), answer: [number], at: .noon)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results.count { $0 == .stored } == 3)
        #expect(results.count { $0 == .exhausted } == 17)
    }

    @Test func `whoever got an answer is remembered until the tokens go`() async throws {
        let (_, database) = try scratch.start()
        let shelf = JoinTokenShelf(database)
        try await shelf.add(try token(uses: 1))
        #expect(try await !shelf.hasAnswers())
        _ = try await shelf.redeem(id, for: ContentHash(of: [1]), answer: [1], at: .noon)
        #expect(try await shelf.hasAnswers())
        try await shelf.removeAll()
        #expect(try await !shelf.hasAnswers())
        #expect(try await shelf.all().isEmpty)
    }

    @Test func `tokens long past are dropped with their answers`() async throws {
        let (_, database) = try scratch.start()
        let shelf = JoinTokenShelf(database)
        let request = ContentHash(of: [1])
        try await shelf.add(try token(uses: 1))
        _ = try await shelf.redeem(id, for: request, answer: [1], at: .noon)
        #expect(try await shelf.prune(expiredBefore: .noon) == 0)
        #expect(try await shelf.prune(expiredBefore: WallTime.noon.advanced(by: .seconds(901))) == 1)
        #expect(try await shelf.answers(for: id).isEmpty)
    }
}

struct WallTimeTests {
    @Test(arguments: [
        (0, Duration.milliseconds(1500), 1500), (5, .milliseconds(-6), -1), (.max, .seconds(1), Int64.max),
        (.min, .seconds(-1), .min), (0, .seconds(Int64.max), .max), (0, .nanoseconds(999_999), 0),
    ])
    func `adding durations never overflows`(start: Int64, step: Duration, end: Int64) {
        #expect(WallTime(milliseconds: start).advanced(by: step).milliseconds == end)
    }
}

/// Servers that are for some nodes only: what was removed is in no file any more.
struct ScopedShelfTests {
    private let scratch = Scratch()
    private static let canary = "canary-7Qx"

    private static func key(_ name: String) throws -> ServerKey {
        ServerKey(owner: .other, name: try .sample(name))
    }

    private func isOnDisk() throws -> Bool {
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.data)
        return try names.contains { name in
            let bytes = try Data(contentsOf: URL(fileURLWithPath: scratch.data + "/" + name))
            return bytes.range(of: Data(Self.canary.utf8)) != nil
        }
    }

    private func save(_ names: String..., to shelf: ScopedShelf) async throws {
        for name in names {
            let key = try Self.key(name)
            try await shelf.apply([
                .save(key, document: Array(Self.canary.utf8)), .saveManifest(key, Array(Self.canary.utf8)),
            ])
        }
    }

    @Test func `what is removed is gone from the database's log too, before it is closed`() async throws {
        let (_, database) = try scratch.start()
        let shelf = ScopedShelf(database)
        try await save("pay", "desk", to: shelf)
        #expect(try isOnDisk())
        try await shelf.apply([
            .remove(try Self.key("pay")), .remove(try Self.key("desk")),
        ])
        #expect(try !isOnDisk())
        try await save("pay", to: shelf)
        #expect(try isOnDisk())
        try await shelf.removeAll()
        #expect(try !isOnDisk())
        try database.close()
    }

    @Test func `what a node that died had removed is gone from the log when it is back`() async throws {
        let (_, database) = try scratch.start()
        try await save("pay", to: ScopedShelf(database))
        // As if it had died between the commit and the emptying.
        try await database.write { try $0.execute(sql: "DELETE FROM scoped_server") }
        #expect(try isOnDisk())
        try await ScopedShelf(database).apply([])
        #expect(try !isOnDisk())
        try database.close()
    }
}
