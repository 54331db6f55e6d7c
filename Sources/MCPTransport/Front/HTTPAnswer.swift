import HTTPWire
import JSONSlice
import MCPModel
import Synchronization

/// The answer to one POST: plain JSON when the response comes first, a stream of events from the moment when
/// something else does, if the client accepts one.
///
/// May be used from any thread; after the end everything is ignored.
final class HTTPAnswer: Sendable {
    private enum Phase { case fresh, streaming, ended }

    private let exchange: HTTPExchange
    private let accepts: AcceptedTypes
    private let headers: [(String, String)]
    private let streams: StreamSet
    private struct State {
        var phase = Phase.fresh
        /// Holds what runs, which holds this: none after the end.
        var whenExpelled: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// - Parameter accepts: what the request says it accepts; `nil`: that is to be read of it.
    init(
        _ exchange: HTTPExchange, streams: StreamSet, headers: [(String, String)] = [],
        accepts: AcceptedTypes? = nil
    ) {
        self.exchange = exchange
        self.accepts = accepts ?? AcceptedTypes(exchange.headers)
        self.headers = headers
        self.streams = streams
    }

    var mayStream: Bool { accepts.events }

    /// Says what is done when the stream may not go on, until the answer is over; without it the stream is cut.
    func onExpelled(_ body: @escaping @Sendable () -> Void) {
        state.withLock { if $0.phase != .ended { $0.whenExpelled = body } }
    }

    /// Sends a message that is not the response; dropped when the client takes no stream.
    func send(_ message: JSON) {
        guard openStream() else { return }
        exchange.write(SSEEvent(message: message).bytes)
    }

    /// Sends the response and ends. `status` counts only where no stream is open yet.
    func finish(_ message: JSON, status: Int = 200) {
        switch end() {
        case .ended: break
        case .streaming:
            exchange.write(SSEEvent(message: message).bytes)
            exchange.end()
        case .fresh where !accepts.json && accepts.events && status == 200:
            exchange.startStream(status: 200, headers: headers + Self.eventHeaders)
            exchange.write(SSEEvent(message: message).bytes)
            exchange.end()
        case .fresh:
            exchange.respond(
                status: status, headers: headers + [("Content-Type", "application/json")],
                body: Array(message.bytes))
        }
    }

    /// Sends the response to a request for a list and ends.
    func finish(_ id: RPCID, _ result: ListResult) {
        guard accepts.json else { return finish(result.message(id)) }
        switch end() {
        case .ended: break
        case .streaming:
            exchange.write(SSEEvent(message: result.message(id)).bytes)
            exchange.end()
        case .fresh:
            exchange.respond(
                status: 200, headers: headers + [("Content-Type", "application/json")], body: result.body(id))
        }
    }

    /// Ends without a response.
    func finishEmpty() {
        switch end() {
        case .ended: break
        case .streaming: exchange.end()
        case .fresh: exchange.respond(status: 202, headers: headers, body: [])
        }
    }

    /// Opens the stream if it is not open. Opening and registering happen once, by whoever comes first.
    ///
    /// - Returns: whether there is a stream to write to.
    @discardableResult
    func openStream() -> Bool {
        guard accepts.events else { return false }
        let before = state.withLock { state in
            let before = state.phase
            if before == .fresh { state.phase = .streaming }
            return before
        }
        switch before {
        case .ended: return false
        case .streaming: return true
        case .fresh:
            exchange.startStream(status: 200, headers: headers + Self.eventHeaders)
            streams.insert(exchange) { [weak self] in self?.state.withLock { $0.whenExpelled }?() }
            return true
        }
    }

    /// The client has gone: what comes now is ignored.
    func abandon() { _ = end() }

    private func end() -> Phase {
        let (before, expelled) = state.withLock { state in
            defer { state = State(phase: .ended) }
            return (state.phase, state.whenExpelled)
        }
        _ = expelled  // let go of outside of the lock
        if before == .streaming { streams.remove(exchange) }
        return before
    }

    static let eventHeaders = [
        ("Content-Type", "text/event-stream"),
        ("Cache-Control", "no-cache, no-transform"),
        ("X-Accel-Buffering", "no"),
    ]
}

/// What a client's `Accept` lets us answer with; without the header, anything.
struct AcceptedTypes: Hashable, Sendable {
    let json: Bool
    let events: Bool

    init(_ headers: HTTPHeaders) {
        let lines = headers.all("accept")
        guard !lines.isEmpty else {
            (json, events) = (true, true)
            return
        }
        var (json, events) = (false, false)
        for range in lines.flatMap({ $0.split(separator: ",") }) {
            let type = range.prefix { $0 != ";" }.lowercased().filter { $0 != " " && $0 != "\t" }
            json = json || ["application/json", "application/*", "*/*"].contains(type)
            events = events || ["text/event-stream", "text/*", "*/*"].contains(type)
        }
        (self.json, self.events) = (json, events)
    }
}
