package import Catalog

/// Why an enrolment gives no authority here.
package enum EnrolmentProblem: Error, Hashable, Sendable, CustomStringConvertible {
    case otherMesh(MeshID)
    case grantNotByRoot(issuer: NodeID)
    case notSignedByIssuer(issuer: NodeID)
    case otherKey(enrolled: NodeID, claimed: NodeID)
    /// The role issuer is the root's to give: it stands under the node's own grant only.
    case issuerNotByRoot(NodeID)

    package var description: String {
        switch self {
        case .otherMesh(let mesh): "the enrolment is of another mesh, \(mesh)"
        case .grantNotByRoot(let issuer): "the root of this mesh never let \(issuer) enrol nodes"
        case .notSignedByIssuer(let issuer): "the enrolment is not signed by its issuer \(issuer)"
        case .otherKey(let enrolled, let claimed): "\(claimed) shows the enrolment of \(enrolled)"
        case .issuerNotByRoot(let node): "\(node) shows the role issuer without a grant of the root to itself"
        }
    }
}

/// An issuer's word on who a node is and what it may do; does not expire.
///
/// It travels in the node document and carries the issuer's own ``IssuerGrant``, so that whoever knows the root
/// key can check it alone.
package struct Enrolment: Hashable, Sendable, Canonical {
    package let mesh: MeshID
    package let node: NodeKey
    package let label: Label
    package let roles: Roles
    package let segment: Label
    /// The issuer's own count, so that two enrolments of one node can be told apart.
    package let serial: UInt64
    package let grant: IssuerGrant
    package let signature: Signature

    package var issuer: NodeID { grant.issuer.id }

    /// Enrols a node.
    ///
    /// - Parameter signer: of the issuer that `grant` names.
    package init(
        of node: NodeKey, label: Label, roles: Roles, segment: Label, serial: UInt64, grant: IssuerGrant,
        by signer: Signer
    ) throws(SigningFailure) {
        guard signer.key == grant.issuer else {
            throw SigningFailure("the grant is for \(grant.issuer.id), the key is of \(signer.key.id)")
        }
        mesh = grant.mesh
        self.node = node
        self.label = label
        self.roles = roles
        self.segment = segment
        self.serial = serial
        self.grant = grant
        signature = try signer.sign(
            Self.message(
                mesh: grant.mesh, node: node, label: label, roles: roles, segment: segment, serial: serial,
                issuer: grant.issuer.id))
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        mesh = try decoder.fingerprint("mesh id")
        node = try decoder.value(NodeKey.self)
        label = try decoder.label("label")
        roles = Roles(rawValue: try decoder.byte("roles"))
        segment = try decoder.label("segment")
        serial = try decoder.uint64("serial")
        grant = try decoder.value(IssuerGrant.self)
        signature = try decoder.value(Signature.self)
        guard roles.isSubset(of: .all) else { throw .invalid("roles") }
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(mesh)
        encoder.put(node)
        encoder.put(label)
        encoder.put(roles.rawValue)
        encoder.put(segment)
        encoder.put(serial)
        encoder.put(grant)
        encoder.put(signature)
    }

    /// Checks mesh, grant and signature: two signatures, the costly part of taking a node in.
    package func check(under trust: MeshTrust, by checker: SignatureChecker) throws(EnrolmentProblem) {
        guard mesh == trust.mesh, grant.mesh == trust.mesh else { throw .otherMesh(mesh) }
        guard grant.isValid(under: trust, by: checker) else { throw .grantNotByRoot(issuer: issuer) }
        let message = Self.message(
            mesh: mesh, node: node, label: label, roles: roles, segment: segment, serial: serial,
            issuer: issuer)
        guard checker.node(grant.issuer, signature, message) else { throw .notSignedByIssuer(issuer: issuer) }
    }

    /// Whether the role issuer, if it is among the roles, comes from the root: a further issuer shows a grant of its
    /// own (docs/decisions/0014).
    package var isIssuerByRoot: Bool { !roles.contains(.issuer) || issuer == node.id }

    private static func message(
        mesh: MeshID, node: NodeKey, label: Label, roles: Roles, segment: Label, serial: UInt64,
        issuer: NodeID
    ) -> [UInt8] {
        var encoder = SigningPurpose.enrolment.encoder(for: mesh)
        encoder.put(node)
        encoder.put(label)
        encoder.put(roles.rawValue)
        encoder.put(segment)
        encoder.put(serial)
        encoder.put(issuer)
        return encoder.bytes
    }
}
