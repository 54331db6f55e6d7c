import Catalog

/// What a store says of itself, so that two find out what differs without saying all.
extension DocumentStore {
    package mutating func bucketDigest(level: UInt8? = nil) -> BucketDigest {
        let rows = rows()
        let level = level ?? BucketDigest.level(forRows: rows.count)
        var parts = [CanonicalEncoder](repeating: CanonicalEncoder(), count: 1 << level)
        for (row, place) in zip(rows, places()) {
            row.encode(to: &parts[Int(place) >> (16 - Int(level))])
        }
        return BucketDigest(level: level, hashes: parts.map { BucketHash(of: $0.bytes) })
    }

    /// - Parameter buckets: only what is in these; `nil`: all.
    package mutating func digestPages(of buckets: BucketSet? = nil) -> [DigestPage] {
        let rows = rows(of: buckets)
        var pages: [DigestPage] = []
        var start = 0
        repeat {
            let end = min(start + DigestPage.rowsMax, rows.count)
            pages.append(
                DigestPage(
                    after: start == 0 ? nil : rows[start - 1].key, rows: Array(rows[start..<end]),
                    isLast: end == rows.count))
            start = end
        } while start < rows.count
        return pages
    }

    /// Compares a page of another node's rows with what is held.
    ///
    /// - Parameter buckets: what the page is about; `nil`: all.
    /// - Returns: what to ask for, and what the other lacks, each in the order of keys.
    package mutating func compare(
        _ page: DigestPage, of buckets: BucketSet? = nil
    ) -> (lacking: [DocumentRow], ahead: [DocumentKey]) {
        let held = rows(of: buckets)
        guard let last = page.rows.last?.key ?? (page.isLast ? page.after : nil) else {
            return ([], page.isLast ? held.map(\.key) : [])
        }
        let mine = held.filter { row in
            page.after.map { row.key > $0 } ?? true && (page.isLast || row.key <= last)
        }
        let theirs = Dictionary(page.rows.map { ($0.key, $0) }) { first, _ in first }
        let ahead = mine.filter { row in theirs[row.key].map { row.beats($0) } ?? true }.map(\.key)
        return (page.rows.filter { wants($0) }, ahead)
    }

    private mutating func rows(of buckets: BucketSet?) -> [DocumentRow] {
        guard let buckets else { return rows() }
        return zip(rows(), places()).filter { buckets.holds(place: $0.1) }.map(\.0)
    }
}
