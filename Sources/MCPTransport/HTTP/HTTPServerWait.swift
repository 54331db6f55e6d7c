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
}

/// How long a connection waits for each of them.
///
/// Thousands that came at once and say nothing do not end at once, which would keep the loop with them alone for as long as that takes:
/// connections that come one after another each wait another time, a sixty-fourth part of a tenth more, and so on, up to a tenth.
struct HTTPServerPatience: Sendable {
    private static let steps: UInt64 = 64

    private let head, body, idle, linger: TimeAmount

    init(_ limits: HTTPLimits) {
        head = TimeAmount(limits.headTimeout)
        body = TimeAmount(limits.bodyTimeout)
        idle = TimeAmount(limits.idleTimeout)
        linger = TimeAmount(limits.lingerTimeout)
    }

    /// - Parameter number: of the connection, in the order in which they come.
    /// - Returns: `nil`: for ever.
    func time(for wait: HTTPServerWait, of number: UInt64) -> TimeAmount? {
        let least: TimeAmount? =
            switch wait {
            case .nothing: nil
            case .head: head
            case .body: body
            case .nextRequest, .lastWrite: idle
            case .linger: linger
            }
        let step = Int64(number % Self.steps)
        return least.map { $0 + .nanoseconds($0.nanoseconds / 10 / Int64(Self.steps) * step) }
    }
}

extension Channel {
    /// What was written to it and the other side has not taken yet. On its loop only.
    var waitingBytes: Int { (try? syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }
}
