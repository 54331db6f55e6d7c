import HTTPWire

/// The request of a connection that was handed over and is not answered to the end, and what its answer must look like. One for all
/// that come after each other on a connection; lives on its loop.
final class OpenExchange {
    /// Of the request; `nil` while there is none.
    private var head: CheckedHead?
    private(set) var serial: UInt64 = 0
    /// `nil` until a stream was started.
    var stream: HTTPBodyFraming?
    /// Those who want to know that the client has gone: one, mostly.
    private var firstToTell: (@Sendable () -> Void)?
    private var othersToTell: [@Sendable () -> Void] = []

    func begin(_ head: CheckedHead, serial: UInt64) {
        self.head = head
        self.serial = serial
    }

    /// Nobody is told of anything any more.
    func end() {
        head = nil
        stream = nil
        firstToTell = nil
        if !othersToTell.isEmpty { othersToTell = [] }
    }

    func isOpen(_ serial: UInt64) -> Bool { head != nil && self.serial == serial }

    var method: String { head?.head.method ?? "" }
    private var version: HTTPVersion { head?.head.version ?? .v1_1 }

    func tellOnClose(_ body: @escaping @Sendable () -> Void) {
        if firstToTell == nil { firstToTell = body } else { othersToTell.append(body) }
    }

    /// Ends it, and tells those who want to know.
    func close() {
        let (first, others) = (firstToTell, othersToTell)
        end()
        first?()
        others.forEach { $0() }
    }

    /// Whether bytes may follow the head of an answer with that status.
    func mayHaveBody(status: Int) -> Bool { !HTTPResponseHead.neverHasBody(status: status, method: method) }

    /// - Parameter length: of the body; `nil` for a stream.
    func framing(status: Int, length: Int?) -> HTTPBodyFraming {
        if let length {
            // An answer to HEAD says how long the body would be.
            HTTPResponseHead.neverHasBody(status: status, method: "GET") ? .none : .length(length)
        } else if !mayHaveBody(status: status) {
            .none
        } else {
            version == .v1_0 ? .untilClose : .chunked
        }
    }

    func persistence(after framing: HTTPBodyFraming, isDraining: Bool) -> HTTPPersistence {
        guard head?.keepsAlive == true, !isDraining, framing != .untilClose else { return .close }
        return version == .v1_0 ? .keepAlive : .implied
    }
}
