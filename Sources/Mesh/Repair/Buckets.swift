import Catalog

/// Half a hash: enough to tell two buckets apart. Whole documents are still told apart by whole hashes, and a store by
/// its root.
package struct BucketHash: Hashable, Sendable {
    package static let byteCount = 16

    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(of bytes: [UInt8]) {
        let hash = ContentHash(of: bytes)
        high = hash.words.0
        low = hash.words.1
    }
}

/// The documents of a node in 2^`level` parts, each as one hash: the first step from "we differ" to what differs.
package struct BucketDigest: Hashable, Sendable {
    package static let levelMax: UInt8 = 12
    /// Rows that one bucket should hold: fewer would make the hashes cost more than the rows.
    static let rowsEach = 32

    package let level: UInt8
    package let hashes: [BucketHash]

    package init(level: UInt8, hashes: [BucketHash]) {
        precondition(level <= Self.levelMax && hashes.count == 1 << level, "as many hashes as buckets")
        self.level = level
        self.hashes = hashes
    }

    static func level(forRows count: Int) -> UInt8 {
        var level: UInt8 = 0
        while level < levelMax, count > rowsEach << level { level += 1 }
        return level
    }

    /// The buckets that are not the same on both sides; `nil` where the levels differ.
    func differing(from other: BucketDigest) -> BucketSet? {
        guard level == other.level else { return nil }
        var set = BucketSet(level: level)
        for (bucket, (a, b)) in zip(hashes, other.hashes).enumerated() where a != b { set.insert(bucket) }
        return set
    }
}

/// Some of 2^`level` buckets, one bit each.
package struct BucketSet: Hashable, Sendable {
    package let level: UInt8
    private(set) var bits: [UInt8]

    package init(level: UInt8) {
        precondition(level <= BucketDigest.levelMax, "no finer than buckets are")
        self.level = level
        bits = [UInt8](repeating: 0, count: Self.byteCount(level))
    }

    init(level: UInt8, bits: [UInt8]) {
        self.level = level
        self.bits = bits
    }

    static func byteCount(_ level: UInt8) -> Int { max(1, (1 << level) / 8) }

    package var isEmpty: Bool { bits.allSatisfy { $0 == 0 } }
    package var count: Int { bits.reduce(0) { $0 + $1.nonzeroBitCount } }

    package mutating func insert(_ bucket: Int) { bits[bucket / 8] |= 1 << (bucket % 8) }

    package func contains(_ bucket: Int) -> Bool { bits[bucket / 8] & 1 << (bucket % 8) != 0 }

    /// - Parameter place: of a key, as ``DocumentKey/place``.
    func holds(place: UInt16) -> Bool { contains(Int(place) >> (16 - Int(level))) }
}

/// The rows of some buckets, in pages like ``DigestPage``.
package struct BucketRows: Hashable, Sendable {
    package let buckets: BucketSet
    package let page: DigestPage

    package init(buckets: BucketSet, page: DigestPage) {
        self.buckets = buckets
        self.page = page
    }
}

extension DocumentKey {
    /// Where it falls among 65,536 places that everybody finds alike; a bucket is a run of these.
    var place: UInt16 {
        var encoder = CanonicalEncoder(reserving: 64)
        encode(to: &encoder)
        return UInt16(ContentHash(of: encoder.bytes).words.0 >> 48)
    }
}

// MARK: - Coding

extension BucketDigest: Canonical {
    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(level)
        for hash in hashes {
            encoder.put(hash.high)
            encoder.put(hash.low)
        }
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        level = try decoder.byte("bucket level")
        guard level <= Self.levelMax else { throw .invalid("bucket level") }
        guard decoder.bytesLeft >= BucketHash.byteCount << level else { throw .truncated("bucket hashes") }
        var hashes: [BucketHash] = []
        hashes.reserveCapacity(1 << level)
        for _ in 0..<(1 << level) {
            hashes.append(
                BucketHash(
                    high: try decoder.uint64("bucket hash"), low: try decoder.uint64("bucket hash")))
        }
        self.hashes = hashes
    }
}

extension BucketSet: Canonical {
    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(level)
        encoder.put(fixed: bits)
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        level = try decoder.byte("bucket level")
        guard level <= BucketDigest.levelMax else { throw .invalid("bucket level") }
        bits = try decoder.bytes(fixed: Self.byteCount(level), "buckets")
        // Fewer than eight buckets leave bits over.
        guard level >= 3 || bits[0] >> (1 << level) == 0 else { throw .invalid("buckets") }
    }
}
