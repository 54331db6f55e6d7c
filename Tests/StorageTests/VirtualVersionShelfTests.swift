import Catalog
import JSONSlice
import MartletTestKit
import Storage
import Testing

struct VirtualVersionShelfTests {
    private static let (a, b) = (NodeID(ofKey: "a".utf8), NodeID(ofKey: "b".utf8))

    private static func version(
        _ counter: UInt64, _ definition: JSON?, by author: NodeID = a, replaces: ContentHash? = nil,
        of name: Label = "ops"
    ) -> VirtualVersion {
        VirtualVersion(
            VirtualServerWord(
                name: name, author: author, counter: counter, replaces: replaces, isConfigured: counter == 1,
                definition: definition), author: "node-a", learnt: 1_000)
    }

    @Test func `words come back as they were noted, the one that counts first`() async throws {
        let scratch = Scratch()
        let shelf = VirtualVersionShelf(try scratch.start().database)
        let all = [
            Self.version(1, ["use": []]), Self.version(2, nil, by: Self.b, replaces: ContentHash(of: [1])),
            Self.version(UInt64.max, ["use": [["from": "a"]]]),
        ]
        try await shelf.note(all)
        try await shelf.note([Self.version(9, [:], of: "other")])
        #expect(try await shelf.versions(of: "ops") == all.reversed())
        #expect(try await shelf.versions(of: "none").isEmpty)
    }

    @Test func `what was noted once stays as it was learnt first`() async throws {
        let scratch = Scratch()
        let shelf = VirtualVersionShelf(try scratch.start().database)
        var again = Self.version(1, [:])
        try await shelf.note([again])
        again.learnt = 99_000
        again.author = "renamed"
        try await shelf.note([again])
        #expect(try await shelf.versions(of: "ops") == [Self.version(1, [:])])
    }

    @Test func `of one name the newest are kept`() async throws {
        let scratch = Scratch()
        let shelf = VirtualVersionShelf(try scratch.start().database)
        for counter in 1...UInt64(VirtualVersionShelf.perNameMax + 5) {
            try await shelf.note([Self.version(counter, ["n": .number(Int(counter))])])
        }
        // Numbers beyond what SQLite counts to are the greatest all the same.
        try await shelf.note([Self.version(.max, [:])])
        let kept = try await shelf.versions(of: "ops")
        #expect(kept.first?.word.counter == .max)
        #expect(kept.count == VirtualVersionShelf.perNameMax)
        #expect(kept.last?.word.counter == 7)
    }

    @Test func `what was published of the configuration is known by name`() async throws {
        let scratch = Scratch()
        let shelf = ConfiguredVirtualShelf(try scratch.start().database)
        try await shelf.save("ops", ContentHash(of: [1]))
        try await shelf.save("ops", ContentHash(of: [2]))
        #expect(try await shelf.all() == ["ops": ContentHash(of: [2])])
        try await shelf.remove("ops")
        #expect(try await shelf.all().isEmpty)
    }
}
