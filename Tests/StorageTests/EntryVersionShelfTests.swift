import Catalog
import Foundation
import GRDB
import Testing

@testable import Storage

struct EntryVersionShelfTests {
    private let scratch = Scratch()

    private func address(_ name: String, server: String = "erp") throws -> EntryAddress {
        EntryAddress(
            server: ServerKey(owner: .other, name: try .sample(server)), kind: .tool, name: name)
    }

    private func hash(_ number: Int) -> ContentHash { ContentHash(of: "\(number)".utf8) }
    private func time(_ seconds: Int) -> WallTime { WallTime.noon.advanced(by: .seconds(seconds)) }

    @Test func `what stands is what was noted last, also after a restart`() async throws {
        do {
            let (_, database) = try scratch.start()
            let shelf = EntryVersionShelf(database)
            try await shelf.note(
                [
                    .added(try address("a"), hash(1)), .added(try address("b\u{0}c"), hash(2)),
                    .added(try address("a", server: "mes"), hash(3)),
                ], at: time(0))
            try await shelf.note(
                [
                    .changed(try address("a"), hash(4), members: ["title", "x"]),
                    .removed(try address("b\u{0}c")),
                ],
                at: time(10))
            try database.close()
        }
        let (_, database) = try scratch.start()
        let shelf = EntryVersionShelf(database)
        let standing = try await shelf.standing()
        #expect(standing[try address("a").server] == [try address("a"): hash(4)])
        #expect(
            standing[try address("a", server: "mes").server] == [try address("a", server: "mes"): hash(3)])
        let versions = try await shelf.versions(of: try address("a"))
        #expect(
            versions == [
                EntryVersion(
                    try address("a"), hash: hash(4), learnt: time(10).milliseconds, isNew: false,
                    changed: ["title", "x"]),
                EntryVersion(
                    try address("a"), hash: hash(1), learnt: time(0).milliseconds,
                    gone: time(10).milliseconds, isNew: true),
            ])
        let touched = try await shelf.touched(since: time(5))
        #expect(Set(touched.map(\.address)) == [try address("a"), try address("b\u{0}c")])
        #expect(touched.count == 3)
    }

    @Test func `of one entry so many versions are kept, the newest`() async throws {
        let (_, database) = try scratch.start()
        let shelf = EntryVersionShelf(database)
        try await shelf.note(
            [.added(try address("a"), hash(0)), .added(try address("b"), hash(0))], at: time(0))
        for number in 1...30 {
            try await shelf.note([.changed(try address("a"), hash(number), members: [])], at: time(number))
        }
        let versions = try await shelf.versions(of: try address("a"))
        #expect(versions.map(\.hash) == (11...30).reversed().map { hash($0) })
        #expect(versions.allSatisfy { !$0.isNew })
        #expect(try await shelf.versions(of: try address("b")).count == 1)
    }

    @Test func `what has been over for thirty days is forgotten, what stands never`() async throws {
        let (_, database) = try scratch.start()
        let shelf = EntryVersionShelf(database)
        try await shelf.note(
            [.added(try address("a"), hash(0)), .added(try address("b"), hash(0))], at: time(0))
        try await shelf.note(
            [.removed(try address("a")), .changed(try address("b"), hash(1), members: [])], at: time(1))
        try await shelf.forgetOld(at: time(30 * 86_400))
        #expect(try await shelf.versions(of: try address("a")).count == 1)
        try await shelf.forgetOld(at: time(30 * 86_400 + 2))
        #expect(try await shelf.versions(of: try address("a")).isEmpty)
        #expect(try await shelf.versions(of: try address("b")).map(\.hash) == [hash(1)])
    }

    @Test func `names of any length take little, and stay apart`() async throws {
        let (_, database) = try scratch.start()
        let shelf = EntryVersionShelf(database)
        let long = String(repeating: "file:///é", count: 20_000)
        let members = (0..<40).map { "\($0 + 10)" + String(repeating: "m", count: 100_000) }
        try await shelf.note(
            [.added(try address(long + "1"), hash(1)), .added(try address(long + "2"), hash(2))], at: time(0))
        try await shelf.note([.changed(try address(long + "1"), hash(3), members: members)], at: time(1))
        let versions = try await shelf.versions(of: try address(long + "1"))
        #expect(versions.map(\.hash) == [hash(3), hash(1)])
        #expect(versions.first?.changed.count == EntryStep.membersMax)
        #expect(versions.first?.changed.allSatisfy { $0.utf8.count == EntryStep.memberBytesMax } == true)
        #expect(try await shelf.versions(of: try address(long + "2")).map(\.hash) == [hash(2)])
        #expect(versions.allSatisfy { $0.address.name.utf8.count <= EntryAddress.notedBytesMax })
    }

    @Test func `one server takes no more than its share, and what stands stays`() async throws {
        let (_, database) = try scratch.start()
        let shelf = EntryVersionShelf(database)
        try await shelf.note([.added(try address("other", server: "mes"), hash(0))], at: time(0))
        try await shelf.note([.removed(try address("other", server: "mes"))], at: time(1))
        let max = EntryVersionShelf.perServerMax
        let rows = max + 500
        let names = try (0..<rows).map { try address("\($0)") }
        try await shelf.note(names.map { .added($0, hash(1)) }, at: time(2))
        #expect(try await shelf.standing()[try address("").server]?.count == rows)
        try await shelf.note(names.prefix(600).map { .removed($0) }, at: time(3))
        #expect(try await shelf.touched(since: time(2)).count == max)
        #expect(try await shelf.standing()[try address("").server]?.count == rows - 600)
        #expect(try await shelf.versions(of: try address("other", server: "mes")).count == 1)
    }

    @Test func `a row that cannot be understood is skipped`() async throws {
        let (_, database) = try scratch.start()
        let shelf = EntryVersionShelf(database)
        try await shelf.note(
            [.added(try address("a"), hash(1)), .added(try address("b"), hash(2))], at: time(0))
        try await database.write { database in
            try database.execute(
                sql: "UPDATE entry_version SET kind = 99 WHERE name = ?", arguments: [Data("a".utf8)])
        }
        #expect(try await shelf.standing().values.flatMap(\.keys).map(\.name) == ["b"])
        #expect(try await shelf.touched(since: time(0)).map(\.address.name) == ["b"])
    }
}
