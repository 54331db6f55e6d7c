import Catalog
import Synchronization
import Testing

@testable import Gateway
@testable import Storage

struct CatalogChronicleTests {
    private let scratch = Scratch()
    private let clock = Clock()

    private final class Clock: Sendable {
        private let seconds = Mutex(1_000_000)
        func tick(_ count: Int = 100) { seconds.withLock { $0 += count } }
        var now: WallTime { WallTime(milliseconds: Int64(seconds.withLock { $0 }) * 1_000) }
    }

    private func chronicle(_ database: NodeDatabase) -> CatalogChronicle {
        let clock = clock
        return CatalogChronicle(shelf: EntryVersionShelf(database), now: { clock.now })
    }

    private func told(_ chronicle: CatalogChronicle, since: Int = 50) async throws -> [String] {
        try await chronicle.differences(sinceSeconds: since).list.map { "\($0.kind) \($0.address.name)" }
    }

    @Test func `what a node sees entries become is told by time`() async throws {
        let (_, database) = try scratch.start()
        let chronicle = chronicle(database)
        let first = try CatalogSnapshot.sample().with("erp", on: .there, .tools("get", "set"))
        try await chronicle.look(at: first)
        #expect(try await told(chronicle) == ["added get", "added set"])
        clock.tick()
        try await chronicle.look(at: first)
        #expect(try await told(chronicle).isEmpty)

        let second = try first.with("erp", on: .there, .tools("set") + .tools("get", description: "Gets."))
        try await chronicle.look(at: second)
        let found = try await chronicle.differences(sinceSeconds: 50).list
        #expect(found.map(\.kind) == [.changed] && found.first?.members == ["description"])
        #expect(try await told(chronicle, since: 150) == ["added get", "added set"])

        clock.tick()
        var third = second
        third.servers = [:]
        try await chronicle.look(at: third)
        #expect(try await told(chronicle) == ["removed get", "removed set"])
        #expect(try await told(chronicle, since: 1_000).isEmpty)
        #expect(try await chronicle.versions(of: try #require(found.first?.address)).count == 2)
    }

    @Test func `a restart is no change, and a list that has not arrived takes nothing away`() async throws {
        let snapshot = try CatalogSnapshot.sample().with("erp", on: .there, .tools("get"))
        do {
            let (_, database) = try scratch.start()
            try await chronicle(database).look(at: snapshot)
            try database.close()
        }
        clock.tick()
        let (_, database) = try scratch.start()
        let chronicle = chronicle(database)
        var listless = snapshot
        for key in listless.servers.keys { listless.servers[key]?.manifest = nil }
        try await chronicle.look(at: listless)
        try await chronicle.look(at: snapshot)
        #expect(try await told(chronicle).isEmpty)
        try await chronicle.look(at: try snapshot.with("erp", on: .there, .tools("get", description: "x")))
        #expect(try await told(chronicle) == ["changed get"])
    }

    @Test func `a server that changes all the time is noted now and then`() async throws {
        let (_, database) = try scratch.start()
        let chronicle = chronicle(database)
        var snapshot = CatalogSnapshot.sample()
        for number in 0..<40 {
            snapshot = try snapshot.with("erp", on: .there, .tools("tool_\(number)"))
            try await chronicle.look(at: snapshot)
            clock.tick(1)
        }
        // At 0, 10, 20 and 30 s.
        #expect(
            try await chronicle.differences(sinceSeconds: 35).list.map(\.address.name) == [
                "tool_0", "tool_30",
            ])
        clock.tick()
        try await chronicle.look(at: snapshot)
        #expect(try await told(chronicle, since: 200) == ["added tool_39"])
        var gone = snapshot
        gone.servers = [:]
        try await chronicle.look(at: gone)
        #expect(try await told(chronicle, since: 200) == ["added tool_39"])
        clock.tick(10)
        try await chronicle.look(at: gone)
        #expect(try await told(chronicle, since: 200).isEmpty)
    }

    @Test func `a server that is switched off lists nothing`() async throws {
        let (_, database) = try scratch.start()
        let chronicle = chronicle(database)
        try await chronicle.look(at: try .sample().with("erp", .tools("get")))
        clock.tick()
        try await chronicle.look(at: try .sample().with("erp", .tools("get"), state: .disabled))
        #expect(try await told(chronicle) == ["removed get"])
    }

    @Test func `an answer has so many changes at most, the newest, and says that there are more`()
        async throws
    {
        let (_, database) = try scratch.start()
        let chronicle = chronicle(database)
        let old = try CatalogSnapshot.sample().with("erp", on: .there, .tools("zz_old"))
        try await chronicle.look(at: old)
        clock.tick()
        let names = (0..<CatalogChronicle.differencesMax).map { "tool_\($0)" }
        let tools = try names.flatMap { try [Entry].tools($0) }
        try await chronicle.look(at: try old.with("erp", on: .there, tools + .tools("zz_old")))
        let newest = try await chronicle.differences(sinceSeconds: 50)
        #expect(newest.list.map(\.address.name) == names.sorted() && !newest.isCut)
        let all = try await chronicle.differences(sinceSeconds: 500)
        #expect(all.list.map(\.address.name) == names.sorted() && all.isCut)
    }

    @Test func `a name of any length is the same entry at each look`() async throws {
        let (_, database) = try scratch.start()
        let chronicle = chronicle(database)
        let name = String(repeating: "é", count: 2_000)
        let snapshot = try CatalogSnapshot.sample().with("erp", on: .there, .tools(name))
        try await chronicle.look(at: snapshot)
        clock.tick()
        try await chronicle.look(at: try snapshot.with("erp", on: .there, .tools(name, description: "x")))
        let found = try await chronicle.differences(sinceSeconds: 50).list
        #expect(found.map(\.kind) == [.changed] && found.first?.members == ["description"])
        #expect(found.first?.address.name.utf8.count ?? .max <= EntryAddress.notedBytesMax)
    }

    @Test func `a server whose changes cannot be noted does not keep the others unnoted`() async throws {
        let (folder, database) = try scratch.start()
        try await database.write { database in
            try database.execute(
                sql: """
                    CREATE TRIGGER broken BEFORE INSERT ON entry_version WHEN NEW.server = 'bad'
                    BEGIN SELECT RAISE(ABORT, 'no'); END
                    """)
        }
        let chronicle = chronicle(database)
        let snapshot = try ["aaa", "bad", "zzz"].reduce(CatalogSnapshot.sample()) {
            try $0.with($1, on: .there, .tools("get"))
        }
        await #expect(throws: (any Error).self) { try await chronicle.look(at: snapshot) }
        let noted = try await chronicle.differences(sinceSeconds: 50).list
        #expect(noted.map(\.address.server.name.text) == ["aaa", "zzz"])
        withExtendedLifetime(folder) {}
    }

    @Test func `the same trouble is told once, another one again`() {
        var trouble = RepeatedTrouble()
        let told = ["a", "a", nil, "a", "b", "b", nil].map { trouble.news($0) }
        #expect(told == ["a", nil, nil, "a", "b", nil, nil])
    }
}
