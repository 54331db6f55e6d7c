import Catalog
import JSONSlice
import MartletTestKit
import Testing

@testable import Composition

@Suite struct ListCursorTests {
    private static func list(_ names: [String]) -> [ListedEntry] {
        names.map { name in
            let entry = Entry.tool(name)
            return ListedEntry(
                name: name, definition: entry.definition,
                binding: Binding(server: SampleMesh.key("s"), entry: entry))
        }
    }

    private static func names(_ page: CutPage) -> [String] { page.entries.map(\.name) }

    @Test(arguments: [1, 2, 3, 7, 100])
    func `pages together are the list`(entriesMax: Int) throws {
        let list = Self.list((0..<20).map { "tool\($0)" })
        var read: [String] = []
        var cursor: String?
        var pages = 0
        repeat {
            let page = try ListCursor.page(of: list, after: cursor, entriesMax: entriesMax, bytesMax: .max)
            read += Self.names(page)
            cursor = page.cursor
            pages += 1
        } while cursor != nil
        #expect(read == list.map(\.name))
        #expect(pages == (20 + entriesMax - 1) / entriesMax)
    }

    @Test func `a page ends before it is too large, and has one entry at least`() throws {
        let list = Self.list(["a", "b", "c"])
        let size = list[0].definition.bytes.count + 1
        #expect(Self.names(try .init(list, bytesMax: 2 * size)) == ["a", "b"])
        #expect(Self.names(try .init(list, bytesMax: 1)) == ["a"])
        #expect(try CutPage(list, bytesMax: 3 * size).cursor == nil)
    }

    /// Entries come and go between any two pages, also the very one that the cursor names.
    @Test(arguments: UInt64(1)...300)
    func `no entry that stays is lost or doubled while others come and go`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var names = (0..<40).map { "t\($0)" }
        let original = Set(names)
        var gone: Set<String> = []
        var read: [String] = []
        var cursor: String?
        var fresh = 0
        while true {
            let page = try ListCursor.page(
                of: Self.list(names), after: cursor, entriesMax: Int.random(in: 5...9, using: &random),
                bytesMax: .max)
            read += Self.names(page)
            cursor = page.cursor
            if cursor == nil { break }
            // Fewer in a row than a cursor names.
            for _ in 0..<Int.random(in: 0..<ListCursor.anchorsMax, using: &random) {
                gone.insert(names.remove(at: names.indices.randomElement(using: &random) ?? 0))
            }
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                names.insert("new\(fresh)", at: Int.random(in: 0...names.count, using: &random))
                fresh += 1
            }
        }
        #expect(Set(read).count == read.count, "nothing twice; replay with seed \(seed)")
        #expect(original.subtracting(gone).isSubset(of: read), "nothing lost; replay with seed \(seed)")
    }

    @Test func `a list that changed beyond recognition says so`() throws {
        let cursor = try #require(try CutPage(Self.list((0..<10).map { "t\($0)" }), entriesMax: 5).cursor)
        #expect(throws: ListCursor.Stale()) {
            try CutPage(Self.list((0..<10).map { "other\($0)" }), after: cursor)
        }
    }

    @Test(arguments: [
        "", "0", "1", "1.", "1.5", "1.0.ab", "2.5.ab", "1.5.xyz", "1.-5.ab", "1.5.ab.cd.ef.12.34", "1..", "é",
        "1.7fffffffffffffff.1", "1.8000000000000000.1",
    ])
    func `what no list gave is no cursor`(text: String) {
        #expect(throws: ListCursor.Stale()) { try CutPage(Self.list(["a", "b"]), after: text) }
    }
}

extension CutPage {
    fileprivate init(
        _ list: [ListedEntry], after cursor: String? = nil, entriesMax: Int = 100, bytesMax: Int = .max
    ) throws {
        self = try ListCursor.page(of: list, after: cursor, entriesMax: entriesMax, bytesMax: bytesMax)
    }
}
