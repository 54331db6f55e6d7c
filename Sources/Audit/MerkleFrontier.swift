/// As much of a Merkle tree as it takes to append to it: the roots of its whole subtrees, largest first.
///
/// A writer keeps this instead of the log: O(log *n*) hashes for *n* records.
package struct MerkleFrontier: Hashable, Sendable {
    /// Records so far.
    package private(set) var count: UInt64 = 0
    private var peaks: [MerkleHash] = []

    package init() {}

    /// Appends the hash of one record. O(1) hashes on average, O(log *n*) at worst.
    package mutating func append(_ leaf: MerkleHash) {
        var hash = leaf
        var rest = count
        // A subtree of the same size is left of it for each low bit that is set.
        while rest & 1 == 1, let left = peaks.popLast() {
            hash = .node(left, hash)
            rest >>= 1
        }
        peaks.append(hash)
        count += 1
    }

    /// The root over all records so far. O(log *n*).
    package var root: MerkleHash {
        guard var hash = peaks.last else { return .empty }
        for left in peaks.dropLast().reversed() { hash = .node(left, hash) }
        return hash
    }
}
