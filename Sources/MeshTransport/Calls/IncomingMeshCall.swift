package import Catalog
package import MCPModel
package import Mesh

/// A call that another node's caller makes to a server of this node, checked as far as the mesh goes: whose
/// word it is, for whom, and that it is meant for this life of this node. Rules and pins are the gateway's.
package struct IncomingMeshCall: Sendable {
    package var server: Label
    package var request: CallRequest
    package var entry: CallHeader.SeenEntry?
    package var virtualServer: Label?
    /// Who is calling; its entry node is the peer that the link proved.
    package var principal: WirePrincipal
    /// What became of it at its first time is not known: only what configuration calls repeatable may run now.
    package var isRepeat = false
    /// `tasks/cancel` of a task that was named only in an answer which reached nobody: the mesh's own order, for its caller. It
    /// counts unless that caller has asked after the task all the same.
    package var isForNobody = false
    /// Who really asked, where an administrator of the entry node calls as somebody else: that node's word, for records.
    package var assumedBy: Caller?
}

extension WirePrincipal {
    /// A node calling in its own name, as every member may.
    package static func node(_ id: NodeID) -> WirePrincipal {
        WirePrincipal(issuer: nodeIssuer, subject: id.description, entryNode: id)
    }

    package static let nodeIssuer = "node"
}

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
