/// The hashes of a log's records, and the proofs that they give (RFC 6962 §2.1).
///
/// Proofs are made here from all hashes, O(*n*) each; what checks them (``MerkleProof``) has only the proof.
package struct MerkleTree: Sendable {
    package private(set) var leaves: [MerkleHash]

    package init(leaves: [MerkleHash] = []) { self.leaves = leaves }

    package mutating func append(_ record: [UInt8]) { leaves.append(.leaf(record)) }

    package var root: MerkleHash { Self.root(of: leaves[...]) }

    /// The root as it was when there were `size` records; `nil` if there never were.
    package func root(at size: Int) -> MerkleHash? {
        leaves.indices.contains(size - 1) || size == 0 ? Self.root(of: leaves.prefix(size)) : nil
    }

    /// That the record at `index` is one of the first `size`; `nil` if it is not.
    package func inclusion(of index: Int, in size: Int) -> [MerkleHash]? {
        guard index >= 0, index < size, size <= leaves.count else { return nil }
        return Self.path(to: index, in: leaves.prefix(size))
    }

    /// That the first `size` records are the beginning of the first `later`; `nil` if there never were as many.
    package func consistency(from size: Int, to later: Int) -> [MerkleHash]? {
        guard size >= 0, size <= later, later <= leaves.count else { return nil }
        guard size > 0 else { return [] }
        return Self.subproof(size, in: leaves.prefix(later), isWhole: true)
    }

    // MARK: - The three definitions of the RFC, MTH, PATH and SUBPROOF

    private static func root(of leaves: ArraySlice<MerkleHash>) -> MerkleHash {
        var frontier = MerkleFrontier()
        leaves.forEach { frontier.append($0) }
        return frontier.root
    }

    private static func path(to index: Int, in leaves: ArraySlice<MerkleHash>) -> [MerkleHash] {
        guard leaves.count > 1 else { return [] }
        let half = half(of: leaves.count)
        let (left, right) = (leaves.prefix(half), leaves.dropFirst(half))
        return index < half
            ? path(to: index, in: left) + [root(of: right)]
            : path(to: index - half, in: right) + [root(of: left)]
    }

    private static func subproof(
        _ size: Int, in leaves: ArraySlice<MerkleHash>, isWhole: Bool
    ) -> [MerkleHash] {
        guard size < leaves.count else { return isWhole ? [] : [root(of: leaves)] }
        let half = half(of: leaves.count)
        let (left, right) = (leaves.prefix(half), leaves.dropFirst(half))
        return size <= half
            ? subproof(size, in: left, isWhole: isWhole) + [root(of: right)]
            : subproof(size - half, in: right, isWhole: false) + [root(of: left)]
    }

    /// The greatest power of two that is less than `count`, which is over one.
    private static func half(of count: Int) -> Int {
        1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount)
    }
}
