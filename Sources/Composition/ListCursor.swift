import JSONSlice

/// One page of a list, and where the next one begins.
package struct CutPage: Sendable {
    package let entries: ArraySlice<ListedEntry>
    /// `nil`: this page is the last.
    package let cursor: String?
}

/// Cuts a list into pages without remembering who reads it.
///
/// A cursor names the last entries that the client has seen, so that the next page begins behind them wherever they
/// stand by then: entries that come or go between two pages make no other one be lost or shown twice. (What a server
/// itself puts in another order meanwhile may be; its clients are told that the list changed.)
package enum ListCursor {
    /// The cursor is none of this list, or all that it names is gone.
    package struct Stale: Error, Hashable, Sendable {}

    /// Entries that a cursor names: as many neighbours may vanish between two pages without harm.
    static let anchorsMax = 4
    private static let version = "1"

    /// - Parameters:
    ///   - cursor: of an earlier page; `nil`: from the start. It is the client's to invent, so it only ever selects.
    ///   - entriesMax: on one page.
    ///   - bytesMax: of the definitions on one page; one entry is always there.
    /// - Complexity: O(entries of the page), and O(entries of the list) when it changed meanwhile.
    package static func page(
        of list: [ListedEntry], after cursor: String?, entriesMax: Int, bytesMax: Int
    ) throws(Stale) -> CutPage {
        page(
            of: list, from: try start(of: list, after: cursor), entriesMax: entriesMax, bytesMax: bytesMax)
    }

    /// The place of the first entry behind a cursor.
    ///
    /// - Complexity: O(1), and O(entries of the list) when it changed meanwhile.
    package static func start(of list: [ListedEntry], after cursor: String?) throws(Stale) -> Int {
        try cursor.map { text throws(Stale) in try place(of: text, in: list) } ?? 0
    }

    /// - Parameter start: from 0 to the number of entries.
    /// - Complexity: O(entries of the page)
    package static func page(
        of list: [ListedEntry], from start: Int, entriesMax: Int, bytesMax: Int
    ) -> CutPage {
        var end = start
        var bytes = 0
        while end < list.count, end - start < entriesMax {
            bytes += list[end].definition.bytes.count + 1
            guard bytes <= bytesMax || end == start else { break }
            end += 1
        }
        return CutPage(entries: list[start..<end], cursor: end < list.count ? text(at: end, in: list) : nil)
    }

    // MARK: - `1.PLACE.LAST.BEFORE…`, all in hexadecimal

    private static func text(at place: Int, in list: [ListedEntry]) -> String {
        let anchors = list[..<place].suffix(anchorsMax).reversed().map { String(mark(of: $0), radix: 16) }
        return ([version, String(place, radix: 16)] + anchors).joined(separator: ".")
    }

    private static func place(of text: String, in list: [ListedEntry]) throws(Stale) -> Int {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (3...2 + anchorsMax).contains(parts.count), parts[0] == version,
            let place = Int(parts[1], radix: 16), place > 0
        else { throw Stale() }
        for (distance, part) in parts.dropFirst(2).enumerated() {
            guard let mark = UInt64(part, radix: 16) else { throw Stale() }
            let expected = place - 1 - distance
            if list.indices.contains(expected), self.mark(of: list[expected]) == mark { return expected + 1 }
            if let found = list.firstIndex(where: { self.mark(of: $0) == mark }) { return found + 1 }
        }
        throw Stale()
    }

    /// FNV-1a over what an entry is called: short, and the same on every node and after every restart.
    private static func mark(of entry: ListedEntry) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in entry.name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return hash
    }
}
