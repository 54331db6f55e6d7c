import Catalog

/// All documents' rows in the order of their keys: what digests are made of and compared by.
///
/// Put in order when asked for; of what is in order already, only what changed since is looked at.
struct RowIndex: Sendable {
    private var rows: [DocumentRow] = []
    /// Where each of ``rows`` falls among the buckets; `nil`: nobody asked yet.
    private var places: [UInt16]?
    /// Keys whose rows are others now, or new, or gone.
    private var changed: Set<DocumentKey> = []

    /// Past one in so many, all are put in order anew.
    private static let fewMeans = 16

    /// A document came, went, or was replaced.
    mutating func note(_ key: DocumentKey) { changed.insert(key) }

    /// - Complexity: O(rows × log rows) at first; then as few searches as there are changes.
    mutating func rows(of documents: [DocumentKey: Document]) -> [DocumentRow] {
        bringUp(to: documents)
        return rows
    }

    /// Where each of ``rows(of:)`` falls (``DocumentKey/place``).
    mutating func places(of documents: [DocumentKey: Document]) -> [UInt16] {
        bringUp(to: documents)
        if let places { return places }
        let made = rows.map(\.key.place)
        places = made
        return made
    }

    private mutating func bringUp(to documents: [DocumentKey: Document]) {
        guard !changed.isEmpty else { return }
        defer { changed = [] }
        guard changed.count * Self.fewMeans < rows.count else {
            rows = documents.values.map(\.row).sorted { $0.key < $1.key }
            places = nil
            return
        }
        for key in changed {
            let at = place(of: key)
            let isThere = at < rows.count && rows[at].key == key
            switch (documents[key], isThere) {
            case (let document?, true): rows[at] = document.row
            case (let document?, false):
                rows.insert(document.row, at: at)
                places?.insert(key.place, at: at)
            case (nil, true):
                rows.remove(at: at)
                places?.remove(at: at)
            case (nil, false): break
            }
        }
    }

    /// The first row that is not before a key.
    private func place(of key: DocumentKey) -> Int {
        var low = 0
        var high = rows.count
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
