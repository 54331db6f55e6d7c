import HTTPWire
import NIOCore

/// Where a connection is with its requests.
enum HTTPServerPhase {
    /// Between two requests, or within a head.
    case head
    case body(CheckedHead)
    /// A request is being answered.
    case exchange
    /// Our side is closed, or is being closed; what still comes is thrown away.
    case lingering(bytesLeft: Int)
    case closed
}

/// What a connection's running deadline is for.
enum HTTPServerWait: Equatable {
    case nothing
    case head
    case body
    case nextRequest
    /// For the client to take the last bytes we have for it.
    case lastWrite
    case linger

    /// Connections that come one after another each wait another time: a sixty-fourth part of a tenth more, and so on, up to a tenth.
    private static let steps: UInt64 = 64

    /// How long; `nil`: for ever.
    ///
    /// Thousands that came at once and say nothing do not end at once: the loop would be with them alone for as long as that takes.
    ///
    /// - Parameter number: of the connection, in the order in which they come.
    func patience(_ limits: HTTPLimits, of number: UInt64) -> Duration? {
        let least: Duration? =
            switch self {
            case .nothing: nil
            case .head: limits.headTimeout
            case .body: limits.bodyTimeout
            case .nextRequest, .lastWrite: limits.idleTimeout
            case .linger: limits.lingerTimeout
            }
        return least.map { $0 + $0 / 10 * Double(number % Self.steps) / Double(Self.steps) }
    }
}

extension Channel {
    /// What was written to it and the other side has not taken yet. On its loop only.
    var waitingBytes: Int { (try? syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }
}
