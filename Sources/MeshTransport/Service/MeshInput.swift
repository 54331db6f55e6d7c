import Catalog
import Mesh

/// What reaches the owner of the core, in the order in which it happened.
enum MeshInput: Sendable {
    case event(MeshEvent)
    /// A frame for the core; `backlog` is told when it has been taken.
    case frame(Frame, from: LinkID, backlog: Backlog?)
    /// Effects of an administrator's order wait to be carried out.
    case effectsWaiting
    case guest(GuestID, GuestEvent)
    case stop
}

/// One guest at the issuer's desk; never used twice in one life.
struct GuestID: Hashable, Sendable {
    let number: UInt64
}

enum GuestEvent: Sendable {
    /// TLS is up; the joiner saw this leaf of ours.
    case arrived(ownLeaf: ContentHash)
    case said(JoinMessage)
    case gone
}

/// How many inputs may wait: all links' backlogs and a thousand other things. Beyond, something is broken.
let inputsMax = 64 * Backlog.framesMax
