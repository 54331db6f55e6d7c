import HTTPWire

/// A request that was handed over and is not answered to the end, and what its answer must look like.
struct OpenExchange {
    let serial: UInt64
    let method: String
    let version: HTTPVersion
    /// Whether the client means to send more.
    let keepsAlive: Bool
    /// `nil` until a stream was started.
    var stream: HTTPBodyFraming?
    /// Those who want to know that the client has gone: one, mostly.
    private var firstToTell: (@Sendable () -> Void)?
    private var othersToTell: [@Sendable () -> Void] = []

    init(_ checked: CheckedHead, serial: UInt64) {
        self.serial = serial
        method = checked.head.method
        version = checked.head.version
        keepsAlive = checked.keepsAlive
    }

    mutating func tellOnClose(_ body: @escaping @Sendable () -> Void) {
        if firstToTell == nil { firstToTell = body } else { othersToTell.append(body) }
    }

    func tellOfClose() {
        firstToTell?()
        othersToTell.forEach { $0() }
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
        guard keepsAlive, !isDraining, framing != .untilClose else { return .close }
        return version == .v1_0 ? .keepAlive : .implied
    }
}
