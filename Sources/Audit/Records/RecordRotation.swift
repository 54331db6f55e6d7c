/// When the file of records is full, and which old ones go: arithmetic on sizes.
package struct RecordRotation: Hashable, Sendable {
    /// `audit.keep`: for fewer bytes there would be no past to speak of.
    package static let keepRange = 1 << 20...64 << 30
    /// Some hundred thousand calls.
    package static let keepDefault = 256 << 20
    /// Records of one segment: a power of two, so that a segment is a whole subtree of a Merkle tree over the log.
    package static let recordsMax = 1 << 16
    /// Bytes of one segment: what a reader holds at once.
    package static let segmentBytesMax = 16 << 20
    /// Parts in which the past is let go: one sixteenth goes at a time.
    private static let parts = 16

    /// A file of records.
    package struct Segment: Hashable, Sendable {
        /// 1, 2, 3, …; never given twice.
        package var number: Int
        package var bytes: Int
        package var records: Int

        package init(number: Int, bytes: Int, records: Int) {
            self.number = number
            self.bytes = bytes
            self.records = records
        }
    }

    /// Bytes that all segments have together, at most.
    package let keep: Int
    /// Bytes at which a segment is full.
    package let segmentBytes: Int

    /// - Parameter keep: taken into ``keepRange``.
    package init(keep: Int) {
        self.keep = min(max(keep, Self.keepRange.lowerBound), Self.keepRange.upperBound)
        segmentBytes = min(self.keep / Self.parts, Self.segmentBytesMax)
    }

    /// Whether so many bytes more belong into a new segment.
    package func isFull(_ segment: Segment, forBytes count: Int) -> Bool {
        segment.records >= Self.recordsMax || (segment.bytes > 0 && segment.bytes + count > segmentBytes)
    }

    /// What goes when a new segment begins: the oldest, until a whole new one has its place too.
    ///
    /// - Parameter sizes: of the segments that there are, by their numbers.
    /// - Returns: numbers, oldest first.
    package func outgoing(of sizes: [(number: Int, bytes: Int)]) -> [Int] {
        var total = sizes.reduce(0) { $0 + $1.bytes }
        var outgoing: [Int] = []
        for (number, bytes) in sizes.sorted(by: { $0.number < $1.number }) {
            guard total + segmentBytes > keep else { break }
            total -= bytes
            outgoing.append(number)
        }
        return outgoing
    }
}
