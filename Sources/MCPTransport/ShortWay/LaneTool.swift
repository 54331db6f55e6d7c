/// A call that goes over a ``BackendLane``.
protocol LaneUser: AnyObject, Sendable {
    /// The link was closed over which it went. From any thread.
    func linkClosed()
}

/// What calls of one tool over a lane have in common, where they come from another node.
package struct LaneTool: Sendable {
    package var lane: BackendLane
    /// Those of the server's calls.
    package var places: CallPlaces
    /// Called once for each call, when it goes out.
    package var begun: @Sendable () -> Void
    /// Called once for each call that was not carried on, when it is over: records it.
    package var ended: @Sendable (ShortTool.End) -> Void

    package init(
        lane: BackendLane, places: CallPlaces, begun: @escaping @Sendable () -> Void,
        ended: @escaping @Sendable (ShortTool.End) -> Void
    ) {
        self.lane = lane
        self.places = places
        self.begun = begun
        self.ended = ended
    }
}
