/// Checks proofs about a log by somebody who has its heads and not its records (RFC 9162 §2.1.3.2 and §2.1.4.2).
///
/// Bounded by the proof's length, which is at most 64 for what can be true; a longer one is refused unread.
package enum MerkleProof {
    /// Hashes in a proof at most: as many as a size has bits, and one.
    package static let lengthMax = UInt64.bitWidth + 1

    /// Whether `leaf` is the record at `index` of the log with that size and root.
    package static func includes(
        _ leaf: MerkleHash, at index: UInt64, size: UInt64, root: MerkleHash, proof: [MerkleHash]
    ) -> Bool {
        guard index < size, proof.count <= lengthMax else { return false }
        var place = Place(own: index, last: size - 1)
        var hash = leaf
        for other in proof {
            guard place.last > 0 else { return false }
            if place.isRight {
                hash = .node(other, hash)
                place.climbToRight()
            } else {
                hash = .node(hash, other)
            }
            place.climb()
        }
        return place.last == 0 && hash == root
    }

    /// Whether a log with the later head begins with all that the earlier head stood for.
    package static func extends(
        _ earlier: (size: UInt64, root: MerkleHash), to later: (size: UInt64, root: MerkleHash),
        proof: [MerkleHash]
    ) -> Bool {
        guard earlier.size <= later.size, proof.count <= lengthMax else { return false }
        if earlier.size == later.size { return proof.isEmpty && earlier.root == later.root }
        if earlier.size == 0 { return proof.isEmpty && earlier.root == .empty }
        // A whole subtree is its own first step, which the proof leaves out.
        let isWhole = earlier.size & (earlier.size - 1) == 0
        guard let first = isWhole ? earlier.root : proof.first else { return false }
        var place = Place(own: earlier.size - 1, last: later.size - 1)
        place.climbWhileOdd()
        var (old, new) = (first, first)
        for other in isWhole ? proof[...] : proof.dropFirst() {
            guard place.last > 0 else { return false }
            if place.isRight {
                old = .node(other, old)
                new = .node(other, new)
                place.climbToRight()
            } else {
                new = .node(new, other)
            }
            place.climb()
        }
        return place.last == 0 && old == earlier.root && new == later.root
    }

    /// Where one stands on the way up: the own node's number in its row, and the last one's.
    private struct Place {
        var own: UInt64
        var last: UInt64

        /// Whether what comes from the proof stands left.
        var isRight: Bool { own & 1 == 1 || own == last }

        mutating func climb() {
            own >>= 1
            last >>= 1
        }

        /// A last node without a sibling is carried up as it is.
        mutating func climbToRight() { while own & 1 == 0, own != 0 { climb() } }
        mutating func climbWhileOdd() { while own & 1 == 1 { climb() } }
    }
}
