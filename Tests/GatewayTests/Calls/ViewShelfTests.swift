import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Testing

@testable import Gateway
@testable import MCPTransport

/// What clients ask for over and over is cut and written once for each view.
struct ViewShelfTests {
    private static let count = 2_500

    private static func board(tools count: Int = count) throws -> CatalogBoard {
        let board = CatalogBoard(me: .here, nameLengthMax: 50)
        board.publish(try CatalogSnapshot.sample().with("press", Self.entries(count)))
        return board
    }

    private static func entries(_ count: Int) throws -> [Entry] {
        try (0..<count).flatMap { try [Entry].tools("t\($0)") }
    }

    /// All pages from the start on, by their cursors.
    private static func read(_ made: CatalogBoard.Made) throws -> [ListPage] {
        var pages: [ListPage] = []
        var cursor: String?
        repeat {
            let page = try made.shelf.page(of: .tools, in: made.view, from: cursor)
            pages.append(page)
            cursor = page.nextCursor
        } while cursor != nil
        return pages
    }

    @Test func `pages are the list, and who asks again gets the same ones`() throws {
        let made = try #require(try Self.board().made(.server("press")))
        let pages = try Self.read(made)
        #expect(pages.map(\.items.count) == [1_000, 1_000, 500])
        #expect(pages.flatMap(\.items) == made.view.list(.tool).map(\.definition))
        let again = try Self.read(made)
        #expect(zip(pages, again).allSatisfy { $0.written != nil && $0.written === $1.written })
        #expect(pages.map(\.nextCursor) == again.map(\.nextCursor))
    }

    @Test func `a cursor that somebody made up is served, and keeps nothing`() throws {
        let made = try #require(try Self.board().made(.server("press")))
        let list = made.view.shown(.tool)
        for entries in [1, 7, 999] {
            let cursor = try ListCursor.page(of: list, after: nil, entriesMax: entries, bytesMax: .max).cursor
            let page = try made.shelf.page(of: .tools, in: made.view, from: cursor)
            #expect(page.items.first == list[entries].definition && page.items.count == 1_000)
            #expect(page.written == nil)
        }
        #expect(throws: ListCursor.Stale.self) {
            try made.shelf.page(of: .tools, in: made.view, from: "1.5.abc")
        }
    }

    @Test func `a page before which nobody has read is not kept, and is the same`() throws {
        let made = try #require(try Self.board().made(.server("press")))
        let list = made.view.shown(.tool)
        let cursor = try ListCursor.page(of: list, after: nil, entriesMax: 1_000, bytesMax: .max).cursor
        let early = try made.shelf.page(of: .tools, in: made.view, from: cursor)
        let pages = try Self.read(made)
        #expect(early.written == nil && pages[1].written != nil)
        #expect(early.items == pages[1].items && early.nextCursor == pages[1].nextCursor)
    }

    @Test func `kept pages go with their view`() throws {
        let board = try Self.board()
        weak var former: WrittenPage?
        do {
            let made = try #require(board.made(.server("press")))
            let page = try #require(try Self.read(made).first)
            former = page.written
            _ = page.written?.result(.modern, ["name": "a"]) { .array(page.items) }
            #expect(board.writtenRoom.bytes > 10_000)
        }
        #expect(former != nil)
        board.publish(try CatalogSnapshot.sample().with("press", .tools("other")))
        #expect(former == nil && board.writtenRoom.bytes == 0)
        let made = try #require(board.made(.server("press")))
        #expect(try Self.read(made).map(\.items.count) == [1])
    }

    @Test func `a description is made once, and anew when the node is called otherwise`() throws {
        let made = try #require(try Self.board(tools: 1).made(.server("press")))
        let said = Box<String>()
        func ask(_ node: String) -> EndpointDescription {
            made.shelf.description(of: made.view, on: node) {
                said.add(node)
                return EndpointDescription(serverInfo: ["name": .string(node)], capabilities: [:])
            }
        }
        for node in ["a", "a", "b", "b", "a"] { #expect(ask(node).serverInfo["name"]?.string == node) }
        #expect(said.values == ["a", "b", "a"])
    }

    @Test func `searched and whole lists of one view are kept apart`() throws {
        let board = try Self.board(tools: 3)
        let made = try #require(board.made(.server("press")))
        let searched = try #require(board.view(EndpointName(.server("press"), mode: .search)))
        let whole = try made.shelf.page(of: .tools, in: made.view, from: nil)
        let few = try made.shelf.page(of: .tools, in: searched, from: nil)
        #expect(whole.items.count == 3)
        #expect(few.items == SearchTools.definitions)
        #expect(try made.shelf.page(of: .tools, in: made.view, from: nil).items == whole.items)
        #expect(try made.shelf.page(of: .tools, in: searched, from: nil).written === few.written)
    }
}
