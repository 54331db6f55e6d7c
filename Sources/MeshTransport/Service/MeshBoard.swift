package import Catalog
import Mesh
import Synchronization

/// One link as `status` shows it.
package struct LinkStatus: Hashable, Sendable {
    package var peer: NodeID
    /// Ids crossed on the way, the peer not counted; empty: a direct link. Of a circuit that the peer opened, only
    /// the last is known.
    package var via: [NodeID]
    package var openedByMe: Bool
    /// What was dialled; `nil` for an accepted link.
    package var address: String?
    /// The kernel's smoothed round trip; `nil` on circuits, which have no socket of their own.
    package var roundTrip: Duration?
    /// On this process's monotonic clock.
    package var since: Instant
    package var software: String
    package var streams: Int
}

/// What anybody may read at any time without waiting for the mesh: replaced whole, by its one writer each.
final class MeshBoard: Sendable {
    struct Content: Sendable {
        var snapshot: CatalogSnapshot
        var links: [LinkStatus] = []
        /// Grows whenever they may be others.
        var linksVersion: UInt64 = 0
        var candidates: [Neighbourhood.KnownAddress] = []
        /// The latest, oldest first.
        var notices: [MeshNotice] = []
        /// Who says more than this node takes in, now.
        var floods: [Flood] = []
        /// Who is no more of the mesh.
        var revocations = RevocationBook()
        /// Decisions on what may be called, whether they count or not.
        var statements = StatementBook()
        var ownRevocation: Revocation?
        /// What this node once said of its vault, as far as that was more than it had then, and nobody has accepted that.
        var vaultRemembered: UInt64?
        var leaf: LeafStatus?
    }

    private let content: Mutex<Content>
    let tally = LinkTally()

    init(me: NodeID) { content = Mutex(Content(snapshot: CatalogSnapshot(me: me))) }

    var snapshot: CatalogSnapshot { content.withLock { $0.snapshot } }
    var isConfirmed: Bool { content.withLock { $0.snapshot.isConfirmed } }
    var links: [LinkStatus] { content.withLock { $0.links } }
    var linksVersion: UInt64 { content.withLock { $0.linksVersion } }
    var candidates: [Neighbourhood.KnownAddress] { content.withLock { $0.candidates } }
    var notices: [MeshNotice] { content.withLock { $0.notices } }
    var floods: [Flood] { content.withLock { $0.floods } }

    var revocations: RevocationBook { content.withLock { $0.revocations } }
    var statements: StatementBook { content.withLock { $0.statements } }
    var vaultRemembered: UInt64? { content.withLock { $0.vaultRemembered } }
    var ownRevocation: Revocation? { content.withLock { $0.ownRevocation } }
    var leaf: LeafStatus? { content.withLock { $0.leaf } }

    /// Why a node is not let in, whatever its certificate says.
    func objection(to node: NodeID) -> String? {
        content.withLock { $0.revocations.objection(to: node) }.map { MeshCore.describe($0) }
    }

    /// Why no certificate of an issuer is believed.
    func objection(toIssuer issuer: NodeID) -> String? {
        content.withLock { $0.revocations.objection(toIssuer: issuer) }.map { MeshCore.describe($0) }
    }

    /// What a node may do; `nil` while it is not known.
    func roles(of node: NodeID) -> Roles? { content.withLock { $0.snapshot.nodes[node]?.roles } }

    func node(_ id: NodeID) -> NodeRecord? { content.withLock { $0.snapshot.nodes[id] } }

    /// What a call has to know of the node that owns its server.
    struct Owner {
        var label: Label
        var reachability: NodeRecord.Reachability
        /// Whether a peer has confirmed what this node knows.
        var isConfirmed: Bool
    }

    func owner(_ node: NodeID) -> Owner? {
        content.withLock { content in
            content.snapshot.nodes[node].map {
                Owner(
                    label: $0.label, reachability: $0.reachability, isConfirmed: content.snapshot.isConfirmed)
            }
        }
    }

    func write(_ body: (inout Content) -> Void) { content.withLock { body(&$0) } }
}
