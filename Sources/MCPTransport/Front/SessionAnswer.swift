import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// The answer to one POST in a legacy session: plain JSON when the response comes soon and first, otherwise a stream
/// of the session, which the client may leave and resume.
///
/// May be used from any thread; after the end everything is ignored.
final class SessionAnswer: Sendable {
    private enum Phase: Sendable {
        case fresh
        case streaming(Int)
        case ended
    }

    private struct State: Sendable {
        var phase = Phase.fresh
        var timer: Scheduled<Void>?
    }

    private let exchange: HTTPExchange
    private let accepts: AcceptedTypes
    private let streams: SessionStreams
    private let state = Mutex(State())

    /// - Parameter accepts: what the request says it accepts; `nil`: that is to be read of it.
    init(_ exchange: HTTPExchange, _ streams: SessionStreams, accepts: AcceptedTypes? = nil) {
        self.exchange = exchange
        self.accepts = accepts ?? AcceptedTypes(exchange.headers)
        self.streams = streams
    }

    var mayStream: Bool { accepts.events }

    /// Whether a stream is opened where the answer takes a while.
    var opensStream: Bool { streams.isPrimed && mayStream }

    /// Opens the stream if no answer has come by then: the event it begins with lets the client resume.
    func openStream(after wait: Duration) {
        guard opensStream else { return }
        let isFresh = state.withLock { state in
            guard case .fresh = state.phase else { return false }
            state.timer = exchange.eventLoop.scheduleTask(in: TimeAmount(wait)) { [weak self] in
                _ = self?.stream()
            }
            return true
        }
        // Gone before it knew a stream to come back to: nobody would ever ask for this one.
        if isFresh { exchange.onClose { [weak self] in self?.leave() } }
    }

    /// Sends a message that is not the response; dropped when the client takes no stream.
    func send(_ message: JSON) {
        if let number = stream() { streams.push(message, to: number) }
    }

    /// Sends the response and ends. `status` counts only where no stream is open yet.
    func finish(_ message: JSON, status: Int = 200) {
        if !accepts.json && accepts.events && status == 200 { _ = stream() }
        switch end() {
        case .ended: break
        case .streaming(let number): streams.push(message, to: number, isLast: true)
        case .fresh:
            exchange.respond(
                status: status, headers: [("Content-Type", "application/json")], body: Array(message.bytes))
        }
    }

    /// Sends the response, of which nothing has gone before, to a client that accepts JSON, and ends. On the exchange's own loop only.
    func finish(json written: WrittenAnswer) {
        if case .fresh = end() { exchange.respond(json: written) }
    }

    /// Sends the response to a request for a list and ends.
    func finish(_ id: RPCID, _ result: ListResult) {
        guard accepts.json else { return finish(result.message(id)) }
        switch end() {
        case .ended: break
        case .streaming(let number): streams.push(result.message(id), to: number, isLast: true)
        case .fresh:
            exchange.respond(
                status: 200, headers: [("Content-Type", "application/json")], body: result.body(id))
        }
    }

    /// Ends where there is nothing to answer.
    func finishEmpty() {
        switch end() {
        case .ended: break
        case .streaming(let number): streams.end(number)
        case .fresh: exchange.respond(status: 202, headers: [], body: [])
        }
    }

    /// Ends without the response to a request, which was cancelled: 202 would say that there was nothing to answer, so the
    /// client gets a stream that says nothing, if it takes one.
    func finishSilently() {
        switch end() {
        case .ended: break
        case .streaming(let number): streams.end(number)
        case .fresh where accepts.events:
            exchange.startStream(status: 200, headers: HTTPAnswer.eventHeaders)
            exchange.end()
        case .fresh: exchange.respond(status: 202, headers: [], body: [])
        }
    }

    /// The stream's number, opened if it is not open; `nil` if there is none to be had.
    private func stream() -> Int? {
        guard accepts.events else { return nil }
        return state.withLock { state in
            switch state.phase {
            case .ended: return nil
            case .streaming(let number): return number
            case .fresh:
                state.timer?.cancel()
                state.timer = nil
                let number = streams.begin(on: exchange)
                state.phase = .streaming(number)
                return number
            }
        }
    }

    private func leave() {
        state.withLock { state in
            guard case .fresh = state.phase else { return }
            state.phase = .ended
            state.timer?.cancel()
            state.timer = nil
        }
    }

    private func end() -> Phase {
        state.withLock { state in
            defer { state.phase = .ended }
            state.timer?.cancel()
            state.timer = nil
            return state.phase
        }
    }
}
