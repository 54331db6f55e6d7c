package import Catalog

/// An issuer's book of the tokens it made: what each is good for, how often still, how long, and who came.
///
/// Time is the issuer's monotonic clock; the shell restores the book after a start with what was left.
package struct JoinLedger: Sendable {
    /// Tokens kept, spent and expired ones included, so that their holders hear why.
    package static let tokensMax = 1_000

    /// A label on its way to a node.
    package struct Claim: Hashable, Sendable {
        package var node: NodeID
        package var label: Label
    }

    package struct Entry: Hashable, Sendable {
        package var token: JoinToken
        package var usesLeft: UInt16
        package var expires: Instant
        package var isRevoked = false
        /// Requests that were granted, by hash, each with its answer for when it is repeated.
        package var granted: [ContentHash: JoinGrant] = [:]
        /// Requests whose certificate is being made; each holds a use.
        package var pending: [ContentHash: Claim] = [:]

        package init(token: JoinToken, usesLeft: UInt16, expires: Instant) {
            self.token = token
            self.usesLeft = usesLeft
            self.expires = expires
        }
    }

    package private(set) var entries: [JoinTokenID: Entry] = [:]

    package init() {}

    /// Writes a new token, or one read back from disk, into the book; the one that expired first makes room.
    package mutating func add(_ entry: Entry) {
        if entries.count >= Self.tokensMax, entries[entry.token.id] == nil,
            let oldest = entries.min(by: {
                ($0.value.expires, $0.key.description) < ($1.value.expires, $1.key.description)
            })
        {
            entries[oldest.key] = nil
        }
        entries[entry.token.id] = entry
    }

    package mutating func add(_ token: JoinToken, at now: Instant) {
        add(
            Entry(
                token: token, usesLeft: token.uses, expires: now + .seconds(Int64(token.lifeSeconds))))
    }

    package mutating func revoke(_ id: JoinTokenID) { entries[id]?.isRevoked = true }

    /// Whether the holder of a token may have one (more) node in with this request.
    ///
    /// - Returns: the answer it got before, if this is a repetition.
    package func check(
        _ id: JoinTokenID, request: ContentHash, at now: Instant
    ) throws(JoinRefusal) -> JoinGrant? {
        guard let entry = entries[id] else { throw .unknownToken }
        // A repetition gets its answer even after the token's life: the use was counted when it was alive.
        if let grant = entry.granted[request], !entry.isRevoked { return grant }
        guard !entry.isRevoked else { throw .revokedToken }
        guard now < entry.expires else { throw .expired }
        guard entry.pending[request] == nil else { throw .busy }
        guard entry.usesLeft > 0 else { throw .usedUp }
        return nil
    }

    /// Who was promised a label here, though the mesh may not have heard of it yet.
    package func holder(of label: Label) -> NodeID? {
        for entry in entries.values {
            if let claim = entry.pending.values.first(where: { $0.label == label }) { return claim.node }
            if let grant = entry.granted.values.first(where: { $0.enrolment.label == label }) {
                return grant.enrolment.node.id
            }
        }
        return nil
    }

    /// Sets a use aside while the certificate is made, so that two joins cannot have the last one.
    mutating func reserve(_ id: JoinTokenID, request: ContentHash, _ claim: Claim) {
        guard var entry = entries[id], entry.usesLeft > 0, entry.pending[request] == nil else { return }
        entry.pending[request] = claim
        entry.usesLeft -= 1
        entries[id] = entry
    }

    mutating func release(_ id: JoinTokenID, request: ContentHash) {
        guard var entry = entries[id], entry.pending.removeValue(forKey: request) != nil else { return }
        entry.usesLeft += 1
        entries[id] = entry
    }

    mutating func grant(_ id: JoinTokenID, request: ContentHash, _ grant: JoinGrant) {
        guard var entry = entries[id], entry.pending.removeValue(forKey: request) != nil else { return }
        entry.granted[request] = grant
        entries[id] = entry
    }
}
