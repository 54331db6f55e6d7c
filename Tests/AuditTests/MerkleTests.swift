import Audit
import Crypto
import MartletTestKit
import Testing

struct MerkleTests {
    private static func tree(of count: Int) -> MerkleTree {
        var tree = MerkleTree()
        for number in 0..<count { tree.append(Array("record \(number)".utf8)) }
        return tree
    }

    /// Lines of one kind in the published data, their fields after the kind.
    private static func published(_ kind: String) throws -> [[Substring]] {
        try Fixture.text("audit/rfc6962.txt").split(separator: "\n").map { $0.split(separator: " ") }
            .filter { $0.first == kind[...] }.map { Array($0.dropFirst()) }
    }

    private static func publishedTree() throws -> MerkleTree {
        var tree = MerkleTree()
        for fields in try published("record") {
            tree.append(fields[0] == "-" ? [] : try #require(Hex.decode(fields[0])))
        }
        return tree
    }

    @Test func `the roots of the published records are the published roots`() throws {
        let (tree, lines) = (try Self.publishedTree(), try Self.published("record"))
        var frontier = MerkleFrontier()
        #expect(lines.count == 8)
        #expect(frontier.root == .empty && tree.root(at: 0) == .empty)
        for (leaf, fields) in zip(tree.leaves, lines) {
            frontier.append(leaf)
            #expect(frontier.root.bytes == Hex.decode(fields[1]))
            #expect(tree.root(at: Int(frontier.count)) == frontier.root)
        }
        #expect(frontier.count == 8 && tree.root(at: 9) == nil)
    }

    @Test func `proofs about the published records are the published proofs`() throws {
        let tree = try Self.publishedTree()
        let (inclusions, consistencies) = (try Self.published("inclusion"), try Self.published("consistency"))
        #expect(inclusions.count == 5 && consistencies.count == 4)
        for fields in inclusions + consistencies {
            let isInclusion = inclusions.contains(fields)
            let (first, second) = (try #require(Int(fields[0])), try #require(Int(fields[1])))
            let proof =
                isInclusion
                ? tree.inclusion(of: first, in: second) : tree.consistency(from: first, to: second)
            #expect(proof?.map(\.bytes) == fields.dropFirst(2).map { Hex.decode($0) ?? [] })
        }
    }

    @Test(arguments: 1...33)
    func `every record of every log is proved, and no other record by that proof`(size: Int) throws {
        let tree = Self.tree(of: 33)
        let root = try #require(tree.root(at: size))
        for index in 0..<size {
            let proof = try #require(tree.inclusion(of: index, in: size))
            let isIn = { (leaf: MerkleHash, at: Int, proof: [MerkleHash]) in
                MerkleProof.includes(leaf, at: UInt64(at), size: UInt64(size), root: root, proof: proof)
            }
            #expect(isIn(tree.leaves[index], index, proof))
            for other in 0..<size where other != index {
                #expect(!isIn(tree.leaves[other], index, proof))
                #expect(!isIn(tree.leaves[index], other, proof))
            }
            #expect(!isIn(tree.leaves[index], index, proof + [root]))
            if !proof.isEmpty { #expect(!isIn(tree.leaves[index], index, proof.dropLast())) }
        }
        #expect(tree.inclusion(of: size, in: size) == nil && tree.inclusion(of: -1, in: size) == nil)
    }

    @Test(arguments: 0...33)
    func `every log is shown to extend every earlier state of it`(size: Int) throws {
        let tree = Self.tree(of: 33)
        let earlier = (size: UInt64(size), root: try #require(tree.root(at: size)))
        for length in size...33 {
            let later = (size: UInt64(length), root: try #require(tree.root(at: length)))
            let proof = try #require(tree.consistency(from: size, to: length))
            #expect(MerkleProof.extends(earlier, to: later, proof: proof))
            #expect(!MerkleProof.extends(earlier, to: later, proof: proof + [earlier.root]))
            guard size > 0, length > size else { continue }
            #expect(!MerkleProof.extends(later, to: earlier, proof: proof))
            #expect(!MerkleProof.extends(earlier, to: later, proof: proof.dropLast()))
        }
        #expect(tree.consistency(from: size, to: 34) == nil)
    }

    @Test func `a log that was rewritten does not extend what was seen of it`() throws {
        let before = Self.tree(of: 20)
        var leaves = Self.tree(of: 29).leaves
        leaves[7] = .leaf(Array("another record".utf8))
        let after = MerkleTree(leaves: leaves)
        let proof = try #require(after.consistency(from: 20, to: 29))
        #expect(!MerkleProof.extends((20, before.root), to: (29, after.root), proof: proof))
        // Its own past, as it now pretends it was, it does extend.
        #expect(
            MerkleProof.extends((20, try #require(after.root(at: 20))), to: (29, after.root), proof: proof))
    }

    @Test func `no bit of a proof can be turned`() throws {
        let tree = Self.tree(of: 21)
        let inclusion = try #require(tree.inclusion(of: 13, in: 21))
        let consistency = try #require(tree.consistency(from: 13, to: 21))
        let earlier = try #require(tree.root(at: 13))
        for bit in 0..<(MerkleHash.length * 8) {
            for place in inclusion.indices {
                let turned = try Self.turning(bit, at: place, of: inclusion)
                #expect(
                    !MerkleProof.includes(
                        tree.leaves[13], at: 13, size: 21, root: tree.root, proof: turned))
            }
            for place in consistency.indices {
                let turned = try Self.turning(bit, at: place, of: consistency)
                #expect(!MerkleProof.extends((13, earlier), to: (21, tree.root), proof: turned))
            }
        }
    }

    @Test(arguments: [1, UInt64.max - 1, .max])
    func `a proof from a stranger is refused whatever it claims`(size: UInt64) {
        for length in [0, 1, 63, 64, 65, 66, 100_000] {
            let proof = [MerkleHash](repeating: .empty, count: length)
            #expect(!MerkleProof.includes(.empty, at: size - 1, size: size, root: .leaf([]), proof: proof))
            #expect(!MerkleProof.includes(.empty, at: size, size: size, root: .empty, proof: proof))
            #expect(!MerkleProof.extends((size - 1, .leaf([])), to: (size, .leaf([])), proof: proof))
        }
    }

    @Test func `a signed head holds for its own log, size and root alone`() throws {
        let key = Curve25519.Signing.PrivateKey()
        let log = [UInt8](repeating: 7, count: LogHead.logIDLength)
        let head = try #require(LogHead(logID: log, size: 21, root: Self.tree(of: 21).root))
        let signed = try SignedHead(head, by: key)
        #expect(signed.isValid(by: key.publicKey))
        #expect(!signed.isValid(by: Curve25519.Signing.PrivateKey().publicKey))
        let other = [UInt8](repeating: 8, count: LogHead.logIDLength)
        for changed in [
            LogHead(logID: other, size: 21, root: head.root), LogHead(logID: log, size: 22, root: head.root),
            LogHead(logID: log, size: 21, root: .empty),
        ] {
            let pretended = SignedHead(head: try #require(changed), signature: signed.signature)
            #expect(!pretended.isValid(by: key.publicKey))
        }
        #expect(LogHead(logID: [7], size: 21, root: head.root) == nil)
        #expect(head.signedBytes.count == 19 + 16 + 8 + 32)
    }

    private static func turning(
        _ bit: Int, at place: Int, of proof: [MerkleHash]
    ) throws -> [MerkleHash] {
        var (proof, bytes) = (proof, proof[place].bytes)
        bytes[bit / 8] ^= 1 << (bit % 8)
        proof[place] = try #require(MerkleHash(bytes))
        return proof
    }
}
