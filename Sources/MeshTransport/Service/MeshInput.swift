import Catalog
import Mesh
import Synchronization

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

extension MeshInput {
    /// Whether it may be refused when too much waits: what peers send as fast as they like, and what comes again by
    /// itself. The rest (links and guests that come and go, dials that fail, orders) is bounded by what it is about,
    /// and one lost would leave the core with a link that is no more.
    var isRefusable: Bool {
        switch self {
        case .frame, .guest(_, .said), .event(.tick), .event(.sighted), .event(.measured): true
        case .event, .effectsWaiting, .guest, .stop: false
        }
    }
}

/// Counts the refusable inputs that wait for the core's owner.
final class InputGate: Sendable {
    /// All links' backlogs and a thousand other things. Beyond, something is broken.
    static let waitingMax = 64 * Backlog.framesMax

    private let waiting = Atomic<Int>(0)

    /// - Returns: whether one more may wait; if so, ``leave(_:)`` must follow.
    func enter(_ input: MeshInput) -> Bool {
        guard input.isRefusable else { return true }
        guard waiting.add(1, ordering: .relaxed).newValue > Self.waitingMax else { return true }
        waiting.subtract(1, ordering: .relaxed)
        return false
    }

    func leave(_ input: MeshInput) {
        if input.isRefusable { waiting.subtract(1, ordering: .relaxed) }
    }
}

/// Where inputs of the core's owner are handed in, from any thread.
struct MeshInlet: Sendable {
    let gate: InputGate
    let inputs: AsyncStream<MeshInput>.Continuation

    /// - Returns: whether it was taken; what is not refusable always is, until the owner has ended.
    @discardableResult
    func offer(_ input: MeshInput) -> Bool {
        guard gate.enter(input) else { return false }
        if case .enqueued = inputs.yield(input) { return true }
        return false
    }
}
