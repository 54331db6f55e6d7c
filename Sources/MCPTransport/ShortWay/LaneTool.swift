package import MCPModel

/// What calls of one tool over a lane have in common, where they come from another node.
package final class LaneTool: Sendable {
    package let lane: BackendLane
    /// For whom they all are.
    let caller: Caller
    /// Those of the server's calls.
    package let places: CallPlaces
    /// Called once for each call, when it goes out.
    package let begun: @Sendable () -> Void
    /// Called once for each call that was not carried on, when it is over: records it.
    package let ended: @Sendable (ShortTool.End) -> Void

    let answers = KnownAnswers()

    package init(
        lane: BackendLane, caller: Caller, places: CallPlaces, begun: @escaping @Sendable () -> Void,
        ended: @escaping @Sendable (ShortTool.End) -> Void
    ) {
        self.lane = lane
        self.caller = caller
        self.places = places
        self.begun = begun
        self.ended = ended
    }
}
