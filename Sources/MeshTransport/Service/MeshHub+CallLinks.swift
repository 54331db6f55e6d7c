import Catalog
import Mesh
import NIOCore
import NIOPosix

/// Links on sockets of their own that carry calls only: made on demand where two nodes have no standing link,
/// so that in a large mesh calls between nodes that can dial each other load no relay.
///
/// The first call goes through a circuit, since that way is known to lead there; the next ones take the link, once it is up.
extension MeshHub {
    /// Links for calls that others may have open here, beside those through circuits.
    static let acceptedCallLinksMax = 256
    /// A node that could not be dialled is reached through relays for so long before it is tried again, while it is called: it may
    /// just have been starting.
    static let callLinkSoughtAgain = Duration.seconds(5)
    /// Addresses of one node that are tried at once: one on each of two networks.
    private static let callLinkDials = 2

    /// Dials a node that is called through others, unless that was tried lately.
    func seekCallLink(to owner: NodeID) {
        let now = setup.now()
        guard !isStopping, callLinkSought.count < Self.callLinksMax else { return }
        if let last = callLinkSought[owner], now - last < Self.callLinkSoughtAgain { return }
        let addresses = whereabouts(owner).prefix(Self.callLinkDials)
        guard !addresses.isEmpty else { return }
        callLinkSought[owner] = now
        for address in addresses { dialForCalls(address, owner) }
    }

    private func dialForCalls(_ address: String, _ owner: NodeID) {
        guard let target = MeshAddress(address) else { return }
        let bound = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(LinkTimes.connectMax))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.tcpOption(.thinLinearTimeouts), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try bound.value.outfit(channel, dialled: address, expecting: owner, circuit: [])
                }
            }
            .connect(host: target.host, port: target.port)
            .assumeIsolated()
            .whenFailure { [log = setup.log] error in
                log.debug(
                    "no link for calls",
                    metadata: ["mesh.peer": "\(owner)", "mesh.reason": "\(connectProblem(error))"])
            }
    }

    /// Whether a link for calls may stay. One that this node opened needs a peer that knows such links: another would take it
    /// for a standing one.
    func admitCallLink(_ link: LinkHandler, _ hello: Hello) -> Bool {
        guard link.setup.circuit?.isEmpty ?? true else { return true }
        if link.setup.openedByMe {
            guard !hello.takesCallLinks else { return true }
            link.sayGoodbye(.surplus, "a link for calls only")
            return false
        }
        let count = links.values.count { !$0.isStanding && $0.setup.circuit == nil }
        guard count >= Self.acceptedCallLinksMax else { return true }
        link.sayGoodbye(.full, "\(count) links for calls are open here")
        return false
    }
}
