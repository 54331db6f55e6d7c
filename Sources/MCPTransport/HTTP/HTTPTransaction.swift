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

    /// Who hears what comes of it.
    private enum Hearer: Sendable {
        case sink(@Sendable (HTTPClientEvent) -> Void)
        case user(any HTTPClientUser)

        func hear(_ event: HTTPClientEvent) {
            switch self {
            case .sink(let sink): sink(event)
            case .user(let user): user.take(event)
            }
        }
    }

    private let sent: SentRequest
    /// The request as it goes over the wire, where somebody has made it ready; it must be the same.
    let ready: ByteBuffer?
    /// When the caller no longer wants an answer.
    let due: NIODeadline?
    private let loop: any EventLoop
    /// None after the final event: it may hold what holds this.
    private var hearer: Hearer?
    private var state = State.new
    private var waitTimer: Scheduled<Void>?
    /// Whether bytes of the request were handed to the system.
    private(set) var wasWritten = false

    /// When its user is told that nothing has come yet.
    private var patienceDue: NIODeadline?

    init(
        _ request: HTTPClientRequest, on loop: any EventLoop,
        _ sink: @escaping @Sendable (HTTPClientEvent) -> Void
    ) {
        sent = SentRequest(request)
        ready = nil
        self.loop = loop
        hearer = .sink(sink)
        due = request.timeout.map { .now() + TimeAmount($0) }
    }

    /// - Parameters:
    ///   - ready: the request as it goes over the wire.
    ///   - patience: if the last event has not come by then, the user hears so, once and on the loop.
    init(
        ready: ByteBuffer, _ sent: SentRequest, on loop: any EventLoop, patience: Duration,
        for user: any HTTPClientUser
    ) {
        self.sent = sent
        self.ready = ready
        self.loop = loop
        hearer = .user(user)
        let now = NIODeadline.now()
        due = sent.request.timeout.map { now + TimeAmount($0) }
        patienceDue = now + TimeAmount(patience)
    }

    var request: HTTPClientRequest { sent.request }

    var isOver: Bool { if case .over = state { true } else { false } }

    /// The next moment at which something is to be done if nothing comes.
    var nextDue: NIODeadline? {
        guard let patienceDue else { return due }
        return due.map { min($0, patienceDue) } ?? patienceDue
    }

    /// - Returns: whether the moment has come only now at which the user is told that nothing has.
    func losePatience() -> Bool {
        guard let patienceDue, patienceDue <= .now(), case .user(let user) = hearer else { return false }
        self.patienceDue = nil
        user.impatient()
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
        if !isOver { hearer?.hear(event) }
    }

    /// Hands over the last event, unless that has been done.
    func finish(_ event: HTTPClientEvent) { leave()?.hear(event) }

    /// Whether ``finish(_:_:)`` may be used.
    var takesWhole: Bool { if case .user = hearer { true } else { false } }

    /// Hands over the whole answer, of which nothing has been handed over before.
    func finish(_ head: HTTPResponseHead, _ body: [UInt8]) {
        if case .user(let user) = leave() { user.take(head, body) }
    }

    /// - Returns: who is to hear of the end; `nil` where he has.
    private func leave() -> Hearer? {
        guard !isOver else { return nil }
        state = .over
        waitTimer?.cancel()
        waitTimer = nil
        patienceDue = nil
        defer { hearer = nil }
        return hearer
    }

    func fail(_ cause: HTTPClientError.Cause) {
        finish(.failed(HTTPClientError(cause, origin: request.url.origin, notSent: !wasWritten)))
    }

    /// Who hears of it does so in a later turn of the loop, since whoever cancels may hold a lock that the other
    /// wants.
    func cancel() {
        let before = state
        guard let last = leave() else { return }
        switch before {
        case .waiting(let pool): pool.forget(self)
        case .running(let connection): connection.close()
        case .new, .over: break
        }
        let error = HTTPClientError(.cancelled, origin: request.url.origin, notSent: !wasWritten)
        loop.execute { last.hear(.failed(error)) }
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
