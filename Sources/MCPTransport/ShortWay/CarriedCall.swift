import JSONSlice
package import MCPModel
import NIOCore

/// A call that went out by the short way and turned out to be out of the ordinary: the long way takes it from here, and what has come
/// of it so far is told it as if it came now.
///
/// It has been sent, so nothing on the long way may refuse it or say that it was not.
package struct CarriedCall: Sendable {
    package let id: CallID
    package let start: ContinuousClock.Instant
    /// The same moment on the clock of the loops.
    let startDue: NIODeadline
    let number: Int
    /// Over which it went out.
    let connection: Backend.Connection
    /// To be called once: has all events of the request told.
    let adopt: @Sendable (@escaping LaneAnswer.Sink) -> LaneHold
    /// Ends the request, unless somebody has adopted it.
    let giveUp: @Sendable () -> Void
}
