package import Catalog

/// Why the other end of a connection was not let in.
package enum PeerRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case noCertificate
    case unreadableCertificate(String)
    /// The chain does not lead to our root: another mesh, or nobody's.
    case notOfThisMesh(MeshID)
    /// All is well but for the clock; `offset` is how far outside the chain's time we are.
    case outsideItsTime(offset: Duration)
    case noSingleName
    case notForThisUse
    case notWhoWasDialled(expected: NodeID, found: NodeID)
    case ourselves
    /// The chain holds, yet the mesh does not want this node (any more).
    case notAdmitted(NodeID, why: String)
    /// The chain comes from an issuer that is no more one.
    case issuerNotAdmitted(NodeID, why: String)
    /// A guest may speak `martlet-join/1` only.
    case guestOutsideJoin
    case wrongProtocol(String?)

    package var description: String {
        switch self {
        case .noCertificate: "the peer showed no certificate"
        case .unreadableCertificate(let why): "the peer's certificate cannot be read: \(why)"
        case .notOfThisMesh(let mesh):
            "the peer's certificate does not lead to the root of mesh \(mesh); it belongs to another mesh"
        case .outsideItsTime(let offset):
            "the peer's certificate is outside its time by \(offset); check the clocks of both nodes"
        case .noSingleName: "the peer's certificate does not carry exactly one node name of this mesh"
        case .notForThisUse: "the peer's certificate is not one for both ends of a link"
        case .notWhoWasDialled(let expected, let found):
            "dialled node \(expected), but \(found) answered; the address may have changed hands"
        case .ourselves: "this node reached itself; the address is its own"
        case .notAdmitted(let node, let why): "node \(node) is not admitted: \(why)"
        case .issuerNotAdmitted(let issuer, let why):
            "the peer's certificate comes from issuer \(issuer), which is \(why); it must be renewed by another"
        case .guestOutsideJoin: "a guest spoke more than the join protocol"
        case .wrongProtocol(let found):
            "the peer speaks \(found ?? "no protocol of ours"), not \(MeshProtocol.link)"
        }
    }
}

/// Names of the protocols spoken on the mesh port, for ALPN (RFC 7301).
package enum MeshProtocol {
    /// Between members.
    package static let link = "martlet/1"
    /// Between a guest and the node it asks to be let in by.
    package static let join = "martlet-join/1"
}

/// Who the other end of a connection proved to be.
package enum PeerIdentity: Hashable, Sendable {
    case member(NodeID, leaf: ContentHash)
    /// Proved nothing but that it holds some key.
    case guest
}
