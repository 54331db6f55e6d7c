package import Catalog
package import MCPModel
package import Mesh

/// A call to a server that another node owns.
package final class OutgoingMeshCall: Sendable {
    /// Owner and server; the owner is another node.
    package let server: ServerKey
    package let request: CallRequest
    /// The entry that the caller saw; the owner refuses when it has changed.
    package let entry: CallHeader.SeenEntry?
    package let virtualServer: Label?
    /// Who is calling, as this node knows the caller: who vouches, and for whom.
    package let issuer: String
    package let subject: String
    /// Whether it may have run elsewhere: only what the owner's configuration calls repeatable runs there now.
    package let isRepeat: Bool
    /// Who really asked, where an administrator calls as somebody else.
    package let assumedBy: Caller?
    /// Of a plain call, which begins the trace that it belongs to: the headers of those like it.
    package let moulds: HeaderMoulds?

    package init(
        server: ServerKey, request: CallRequest, entry: CallHeader.SeenEntry? = nil,
        virtualServer: Label? = nil, issuer: String, subject: String, isRepeat: Bool = false,
        assumedBy: Caller? = nil, moulds: HeaderMoulds? = nil
    ) {
        self.server = server
        self.request = request
        self.entry = entry
        self.virtualServer = virtualServer
        self.issuer = issuer
        self.subject = subject
        self.isRepeat = isRepeat
        self.assumedBy = assumedBy
        self.moulds = moulds
    }
}
