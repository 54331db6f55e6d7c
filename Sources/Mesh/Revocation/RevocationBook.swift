package import Catalog

/// All revocations that a node holds, and what follows from them.
///
/// Taking one in is commutative and idempotent: the same revocations, in whatever order, make the same book. (One
/// exception, open to a hostile issuer only: what it says of a node that the root makes an issuer is dropped when
/// that is learnt.)
package struct RevocationBook: Sendable {
    package enum Outcome: Hashable, Sendable {
        /// News. `dropped`: words of its target that stand no more.
        case taken(dropped: [RevocationKey])
        case known
        /// Another of its key stands.
        case outdated
        case refused(RevocationRefusal)
    }

    package private(set) var all: [RevocationKey: Revocation] = [:]
    /// Of each target: the issuers who revoked it.
    private var signers: [NodeID: Set<NodeID>] = [:]
    private var counts: [NodeID: Int] = [:]
    private var digestMade: Digest?
    private let perSignerMax: Int

    package init(perSignerMax: Int = MeshLimits().documentsPerOrigin) { self.perSignerMax = perSignerMax }

    package var count: Int { all.count }
    package var targets: Set<NodeID> { Set(all.keys.map(\.target)) }

    /// - Parameter isIssuer: whether the root made a node an issuer, as far as is known here.
    package mutating func take(
        _ revocation: Revocation, under trust: MeshTrust, by checker: SignatureChecker,
        isIssuer: (NodeID) -> Bool
    ) -> Outcome {
        let key = revocation.key
        if let held = all[key] {
            if held == revocation { return .known }
            if held.beats(revocation) { return .outdated }
        }
        if let signer = key.signer {
            if let terms = terms(of: signer), !terms.revocations.contains(key.target) {
                return .refused(.signerRevoked(signer))
            }
            if isIssuer(key.target) { return .refused(.beyondRole(signer: signer, target: key.target)) }
            if all[key] == nil, counts[signer] ?? 0 >= perSignerMax {
                return .refused(.tooMany(signer: signer, max: perSignerMax))
            }
        }
        do throws(RevocationRefusal) {
            try revocation.check(under: trust, by: checker)
        } catch {
            return .refused(error)
        }
        keep(revocation)
        guard case .root(let terms) = revocation.authority else { return .taken(dropped: []) }
        let dropped = all.keys
            .filter { $0.signer == key.target && !terms.revocations.contains($0.target) }.sorted()
        for key in dropped { drop(key) }
        return .taken(dropped: dropped)
    }

    /// Forgets what issuers said of a node that turns out to be one itself.
    package mutating func dropIssuersWord(on issuer: NodeID) -> [RevocationKey] {
        let dropped = (signers[issuer] ?? []).map { RevocationKey(target: issuer, signer: $0) }.sorted()
        for key in dropped { drop(key) }
        return dropped
    }

    // MARK: What follows

    /// Why an enrolment gives no authority any more.
    package func objection(to enrolment: Enrolment) -> Revocation? {
        let node = enrolment.node.id
        if let byRoot = all[RevocationKey(target: node, signer: nil)] { return byRoot }
        if !enrolment.roles.contains(.issuer), let byIssuer = byIssuer(node) { return byIssuer }
        guard enrolment.issuer != node,
            let fallen = all[RevocationKey(target: enrolment.issuer, signer: nil)],
            case .root(let terms) = fallen.authority,
            !terms.enrolments.contains(KeptEnrolment(node: node, serial: enrolment.serial))
        else { return nil }
        return fallen
    }

    /// Why a node, of which no more than the id is known, is not let in.
    package func objection(to node: NodeID) -> Revocation? {
        all[RevocationKey(target: node, signer: nil)] ?? byIssuer(node)
    }

    /// Why no certificate of an issuer is believed any more.
    package func objection(toIssuer issuer: NodeID) -> Revocation? {
        all[RevocationKey(target: issuer, signer: nil)]
    }

    private func byIssuer(_ node: NodeID) -> Revocation? {
        signers[node]?.min().flatMap { all[RevocationKey(target: node, signer: $0)] }
    }

    /// What of a node's signing stands, if the root has revoked it.
    package func rootTerms(of node: NodeID) -> RootTerms? { terms(of: node) }

    private func terms(of issuer: NodeID) -> RootTerms? {
        guard case .root(let terms)? = all[RevocationKey(target: issuer, signer: nil)]?.authority else {
            return nil
        }
        return terms
    }

    // MARK: Exchange

    /// Equal digests, equal books.
    package mutating func digest() -> Digest {
        if let digestMade { return digestMade }
        var encoder = CanonicalEncoder(reserving: all.count * 64)
        for (key, revocation) in all.sorted(by: { $0.key < $1.key }) {
            encoder.put(fixed: key.bytes)
            encoder.put(revocation.hash)
        }
        let digest = Digest(count: UInt32(clamping: all.count), root: ContentHash(of: encoder.bytes))
        digestMade = digest
        return digest
    }

    /// Everything, in as few frames as it fits, the last one marked; one empty frame when there is nothing. The root's
    /// words come first, since what issuers said may stand by them only.
    package var frames: [Frame] {
        var batches: [[[UInt8]]] = [[]]
        var size = 0
        let ordered = all.values.sorted { a, b in
            (a.signer == nil) == (b.signer == nil) ? a.key < b.key : a.signer == nil
        }
        for revocation in ordered {
            let bytes = revocation.encoded
            let last = batches.count - 1
            if !batches[last].isEmpty,
                size + bytes.count + 4 > Revocation.bytesMax || batches[last].count == Frame.documentsMax
            {
                batches.append([])
                size = 0
            }
            batches[batches.count - 1].append(bytes)
            size += bytes.count + 4
        }
        return batches.enumerated().map { index, batch in
            .statements(batch, isLast: index == batches.count - 1)
        }
    }

    // MARK: Parts

    private mutating func keep(_ revocation: Revocation) {
        let key = revocation.key
        if all[key] == nil, let signer = key.signer {
            counts[signer, default: 0] += 1
            signers[key.target, default: []].insert(signer)
        }
        all[key] = revocation
        digestMade = nil
    }

    private mutating func drop(_ key: RevocationKey) {
        guard all.removeValue(forKey: key) != nil else { return }
        digestMade = nil
        guard let signer = key.signer else { return }
        counts[signer, default: 1] -= 1
        signers[key.target]?.remove(signer)
        if signers[key.target]?.isEmpty == true { signers[key.target] = nil }
    }
}
