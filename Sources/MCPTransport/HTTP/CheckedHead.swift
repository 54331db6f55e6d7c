import HTTPWire
import Synchronization

/// A request's head that may pass, with what follows from it on its connection: the same object for requests with the same bytes for a
/// head, as long as the decoder keeps it.
final class CheckedHead: HTTPHeadNote {
    let head: HTTPRequestHead
    let target: HTTPTarget
    /// Whether the client means to send more.
    let keepsAlive: Bool
    /// The short way for such requests, once one has gone the long way.
    let pass = Mutex<ShortPass?>(nil)
    /// The same of calls in a session.
    let sessionPass = Mutex<SessionPass?>(nil)
    /// The same of requests for a list.
    let listPass = Mutex<ListPass?>(nil)

    init(_ head: HTTPRequestHead, _ target: HTTPTarget) {
        self.head = head
        self.target = target
        keepsAlive = head.keepsAlive
    }
}
