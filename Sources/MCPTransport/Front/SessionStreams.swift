import JSONSlice
import MCPModel
import Synchronization

/// One session over Streamable HTTP: what runs in it, and the streams that carry it.
struct StreamableSession: Sendable {
    let dialogue: LegacyDialogue
    let streams: SessionStreams

    func close() { dialogue.close() }
}

/// The streams of one session: what is said on one goes to the connection that carries it now, and is kept for a
/// while for a client that comes back after a break.
///
/// May be used from any thread. Whatever is done to a connection is queued on its loop, under the lock: so its
/// events keep their order, and no connection calls back while the lock is held.
final class SessionStreams: Sendable {
    private struct State: Sendable {
        var buffer: ReplayBuffer
        var carriers: [Int: HTTPExchange] = [:]
    }

    /// Milliseconds after which a client is asked to come back; `nil` for revisions whose clients know no priming
    /// event (those before 2025-11-25, which may choke on an event without a message).
    private let retry: Int?
    private let openStreams: StreamSet
    private let total: ReplayTotal
    private let state: Mutex<State>

    init(
        _ revision: ProtocolRevision, _ limits: FrontLimits, _ openStreams: StreamSet, _ total: ReplayTotal
    ) {
        self.total = total
        retry = revision >= .v2025_11_25 ? Int(limits.reconnectAfter / .milliseconds(1)) : nil
        self.openStreams = openStreams
        state = Mutex(State(buffer: ReplayBuffer(limits: limits.replay)))
    }

    deinit { total.add(-state.withLock { $0.buffer.bytesHeld }) }

    var isPrimed: Bool { retry != nil }

    /// Begins the stream of a request.
    ///
    /// - Returns: its number.
    func begin(on exchange: HTTPExchange) -> Int {
        state.withLock { state in
            let number = state.buffer.open()
            carry(number, on: exchange, &state)
            return number
        }
    }

    /// Makes a connection the one that carries what belongs to no request.
    func beginOwn(on exchange: HTTPExchange) {
        state.withLock { state in carry(ReplayBuffer.own, on: exchange, &state) }
    }

    /// Sends what came on a stream after that event, and has the stream go on here.
    ///
    /// - Returns: `false` when that cannot be; nothing was sent then.
    func resume(after id: EventID, on exchange: HTTPExchange) -> Bool {
        state.withLock { state in
            let before = state.buffer.bytesHeld
            state.buffer.expire(at: .now)
            total.add(state.buffer.bytesHeld - before)
            guard case .events(let missed, let isOver) = state.buffer.replay(after: id) else { return false }
            carry(id.stream, on: exchange, &state, missed: missed)
            if isOver { dismiss(id.stream, &state) }
            return true
        }
    }

    /// Says something on a stream.
    ///
    /// - Parameter isLast: whether the stream is over with it.
    func push(_ message: JSON, to number: Int, isLast: Bool = false) {
        state.withLock { state in
            let before = state.buffer.bytesHeld
            defer { total.add(state.buffer.bytesHeld - before) }
            let bytes = state.buffer.append(to: number, isLast: isLast, at: .now) {
                SSEEvent(type: "message", data: Array(message.onOneLine.bytes), id: $0.description).bytes
            }
            guard let bytes else { return }
            if let share = total.share(with: state.buffer.bytesHeld - before) {
                state.buffer.shrink(to: share, at: .now)
            }
            if let carrier = state.carriers[number] { queue(carrier) { $0.write(bytes) } }
            if isLast { dismiss(number, &state) }
        }
    }

    /// Ends the stream of a request that gets no answer.
    func end(_ number: Int) {
        state.withLock { state in
            state.buffer.end(number)
            dismiss(number, &state)
        }
    }

    /// Ends the connection that carried what belongs to no request, unless another does so by now.
    func endOwn(on exchange: HTTPExchange) {
        state.withLock { if $0.carriers[ReplayBuffer.own] === exchange { dismiss(ReplayBuffer.own, &$0) } }
    }

    /// Lets go of what has waited too long.
    func expire(at now: ContinuousClock.Instant) {
        state.withLock { state in
            let before = state.buffer.bytesHeld
            state.buffer.expire(at: now)
            total.add(state.buffer.bytesHeld - before)
        }
    }

    // MARK: -

    private func carry(
        _ number: Int, on exchange: HTTPExchange, _ state: inout State, missed: [[UInt8]]? = nil
    ) {
        dismiss(number, &state)
        state.carriers[number] = exchange
        // Clients wait for the first byte before they trust a stream. One that resumes has an id already.
        let position = state.buffer.position(of: number).description
        let first =
            retry.flatMap { missed == nil ? SSEEvent(data: [], id: position, retry: $0).bytes : nil }
            ?? SSEEvent.keepAlive
        queue(exchange) { [weak self, openStreams] exchange in
            exchange.startStream(status: 200, headers: HTTPAnswer.eventHeaders)
            exchange.write(first)
            for event in missed ?? [] { exchange.write(event) }
            openStreams.insert(exchange)
            exchange.onClose { [weak self] in self?.leave(number, exchange) }
        }
    }

    /// Its client has gone, and may come back.
    private func leave(_ number: Int, _ exchange: HTTPExchange) {
        state.withLock { if $0.carriers[number] === exchange { $0.carriers[number] = nil } }
    }

    private func dismiss(_ number: Int, _ state: inout State) {
        guard let carrier = state.carriers.removeValue(forKey: number) else { return }
        queue(carrier) { [openStreams] carrier in
            openStreams.remove(carrier)
            carrier.end()
        }
    }

    private func queue(_ exchange: HTTPExchange, _ body: @escaping @Sendable (HTTPExchange) -> Void) {
        exchange.eventLoop.execute { body(exchange) }
    }
}
