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
