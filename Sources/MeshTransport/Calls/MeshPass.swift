package import JSONSlice
package import MCPModel
package import NIOCore

/// What the owner has decided about one caller's plain calls of one tool, for as long as nothing that it rests on is another: that they
/// may run, and where (docs/decisions/0040-the-short-way-over-a-hop.md).
package struct MeshPass: Sendable {
    /// A call that has come whole.
    package struct Call: Sendable {
        package var id: CallID
        package var params: JSON
        package var timeLeft: Duration
        /// Of the mesh; the call stays on it.
        package var loop: any EventLoop
    }

    /// What comes of a call.
    package enum Answer: Sendable {
        /// The complete result of a call that went the short way to its end: nothing is left of it, and it names no task.
        case plain(JSON)
        /// Of one that went on by the general way.
        case event(CallEvent)
    }

    /// Whether all that was decided still holds.
    package var isGood: @Sendable () -> Bool
    /// Starts a call; `nil` where it has to go the general way, and nothing was done.
    package var start: @Sendable (Call, @escaping @Sendable (Answer) -> Void) -> CallHandle?

    package init(
        isGood: @escaping @Sendable () -> Bool,
        start: @escaping @Sendable (Call, @escaping @Sendable (Answer) -> Void) -> CallHandle?
    ) {
        self.isGood = isGood
        self.start = start
    }
}
