package import JSONSlice
package import MCPModel

/// A tool of another node's server whose plain calls can be given to the mesh with nothing decided or made for each
/// (docs/decisions/0040-the-short-way-over-a-hop.md).
package final class FarTool: Sendable {
    /// What is one call's alone.
    package struct Order: Sendable {
        package var id: CallID
        /// As the owner gets them.
        package var params: JSON
        package var capabilities: JSON
        package var clientInfo: JSON?

        package init(id: CallID, params: JSON, capabilities: JSON, clientInfo: JSON?) {
            self.id = id
            self.params = params
            self.capabilities = capabilities
            self.clientInfo = clientInfo
        }
    }

    /// A call that turned out to be out of the ordinary, and goes on by the general way.
    package struct Carried: Sendable {
        package let id: CallID
        package let start: ContinuousClock.Instant
        /// To be called once: has all events told, those that have come first.
        package let adopt: @Sendable (@escaping CallSink) -> CallHandle
    }

    /// The owner's own name of the tool, as a JSON string.
    package let name: JSON
    /// How the endpoint shows the URIs in a result; `nil`: as they are.
    package let outward: (@Sendable (JSON) -> JSON)?
    /// Called once for each call, when it goes out.
    package let begun: @Sendable () -> Void
    /// Called once for each call that was not carried on, when it is over: records it.
    package let ended: @Sendable (ShortTool.End) -> Void
    /// Gives a call to the mesh. The sink may be called before this returns, and on any thread.
    package let send: @Sendable (Order, @escaping CallSink) -> CallHandle
    package let carryOn: @Sendable (EndpointCall, Carried, @escaping CallSink) -> CallHandle
    /// Starts a call of a session by the general way, from where all that was decided has been decided.
    package let start: @Sendable (EndpointCall, @escaping CallSink) -> CallHandle

    package init(
        name: JSON, outward: (@Sendable (JSON) -> JSON)?, begun: @escaping @Sendable () -> Void,
        ended: @escaping @Sendable (ShortTool.End) -> Void,
        send: @escaping @Sendable (Order, @escaping CallSink) -> CallHandle,
        carryOn: @escaping @Sendable (EndpointCall, Carried, @escaping CallSink) -> CallHandle,
        start: @escaping @Sendable (EndpointCall, @escaping CallSink) -> CallHandle
    ) {
        self.name = name
        self.outward = outward
        self.begun = begun
        self.ended = ended
        self.send = send
        self.carryOn = carryOn
        self.start = start
    }
}
