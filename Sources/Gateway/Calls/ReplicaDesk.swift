import Catalog
import Composition
import JSONSlice
import MCPModel
import Synchronization

/// Calls to a server that has replicas: picks one for each, and picks another where a call provably reached no backend.
final class ReplicaDesk: Sendable {
    /// Replicas tried for one call; each costs its caller time.
    static let attemptsMax = 3

    /// Sends a call to one server; nothing more comes after its final event.
    typealias Send = @Sendable (ServerKey, CallRequest, @escaping CallSink) -> CallHandle

    private let book = Mutex(ReplicaBook())
    private let now: @Sendable () -> Instant

    init(now: @escaping @Sendable () -> Instant) { self.now = now }

    /// Whether a call must stay with the server that it names: what a task is called says where it is.
    static func isBound(_ request: CallRequest) -> Bool {
        request.method.hasPrefix("tasks/") || TasksExtension.isDeclared(in: request.client.capabilities)
    }

    /// - Parameters:
    ///   - named: the server that the caller's entry is of.
    ///   - replicas: the others that are the same backend.
    func call(
        _ named: ServerKey, replicas: [ServerKey], in snapshot: CatalogSnapshot, _ request: CallRequest,
        _ sink: @escaping CallSink, send: @escaping Send
    ) -> CallHandle {
        let all = [named] + replicas
        var request = request
        // The second leg of a call that its server suspended goes where the first one was.
        if let text = request.params["requestState"]?.string {
            guard let (state, server) = ReplicaState.parse(text), all.contains(server) else {
                return send(named, request, sink)
            }
            request.params = request.params.setting("requestState", to: .string(state))
            return send(server, request, Self.marking(sink, server, named))
        }
        let candidates = all.compactMap { Self.candidate($0, in: snapshot) }
        let course = Course(
            desk: self, named: named, candidates: candidates, request: request, sink: sink, send: send)
        course.next()
        return CallHandle { course.cancel() }
    }

    private static func candidate(
        _ server: ServerKey, in snapshot: CatalogSnapshot
    ) -> ReplicaBook.Candidate? {
        guard let node = snapshot.nodes[server.owner], node.isReachable,
            let state = snapshot.servers[server]?.record.state, state == .up || state == .degraded
        else { return nil }
        let isNear = node.segment == snapshot.nodes[snapshot.me]?.segment
        return ReplicaBook.Candidate(
            server: server, nearness: server.owner == snapshot.me ? .here : isNear ? .segment : .elsewhere)
    }

    /// A suspended call says where it waits, unless it is where everybody would look.
    private static func marking(
        _ sink: @escaping CallSink, _ server: ServerKey, _ named: ServerKey
    ) -> CallSink {
        guard server != named else { return sink }
        return { event in
            guard case .result(let result) = event, let state = result["requestState"]?.string else {
                return sink(event)
            }
            sink(.result(result.setting("requestState", to: .string(ReplicaState.mark(state, server)))))
        }
    }

    private func choose(among candidates: [ReplicaBook.Candidate]) -> ServerKey? {
        var random = SystemRandomNumberGenerator()
        return book.withLock { $0.choose(among: candidates, at: now(), using: &random) }
    }

    private func finished(_ server: ServerKey, _ event: CallEvent, since start: Instant) {
        let end = now()
        book.withLock { $0.finished(server, Self.outcome(of: event), after: end - start, at: end) }
    }

    private static func outcome(of event: CallEvent) -> ReplicaBook.Outcome {
        guard case .failure(let failure) = event else { return .answered }
        if isUnsent(failure) { return .unsent }
        switch failure.reason {
        case .backendUnavailable, .backendProtocol, .deadlineExceeded, .outcomeUnknown: return .failed
        default: return .noMatter
        }
    }

    /// Whether it is sure that the call reached no backend, so that it may go to another.
    private static func isUnsent(_ failure: CallFailure) -> Bool {
        failure.isUnsent || failure.reason == .ownerUnreachable || failure.reason == .noPath
    }

    /// One call, from its first attempt to its end.
    private final class Course: Sendable {
        private struct State {
            var handle: CallHandle?
            var isCancelled = false
            var attempts = 0
            var left: [ReplicaBook.Candidate]
        }

        private let desk: ReplicaDesk
        private let named: ServerKey
        private let request: CallRequest
        private let sink: CallSink
        private let send: Send
        private let start: Instant
        private let state: Mutex<State>

        init(
            desk: ReplicaDesk, named: ServerKey, candidates: [ReplicaBook.Candidate], request: CallRequest,
            sink: @escaping CallSink, send: @escaping Send
        ) {
            self.desk = desk
            self.named = named
            self.request = request
            self.sink = sink
            self.send = send
            start = desk.now()
            state = Mutex(State(left: candidates))
        }

        func next() {
            // With nobody up the one that was named says why.
            let server = desk.choose(among: state.withLock { $0.left }) ?? named
            let attempt = state.withLock { state in
                state.left.removeAll { $0.server == server }
                state.handle = nil
                state.attempts += 1
                return state.attempts
            }
            var request = request
            let begun = desk.now()
            if attempt > 1 {
                // What reached nobody goes out again as a call of its own.
                request.id = .random()
                request.timeLeft -= begun - start
            }
            let sink = ReplicaDesk.marking(sink, server, named)
            let handle = send(server, request) { event in
                guard event.isFinal else { return sink(event) }
                self.desk.finished(server, event, since: begun)
                if case .failure(let failure) = event, ReplicaDesk.isUnsent(failure), self.mayGoOn() {
                    return self.next()
                }
                sink(event)
            }
            let isCancelled = state.withLock { state in
                guard state.attempts == attempt else { return false }
                state.handle = handle
                return state.isCancelled
            }
            if isCancelled { handle.cancel() }
        }

        private func mayGoOn() -> Bool {
            let isLate = desk.now() - start >= request.timeLeft
            return state.withLock { state in
                !isLate && !state.isCancelled && state.attempts < ReplicaDesk.attemptsMax
                    && !state.left.isEmpty
            }
        }

        func cancel() {
            let handle = state.withLock { state in
                state.isCancelled = true
                return state.handle
            }
            handle?.cancel()
        }
    }
}

/// The replica at which a suspended call waits, behind the state that its server gave.
enum ReplicaState {
    private static let mark = "~at:"

    static func mark(_ state: String, _ server: ServerKey) -> String { "\(state)\(mark)\(server.reference)" }

    /// - Returns: `nil` for a state that bears no mark.
    static func parse(_ text: String) -> (state: String, server: ServerKey)? {
        guard let range = text.ranges(of: mark).last,
            let server = ServerKey(reference: String(text[range.upperBound...]))
        else { return nil }
        return (String(text[..<range.lowerBound]), server)
    }
}
