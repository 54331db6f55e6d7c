import HTTPWire
import MCPModel
import NIOCore

/// Streams outlive the request that opened them, and must not outlive the right to them.
extension MCPFront {
    /// Streams that are looked at at once, and the pause after them: a look at a token costs a tenth of a millisecond, and the loops
    /// have requests to serve.
    private static let reviewedAtOnce = 64
    private static let reviewPause = Duration.milliseconds(20)

    /// Asks of each open stream whether what opened it would still be let in, and ends those of which it would not: the token has run out, the
    /// key was revoked, the endpoint is not there for its bearer any more.
    ///
    /// A call of 2026-07-28 ends with an error, and so does a listen; an event stream and a session's own are ended as HTTP ends
    /// one, and their clients come back with a credential that is good, or do not.
    package func reviewStreams() async {
        var left = streams.all[...]
        while !left.isEmpty, !Task.isCancelled {
            for exchange in left.prefix(Self.reviewedAtOnce) {
                exchange.eventLoop.execute { [self] in review(exchange) }
            }
            left = left.dropFirst(Self.reviewedAtOnce)
            if !left.isEmpty { try? await Task.sleep(for: Self.reviewPause) }
        }
    }

    private func review(_ exchange: HTTPExchange) {
        guard let route = Route(path: exchange.path), let endpoint = route.endpoint else { return }
        service.door.stillAdmits(exchange, route.place) { [self] authorization in
            switch authorization {
            case .allowed(let principal):
                guard service.describe(endpoint, principal) != nil else { return expel(exchange) }
                _ = streams.reviewed(exchange, isDecided: true)
            case .refused(let status, _, _, _) where status >= 500:
                if streams.reviewed(exchange, isDecided: false) >= limits.streamDoubtsMax { expel(exchange) }
            case .refused: expel(exchange)
            }
        }
    }

    private func expel(_ exchange: HTTPExchange) {
        log.info("A stream is ended: what opened it is not good any more.")
        streams.expel(exchange)
    }

    static let expulsion = CallFailureCode.error(
        of: CallFailure(
            .denied, "the credential with which this was asked is not good any more",
            hint: "ask again with one that is"))
}

extension Route {
    /// Which endpoint it leads to, if to one.
    var endpoint: EndpointName? {
        switch self {
        case .streamable(let endpoint), .events(let endpoint), .messages(let endpoint): endpoint
        case .health, .ready, .resourceMetadata: nil
        }
    }
}
