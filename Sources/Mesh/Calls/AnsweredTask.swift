package import Catalog
package import MCPModel

/// A task that the answer to another node's call names (`io.modelcontextprotocol/tasks`): its caller learns of it with
/// the answer, and nobody else ever does.
package struct AnsweredTask: Hashable, Sendable {
    package var server: Label
    package var id: String
    /// Whose it is.
    package var principal: WirePrincipal

    package init(server: Label, id: String, principal: WirePrincipal) {
        self.server = server
        self.id = id
        self.principal = principal
    }

    /// - Returns: `nil` where the event names none.
    package init?(in event: CallEvent, from server: Label, for principal: WirePrincipal) {
        guard case .result(let result) = event, result["resultType"]?.string == TasksExtension.resultType,
            let id = result["taskId"]?.string
        else { return nil }
        self.init(server: server, id: id, principal: principal)
    }
}
