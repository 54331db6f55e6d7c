/// What stands in the way of a call.
extension CallCourse {
    /// Why there is no way to the owner now.
    package enum Obstacle: Hashable, Sendable {
        /// The graph has no path to it.
        case unreachable
        /// There is a path; the circuit or link did not come about.
        case noPath(String)
        /// Too much is under way here.
        case limited(String)
        /// The call does not fit a frame, whatever way it takes.
        case tooLarge(String)
        /// There will be none: this node tries no further.
        case final(String)

        var isFinal: Bool { if case .final = self { true } else { false } }
    }

    /// How a stream ended early.
    package enum Break: Hashable, Sendable {
        /// Nothing follows from it about what ran.
        case lost(String)
        /// The owner said, before it did anything, that it takes no more calls.
        case limited(String)
        /// … or that it takes none of ours.
        case refused(String)
        /// The call did not fit what waits on the link, so nothing of it left.
        case overflow(String)

        var text: String {
            switch self {
            case .lost(let text), .limited(let text), .refused(let text), .overflow(let text): text
            }
        }
    }
}
