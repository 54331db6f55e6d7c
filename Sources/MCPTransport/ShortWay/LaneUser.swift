import HTTPWire
import MCPModel

/// A call that goes over a ``BackendLane``.
protocol LaneUser: HTTPClientUser {
    /// For whom it is.
    var caller: Caller { get }
    /// Over a channel that all requests share: what is said of it there. From any thread, in order.
    func hear(_ event: LinkEvent)
    /// The link was closed over which it went. From any thread.
    func linkClosed()
}
