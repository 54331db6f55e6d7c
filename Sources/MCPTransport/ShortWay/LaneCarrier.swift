import JSONSlice
import MCPModel
import NIOCore

/// What carries the calls of a ``BackendLane`` to the server.
protocol LaneCarrier: Sendable {
    /// Of an answer.
    var limits: MessageLimits { get }
    /// Whether calls of callers of any era may go over it, whatever these can be asked for.
    var takesAnyCaller: Bool { get }

    /// Whether calls of a client with these capabilities may go over it.
    func takes(_ capabilities: JSON) -> Bool

    /// Sends a call; on `loop`, which is the user's.
    ///
    /// - Parameters:
    ///   - number: its id at the server.
    ///   - id: the call's own, which begins the trace that the server is told of.
    ///   - patience: after which time without the last event the user hears so, once.
    /// - Returns: `nil` where nothing was sent, and nothing will come; ``unsent`` says why.
    func send(
        _ call: PlainToolCall, _ number: Int, begunBy id: CallID, on loop: any EventLoop, patience: Duration,
        for user: any LaneUser
    ) -> LaneHold?

    /// What became of a call that was not sent.
    var unsent: LaneEvent { get }

    /// The call is over or has been carried on: it need not be told of the end of the link any more.
    func leave(_ number: Int)

    /// - Parameter result: of an answer, as the server gave it.
    /// - Returns: `nil` for what does not end on the short way.
    func answer(_ result: JSON) -> PlainToolAnswer?

    /// - Parameter error: the server's own.
    /// - Returns: what its caller sees; `nil` for what does not end on the short way.
    func error(_ error: JSON, of call: PlainToolCall) -> JSON?
}

/// A link that calls can go over by the short way.
enum LaneLink {
    case http(HTTPLink)
    case child(StdioLink)
}
