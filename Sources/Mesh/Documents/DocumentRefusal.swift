package import Catalog

/// Why a document is neither kept nor passed on.
package enum DocumentRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case malformed(WireError)
    /// Its origin's node document has not arrived; asked for, together with this one.
    case unknownOrigin(NodeID)
    case badEnrolment(EnrolmentProblem)
    case badSignature
    case beyondRole(needs: Roles, has: Roles)
    case tooMany(DocumentKind, max: Int)
    /// Its origin has left, and shows the enrolment that it left with.
    case departed(NodeID)
    /// Its origin's enrolment stands no more.
    case revoked(NodeID)

    /// Whether an honest node, which checks what it passes on, never shows it.
    var isForgery: Bool {
        switch self {
        case .badEnrolment, .badSignature: true
        // What is known elsewhere may be other than what is known here, for a while; and what another version writes is read
        // no further than to its form, which costs no signature.
        case .malformed, .unknownOrigin, .beyondRole, .tooMany, .departed, .revoked: false
        }
    }

    package var description: String {
        switch self {
        case .malformed(let error): "\(error)"
        case .unknownOrigin(let origin): "nothing is known yet of its origin \(origin)"
        case .badEnrolment(let problem): "\(problem)"
        case .badSignature: "its signature is not its origin's"
        case .beyondRole(let needs, let has): "its origin would need the role \(needs), it has \(has)"
        case .tooMany(let kind, let max):
            "its origin has \(max) documents of kind \(kind) already, the most allowed"
        case .revoked(let origin): "\(origin) was revoked"
        case .departed(let origin): "\(origin) has left the mesh and was not enrolled anew"
        }
    }
}
