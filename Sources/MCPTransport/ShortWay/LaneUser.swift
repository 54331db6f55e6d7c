import HTTPWire
import MCPModel

/// A call that goes over a ``BackendLane``.
protocol LaneUser: AnyObject, Sendable {
    /// For whom it is.
    var caller: Caller { get }
    /// Over HTTP: what comes of its request, on the loop that it was sent on.
    func take(_ event: HTTPClientEvent)
    /// Over a channel that all requests share: what is said of it there. From any thread, in order.
    func hear(_ event: LinkEvent)
    /// It has waited for as long as it may on the short way. From any thread.
    func impatient()
    /// The link was closed over which it went. From any thread.
    func linkClosed()
}
