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

extension Channel {
    /// What was written to it and the other side has not taken yet. On its loop only.
    var waitingBytes: Int { (try? syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }
}
