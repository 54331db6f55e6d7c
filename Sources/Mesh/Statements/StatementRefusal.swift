package import Catalog

/// Why a statement is neither kept nor passed on.
package enum StatementRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case malformed(WireError)
    case badEnrolment(EnrolmentProblem)
    case badSignature
    case beyondRole(signer: NodeID, verb: StatementVerb, owner: NodeID)
    case tooMany(signer: NodeID, max: Int)
    /// Members together; operators have room of their own.
    case bookFull(max: Int)

    /// Whether an honest node, which checks what it passes on, never shows it.
    var isForgery: Bool {
        switch self {
        case .malformed, .badEnrolment, .badSignature, .beyondRole: true
        case .tooMany, .bookFull: false
        }
    }

    package var description: String {
        switch self {
        case .malformed(let error): "\(error)"
        case .badEnrolment(let problem): "\(problem)"
        case .badSignature: "its signature is not its origin's"
        case .beyondRole(let signer, let verb, let owner):
            "\(signer) has no role operator, and may not \(verb) what is \(owner)'s"
        case .tooMany(let signer, let max): "\(signer) has made \(max) statements already, the most allowed"
        case .bookFull(let max): "members have made \(max) statements together, the most that is kept"
        }
    }
}
