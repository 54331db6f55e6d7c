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

/// What comes of a call over a lane: kept as it came, for a long way that takes it up.
enum LaneEvent: Sendable {
    case http(HTTPClientEvent)
    case line(LinkEvent)

    /// Whether nothing comes after it.
    var isLast: Bool {
        switch self {
        case .http(.head), .http(.body), .line(.notification), .line(.question): false
        case .http(.end), .http(.failed), .line(.result), .line(.error), .line(.fault): true
        }
    }
}

/// The hold on what a call has under way over a lane.
enum LaneHold: Sendable {
    case http(HTTPClientHandle)
    case line(OpenRequests, number: Int)
    /// Of what is over.
    case over

    /// Gives up. Any time, any thread, more than once.
    func cancel() {
        switch self {
        case .http(let handle): handle.cancel()
        case .line(let requests, let number): requests.cancel(number)
        case .over: break
        }
    }
}
