package import Catalog
package import Mesh

/// What an administrator ends.
extension MeshService {
    /// Revokes a node that is no issuer.
    package func revoke(_ node: NodeID, reason: String) async throws {
        try await started()
        try order { core, now, random throws(RevokeProblem) in
            try core.revoke(node, reason: reason, at: now, using: &random)
        }
    }

    /// Revokes any node in the root's name.
    ///
    /// - Returns: the enrolments by it that stay valid.
    package func revoke(
        _ node: NodeID, reason: String, dropping: Set<NodeID>, by root: RootSigner
    ) async throws -> Set<KeptEnrolment> {
        try await started()
        let kept = core.rootTerms(revoking: node, dropping: dropping).enrolments
        try order { core, now, random throws(RevokeProblem) in
            try core.revoke(
                node, reason: reason, dropping: dropping, by: root, at: now, using: &random)
        }
        return kept
    }

    /// Lets more enrolments by a revoked issuer stand than the root's word on it did.
    package func correct(
        revocationOf node: NodeID, keeping: Set<KeptEnrolment>, by root: RootSigner
    ) async throws {
        try await started()
        try order { core, now, random throws(RevokeProblem) in
            try core.correct(revocationOf: node, keeping: keeping, by: root, at: now, using: &random)
        }
    }

    /// What of a node's signing would end if the root revoked it now, and these nodes with it.
    package func enrolments(by node: NodeID, of dropped: Set<NodeID>) -> Set<KeptEnrolment> {
        Set(
            core.nodes.filter { dropped.contains($0.key) && $0.value.enrolment.issuer == node }.map {
                KeptEnrolment(node: $0.key, serial: $0.value.enrolment.serial)
            })
    }

    /// All that was revoked, as this node knows.
    package nonisolated var revocations: RevocationBook { board.revocations }
    /// What every node's own document says, its enrolment first.
    package var nodeBodies: [NodeID: NodeBody] { core.nodes }
    /// Why this node itself is no more of the mesh.
    package nonisolated var ownRevocation: Revocation? { board.ownRevocation }
}
