import Catalog
import MCPModel
import Mesh
import Synchronization

/// The header of one caller's plain calls of one tool of another node, kept between them.
///
/// One at a time: a client says the same of itself in each of its calls, and an owner starts seldom again.
package final class HeaderMoulds: Sendable {
    private let kept = Mutex<CallHeaderMould?>(nil)

    package init() {}

    /// - Parameters:
    ///   - call: what is sent; its client says nothing of a trace.
    ///   - hello: of the link that it goes out on.
    ///   - header: makes the whole of it, where it is none that is known.
    /// - Returns: `nil` where such headers are not kept.
    func bytes(
        of cast: CallHeaderMould.Cast, _ call: OutgoingMeshCall, for hello: Hello, from me: NodeID,
        header: () -> CallHeader
    ) -> [UInt8]? {
        if let mould = kept.withLock({ $0 }), mould.header.fits(call, hello, me) {
            return mould.bytes(of: cast)
        }
        var first = header()
        // What is kept does not hold the message that it stood in.
        first.client.capabilities = first.client.capabilities.detached
        first.client.info = first.client.info?.detached
        guard let mould = CallHeaderMould(first) else { return nil }
        kept.withLock { $0 = mould }
        return mould.bytes(of: cast)
    }
}

extension CallHeader {
    /// All but what is cast; the rest of what a header says is the same for every plain call.
    fileprivate func fits(_ call: OutgoingMeshCall, _ hello: Hello, _ me: NodeID) -> Bool {
        owner == hello.node && ownerIncarnation == hello.incarnation
            && principal == WirePrincipal(issuer: call.issuer, subject: call.subject, entryNode: me)
            && server == call.server.name && entry == call.entry && virtualServer == call.virtualServer
            && method == call.request.method && assumedBy == call.assumedBy
            && client.capabilities == call.request.client.capabilities
            && client.info == call.request.client.info
    }
}
