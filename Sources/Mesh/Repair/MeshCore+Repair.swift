import Catalog

/// What is under way on one link to find out what differs.
struct RepairState: Sendable {
    /// A digest went out: buckets may come, once, or rows until their last page.
    var asked = false
    /// Of such rows, the last that came; the next page goes on there.
    var rowsTo: DocumentKey?
    /// Buckets went out: rows of some of them may come, until their last page.
    var offered: UInt8?
    /// When the peer's digest was last answered.
    var answeredAt: Instant?
}

/// Finds what spread has missed: root hash, then the hashes of buckets, then the rows of those that differ.
///
/// The one who asks says its root; the other answers with its buckets; the first one says its rows of those that
/// differ, and the other gives and asks for what is missing. One document of a thousand costs some kilobytes.
extension MeshCore {
    /// Asks a neighbour whether it holds the same.
    mutating func compare(with link: LinkID) {
        repairs[link, default: RepairState()].asked = true
        repairs[link]?.rowsTo = nil
        outbox.send(.digest(store.digest()), link)
    }

    mutating func answer(_ digest: Digest, to link: LinkID) {
        guard digest != store.digest() else { return }
        // A long answer to a short question: not more often than an honest peer asks.
        if let answered = repairs[link]?.answeredAt, now - answered < Self.repairAnswersEvery { return }
        repairs[link, default: RepairState()].answeredAt = now
        guard knowsBuckets(link), max(store.count, Int(digest.count)) > limits.rowsWithoutBuckets else {
            return sayRows(of: nil, to: link)
        }
        let buckets = store.bucketDigest()
        repairs[link]?.offered = buckets.level
        outbox.send(.bucketDigest(buckets), link)
    }

    mutating func take(_ theirs: BucketDigest, from link: LinkID) {
        // Only as an answer: going through all rows is not to be had for the asking.
        guard repairs[link]?.asked == true else { return }
        repairs[link]?.asked = false
        guard let differing = store.bucketDigest(level: theirs.level).differing(from: theirs),
            !differing.isEmpty
        else { return }
        sayRows(of: differing, to: link)
    }

    mutating func take(_ rows: BucketRows, from link: LinkID, _ peer: NodeID) {
        guard repairs[link]?.offered == rows.buckets.level else { return }
        if rows.page.isLast { repairs[link]?.offered = nil }
        settle(store.compare(rows.page, of: rows.buckets), with: link, peer)
    }

    mutating func take(_ page: DigestPage, from link: LinkID, _ peer: NodeID) {
        // Only as an answer, and each row once.
        guard repairs[link]?.asked == true, page.after == repairs[link]?.rowsTo else { return }
        repairs[link]?.rowsTo = page.rows.last?.key
        if page.isLast || page.rows.isEmpty { repairs[link]?.asked = false }
        settle(store.compare(page), with: link, peer)
    }

    private mutating func settle(
        _ difference: (lacking: [DocumentRow], ahead: [DocumentKey]), with link: LinkID, _ peer: NodeID
    ) {
        pull(difference.lacking, from: link)
        for document in difference.ahead.compactMap({ store[$0] }) {
            guard floods.answer(document.encodedCount, to: peer, at: now) else { return }
            outbox.spread(document, to: link)
        }
    }

    private mutating func sayRows(of buckets: BucketSet?, to link: LinkID) {
        for page in store.digestPages(of: buckets) {
            let frame =
                buckets.map { Frame.bucketRows(BucketRows(buckets: $0, page: page)) } ?? .digestRows(page)
            outbox.send(frame, link)
        }
    }

    private func knowsBuckets(_ link: LinkID) -> Bool {
        neighbourhood.links[link].map { $0.facts.hello.features & Hello.comparesBuckets != 0 } ?? false
    }

    /// A new link and the regular repair may fall together; more often is not asked in good faith.
    private static let repairAnswersEvery: Duration = .milliseconds(500)
}
