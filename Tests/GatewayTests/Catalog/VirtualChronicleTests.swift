import Catalog
import JSONSlice
import MartletTestKit
import Storage
import Testing

@testable import Gateway

struct VirtualChronicleTests {
    private let scratch = Scratch()

    private func saying(_ counter: UInt64, _ title: String, in snapshot: CatalogSnapshot) -> CatalogSnapshot {
        var snapshot = snapshot
        snapshot.say(
            VirtualServerRecord(
                name: "ops", author: .there, counter: counter, definition: ["title": .string(title)]))
        return snapshot
    }

    @Test func `of words in quick succession none is missed, and each is noted once`() async throws {
        let chronicle = VirtualChronicle(
            shelf: VirtualVersionShelf(try scratch.start().database), now: { WallTime(milliseconds: 7) })
        let first = saying(1, "a", in: .sample())
        let second = saying(2, "b", in: first)
        chronicle.hear(first)
        chronicle.hear(second)
        for _ in 0..<2 { try await chronicle.note(second) }
        let history = try await chronicle.history(of: "ops", standing: second.virtualWords["ops"]?.first)
        #expect(history.map(\.version.word.counter) == [2, 1])
        #expect(history.map(\.standing) == [.stands, .replaced])
        #expect(history.allSatisfy { $0.version.author == "there" && $0.version.learnt == 7 })
    }

    @Test func `more words at once than wait are noted all the same, if they stand`() async throws {
        let chronicle = VirtualChronicle(shelf: VirtualVersionShelf(try scratch.start().database))
        var snapshot = CatalogSnapshot.sample()
        for number in 0..<1_100 {
            let name = try #require(Label("v\(number)"))
            snapshot.say(VirtualServerRecord(name: name, author: .there, counter: 1, definition: [:]))
        }
        try await chronicle.note(snapshot)
        for number in [0, 1_099] {
            let name = try #require(Label("v\(number)"))
            #expect(try await chronicle.greatestCounter(of: name) == 1)
        }
    }

    @Test func `a restart notes nothing twice`() async throws {
        let shelf = VirtualVersionShelf(try scratch.start().database)
        for time in [Int64(1), 2] {
            let chronicle = VirtualChronicle(shelf: shelf, now: { WallTime(milliseconds: time) })
            try await chronicle.note(saying(1, "a", in: .sample()))
        }
        #expect(try await shelf.versions(of: "ops").map(\.learnt) == [1])
    }
}
