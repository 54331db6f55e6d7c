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
    private let phase = Mutex(Phase.fresh)
    private let whenExpelled = Mutex<(@Sendable () -> Void)?>(nil)

    init(_ exchange: HTTPExchange, streams: StreamSet, headers: [(String, String)] = []) {
        self.exchange = exchange
        self.accepts = AcceptedTypes(exchange.headers)
        self.headers = headers
        self.streams = streams
    }

    var mayStream: Bool { accepts.events }

    /// Says what is done when the stream may not go on; without it the stream is cut.
    func onExpelled(_ body: @escaping @Sendable () -> Void) { whenExpelled.withLock { $0 = body } }

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
        let before = phase.withLock { phase in
            let before = phase
            if phase == .fresh { phase = .streaming }
            return before
        }
        switch before {
        case .ended: return false
        case .streaming: return true
        case .fresh:
            exchange.startStream(status: 200, headers: headers + Self.eventHeaders)
            streams.insert(exchange) { [weak self] in self?.whenExpelled.withLock { $0 }?() }
            return true
        }
    }

    private func end() -> Phase {
        let before = phase.withLock { phase in
            defer { phase = .ended }
            return phase
        }
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
