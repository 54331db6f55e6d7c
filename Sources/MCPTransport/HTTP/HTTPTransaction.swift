import HTTPWire
import NIOCore

/// One request of a client from the call to its final event. Lives on one event loop.
final class HTTPTransaction {
    private enum State {
        case new
        case waiting(in: HTTPClientPool)
        case running(on: HTTPClientConnection)
        case over
    }

    private let sent: SentRequest
    /// The request as it goes over the wire, where somebody has made it ready; it must be the same.
    let ready: ByteBuffer?
    /// When the caller no longer wants an answer.
    let due: NIODeadline?
    private let loop: any EventLoop
    /// None after the final event: it may hold what holds this.
    private var sink: (@Sendable (HTTPClientEvent) -> Void)?
    private var state = State.new
    private var waitTimer: Scheduled<Void>?
    /// Whether bytes of the request were handed to the system.
    private(set) var wasWritten = false

    /// When somebody wants to know that nothing has come yet.
    private var patience: (due: NIODeadline, isOver: () -> Void)?

    init(
        _ sent: SentRequest, ready: ByteBuffer? = nil, on loop: any EventLoop,
        _ sink: @escaping @Sendable (HTTPClientEvent) -> Void
    ) {
        self.sent = sent
        self.ready = ready
        self.loop = loop
        self.sink = sink
        due = sent.request.timeout.map { .now() + TimeAmount($0) }
    }

    var request: HTTPClientRequest { sent.request }

    var isOver: Bool { if case .over = state { true } else { false } }

    /// The next moment at which something is to be done if nothing comes.
    var nextDue: NIODeadline? {
        guard let patience else { return due }
        return due.map { min($0, patience.due) } ?? patience.due
    }

    /// Has `isOver` called, once and on the loop, if the last event has not come by then; before the transaction is submitted.
    func tell(at due: NIODeadline, _ isOver: @escaping () -> Void) { patience = (due, isOver) }

    /// - Returns: whether that moment has come only now.
    func losePatience() -> Bool {
        guard let patience, patience.due <= .now() else { return false }
        self.patience = nil
        patience.isOver()
        return true
    }

    func wait(in pool: HTTPClientPool, atMost limit: Duration) {
        state = .waiting(in: pool)
        wait(until: .now() + TimeAmount(limit), limit)
    }

    private func wait(until limitDue: NIODeadline, _ limit: Duration) {
        waitTimer = loop.assumeIsolated().scheduleTask(deadline: min(limitDue, nextDue ?? limitDue)) {
            if self.losePatience() {
                if case .waiting = self.state { self.wait(until: limitDue, limit) }
            } else {
                self.waitedTooLong(limit)
            }
        }
    }

    func run(on connection: HTTPClientConnection) {
        waitTimer?.cancel()
        waitTimer = nil
        state = .running(on: connection)
    }

    func noteWritten() { wasWritten = true }

    /// Hands over an event that is not the last.
    func deliver(_ event: HTTPClientEvent) {
        if !isOver { sink?(event) }
    }

    /// Hands over the last event, unless that has been done.
    func finish(_ event: HTTPClientEvent) {
        guard !isOver else { return }
        state = .over
        waitTimer?.cancel()
        waitTimer = nil
        patience = nil
        let last = sink
        sink = nil
        last?(event)
    }

    func fail(_ cause: HTTPClientError.Cause) {
        finish(.failed(HTTPClientError(cause, origin: request.url.origin, notSent: !wasWritten)))
    }

    /// The sink learns of it in a later turn of the loop, since whoever cancels may hold a lock that the sink
    /// wants.
    func cancel() {
        let before = state
        guard !isOver else { return }
        state = .over
        waitTimer?.cancel()
        waitTimer = nil
        patience = nil
        switch before {
        case .waiting(let pool): pool.forget(self)
        case .running(let connection): connection.close()
        case .new, .over: break
        }
        let error = HTTPClientError(.cancelled, origin: request.url.origin, notSent: !wasWritten)
        loop.execute { [sink] in sink?(.failed(error)) }
        sink = nil
    }

    private func waitedTooLong(_ limit: Duration) {
        guard case .waiting(let pool) = state else { return }
        pool.forget(self)
        if let timeout = request.timeout, let due, due <= .now() {
            fail(.timedOut(after: timeout))
        } else {
            fail(.noFreeConnection(after: limit))
        }
    }
}
