package import JSONSlice
package import MCPModel

/// What was decided about one caller's calls of one tool at one endpoint, for as long as nothing that it rests on is another: where they
/// go, and that they may. One object for all of this caller's connections.
package final class ToolPass: Sendable {
    package enum Way: Sendable {
        /// To a server whose calls can go the short way.
        case short(ShortTool)
        /// To a server of another node, over a hop of the mesh.
        case far(FarTool)
        /// By the long way, from where all that was decided has been decided.
        case settled(@Sendable (EndpointCall, @escaping CallSink) -> CallHandle)
    }

    /// Whether all that was decided still holds.
    package let isGood: @Sendable () -> Bool
    package let way: Way

    package init(isGood: @escaping @Sendable () -> Bool, way: Way) {
        self.isGood = isGood
        self.way = way
    }

    /// Whether another connection may take it up: it is good, and where it leads there still is a connection.
    package var isOpen: Bool {
        if case .short(let tool) = way, !tool.lane.isOpen { return false }
        return isGood()
    }
}

/// A tool whose calls can go the short way: those on which everything can be decided without their arguments, and that nobody counts or
/// wants recorded beforehand.
package final class ShortTool: Sendable {
    /// The end of a call that went the short way.
    package struct End: Sendable {
        package var id: CallID
        /// `nil`: it was refused, or its caller wanted no answer any more.
        package var answer: (result: ArraySlice<UInt8>, isError: Bool)?
        /// What came instead of a result.
        package var refusal: CallEvent?
        /// What the message that the answer is of takes in memory.
        package var answerBytes = 0
        package var arguments: ArraySlice<UInt8>?
        package var elapsed: Duration
    }

    package let lane: BackendLane
    /// Those of the server's calls.
    package let places: CallPlaces
    /// What a call is given from here.
    package let callMax: Duration
    /// How the endpoint shows the URIs in a result; `nil`: as they are.
    package let outward: (@Sendable (JSON) -> JSON)?
    /// This node, to callers whose calls come to nothing.
    package let node: String?
    /// Called once for each call, when it goes out.
    package let begun: @Sendable () -> Void
    /// Called once for each call that was not carried on, when it is over: records it.
    package let ended: @Sendable (End) -> Void
    /// Has a call carried on by the long way; it keeps its place until its end.
    package let carryOn: @Sendable (EndpointCall, CarriedCall, @escaping CallSink) -> CallHandle
    /// Starts a call that the lane does not take by the long way, from where all that was decided has been decided.
    package let start: @Sendable (EndpointCall, @escaping CallSink) -> CallHandle

    package init(
        lane: BackendLane, places: CallPlaces, callMax: Duration, outward: (@Sendable (JSON) -> JSON)?,
        node: String? = nil, begun: @escaping @Sendable () -> Void = {},
        ended: @escaping @Sendable (End) -> Void,
        carryOn: @escaping @Sendable (EndpointCall, CarriedCall, @escaping CallSink) -> CallHandle,
        start: @escaping @Sendable (EndpointCall, @escaping CallSink) -> CallHandle
    ) {
        self.lane = lane
        self.places = places
        self.callMax = callMax
        self.outward = outward
        self.node = node
        self.begun = begun
        self.ended = ended
        self.carryOn = carryOn
        self.start = start
    }
}
