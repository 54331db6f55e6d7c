import Catalog
import MCPModel
import Mesh

/// What the mesh checks of a call before the gateway sees it.
enum CallAdmission {
    /// How long a call waits for its caller's enrolment: repair between two nodes takes less than a second.
    static let enrolmentWaitMax = Duration.seconds(2)
    /// How often it is looked for.
    static let enrolmentLook = Duration.milliseconds(20)

    /// - Parameters:
    ///   - roles: what the peer's enrolment lets it do; `nil` while we do not know it.
    static func check(
        _ header: CallHeader, from peer: NodeID, roles: Roles?, me: NodeID, incarnation: UInt64
    ) throws(CallFailure) {
        guard header.owner == me else {
            throw refusal(.ownerUnreachable, "the call is for \(header.owner), this is \(me)")
        }
        guard header.ownerIncarnation == incarnation else {
            throw refusal(
                .ownerUnreachable,
                "the call is for life \(header.ownerIncarnation) of this node, which is now in \(incarnation)"
            )
        }
        guard header.principal.entryNode == peer else {
            throw refusal(
                .denied, "\(peer) passes on a call that came in at \(header.principal.entryNode)")
        }
        guard let roles else {
            throw refusal(
                .notConfirmed,
                "the enrolment of \(peer) did not arrive here within \(enrolmentWaitMax); try again")
        }
        guard roles.contains(.member) else { throw refusal(.denied, "\(peer) is no member") }
        guard roles.contains(.entry) || header.principal == .node(peer) else {
            throw refusal(
                .denied, "\(peer) has no role entry, so it may not call for others",
                hint: "enrol it with `martlet mesh token --role member --role entry`")
        }
    }

    /// Nothing of the call was done: it may go to another replica.
    private static func refusal(_ reason: Reason, _ detail: String, hint: String? = nil) -> CallFailure {
        CallFailure(reason, detail, hint: hint, isUnsent: true)
    }
}
