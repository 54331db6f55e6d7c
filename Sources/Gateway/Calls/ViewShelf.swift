import Catalog
import Composition
import JSONSlice
import MCPTransport
import Synchronization

/// What is made of one view for its clients, each piece once: pages of its lists, and its description. They ask for these over and
/// over.
///
/// Belongs to the view, and goes with it.
final class ViewShelf: Sendable {
    /// Entries a page; a client that wants more asks with the cursor.
    static let pageSize = 1_000
    /// Bytes of definitions a page: far below what clients take as one message.
    static let pageBytesMax = 4 * 1024 * 1024

    private struct List: Hashable {
        let kind: EntryListKind
        let isSearched: Bool
    }

    private struct Pages {
        /// By the place of their first entries.
        var kept: [Int: ListPage] = [:]
        /// Places at which those begin that somebody comes to who reads from the start. Others begin where a cursor wants it, which may be
        /// anywhere: they are not kept, so a list is kept once, however it is asked for.
        var starts: Set<Int> = [0]
    }

    private struct Described {
        /// The label of this node, which stands in it.
        let node: String
        let description: EndpointDescription
    }

    private let room: WrittenRoom
    /// By whether tools are searched.
    private let described = Mutex<[Bool: Described]>([:])
    private let lists = Mutex<[List: Pages]>([:])

    init(_ room: WrittenRoom) { self.room = room }

    /// - Parameters:
    ///   - view: the one that this belongs to, however it is shown.
    ///   - node: this node's label.
    func description(
        of view: EndpointView, on node: String, make: () -> EndpointDescription
    ) -> EndpointDescription {
        let known = described.withLock { $0[view.isSearched] }
        if let known, known.node == node { return known.description }
        let made = make()
        described.withLock { $0[view.isSearched] = Described(node: node, description: made) }
        return made
    }

    /// - Parameter view: the one that this belongs to, however it is shown.
    /// - Complexity: O(1) for a page that was asked for before
    func page(
        of kind: EntryListKind, in view: EndpointView, from cursor: String?
    ) throws(ListCursor.Stale) -> ListPage {
        let entries = view.shown(kind.entryKind)
        let start = try ListCursor.start(of: entries, after: cursor)
        let list = List(kind: kind, isSearched: view.isSearched)
        if let page = lists.withLock({ $0[list]?.kept[start] }) { return page }
        let cut = ListCursor.page(
            of: entries, from: start, entriesMax: Self.pageSize, bytesMax: Self.pageBytesMax)
        let first = view.isSearched && kind == .tools && start == 0 ? SearchTools.definitions : []
        let items = first + cut.entries.map(\.definition)
        return lists.withLock { lists in
            var pages = lists[list] ?? Pages()
            guard pages.starts.contains(start) else { return ListPage(items: items, nextCursor: cut.cursor) }
            let page =
                pages.kept[start]
                ?? ListPage(
                    items: items, nextCursor: cut.cursor, written: WrittenPage(room))
            pages.kept[start] = page
            if cut.cursor != nil { pages.starts.insert(cut.entries.endIndex) }
            lists[list] = pages
            return page
        }
    }
}
