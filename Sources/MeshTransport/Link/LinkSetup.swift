import Catalog
import Mesh

/// What a link is set up with; the same for TCP and for circuits.
struct LinkSetup {
    var id: LinkID
    var openedByMe: Bool
    /// What was dialled; `nil` for an accepted link.
    var address: String?
    /// Whom we meant to reach, when it is known.
    var expecting: NodeID?
    /// Whom the link crosses, where it carries calls only and is not listed: nobody, on a socket of its own, or the relays of
    /// its circuit. `nil`: it is to stand.
    var circuit: [NodeID]?
    var verdict: HandshakeVerdict
    var hello: Hello
    var tally: LinkTally
    var now: @Sendable () -> Instant
}

/// Who owns links: told of their lives, on their loop.
protocol LinkOwner: AnyObject {
    func linkUp(_ link: LinkHandler)
    func linkDown(_ link: LinkHandler, _ why: LinkError)
    /// - Returns: whether the frame was taken; if not, more came than we can take in and the link ends.
    func control(_ frame: Frame, from link: LinkHandler) -> Bool
    func measured(_ roundTrip: Duration, on link: LinkHandler)
    func opened(_ stream: LinkStream, _ kind: StreamKind, header: [UInt8], on link: LinkHandler)
}
