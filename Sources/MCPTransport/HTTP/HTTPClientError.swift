package import HTTPWire

/// Why a request has no (whole) answer.
package struct HTTPClientError: Error, Hashable, Sendable {
    package enum Cause: Hashable, Sendable {
        case unknownHost
        /// The name leads where this client may not go.
        case addressRefused(String)
        /// There is no credential for it, or what there is opens nothing.
        case credential(CredentialTrouble)
        case connectFailed(String)
        case connectTimedOut(after: Duration)
        case tls(String)
        /// All connections that one origin may have were busy for that long.
        case noFreeConnection(after: Duration)
        case tooManyWaiting(max: Int)
        /// The server closed the connection before it answered; `reused`: a kept-alive one, on which the
        /// server may well have given up before the request came.
        case closedBeforeAnswer(reused: Bool)
        case connectionLost(String)
        case badResponse(HTTPWireError)
        case headTimedOut(after: Duration)
        case timedOut(after: Duration)
        case answerTooLarge(max: Int)
        case cancelled
        case shutDown
    }

    package let cause: Cause
    package let origin: HTTPURL.Origin
    /// Whether no byte of the request was handed to the system: the server provably knows nothing of it, and
    /// it may be sent again. `false` is "perhaps".
    package let notSent: Bool

    package init(_ cause: Cause, origin: HTTPURL.Origin, notSent: Bool) {
        self.cause = cause
        self.origin = origin
        self.notSent = notSent
    }
}

extension HTTPClientError: CustomStringConvertible {
    package var description: String {
        let what =
            switch cause {
            case .unknownHost: "the name \(origin.host) does not resolve; check the URL and DNS"
            case .addressRefused(let why): why
            case .credential(let trouble): trouble.text
            case .connectFailed(let why): "cannot connect: \(why); check that it runs and listens there"
            case .connectTimedOut(let limit): "no connection within \(limit); check address and firewall"
            case .tls(let why):
                "no TLS session: \(why); if its certificate is of a private authority, name that one's file (servers.NAME.tls.ca)"
            case .noFreeConnection(let limit): "all connections to it were busy for \(limit)"
            case .tooManyWaiting(let max): "\(max) requests already wait for a connection to it"
            case .closedBeforeAnswer(reused: false): "it closed the connection without an answer"
            case .closedBeforeAnswer(reused: true): "it closed the kept-alive connection without an answer"
            case .connectionLost(let why): "the connection broke: \(why)"
            case .badResponse(let error): "it answered something that is no HTTP/1.1: \(error)"
            case .headTimedOut(let limit): "no answer within \(limit)"
            case .timedOut(let limit): "the answer was not complete within \(limit)"
            case .answerTooLarge(let max): "the answer is longer than \(max) bytes"
            case .cancelled: "the request was cancelled"
            case .shutDown: "the client is shutting down"
            }
        return "\(origin): \(what)" + (notSent ? " (nothing was sent)" : "")
    }
}
