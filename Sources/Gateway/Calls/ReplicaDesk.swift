import Catalog
import Composition
import JSONSlice
import MCPModel
import Mesh
import Synchronization

/// Calls to a server that has replicas: picks one for each, and another where that runs nothing twice that must not be.
///
/// A call goes to another replica when it provably reached no backend (``CallFailure/isUnsent``); when it only reads, and
/// the way or the backend failed; and when nobody knows whether it ran, as a repeat: whoever gets that runs it only
/// if its own configuration calls the tool repeatable.
final class ReplicaDesk: Sendable {
    /// Replicas tried for one call; each costs its caller time.
    static let attemptsMax = 3

    /// Sends a call to one server, or a repeat of one that may have run elsewhere; nothing more comes after its final event.
    typealias Send =
        @Sendable (ServerKey, CallRequest, _ isRepeat: Bool, @escaping CallSink) -> CallHandle

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
    ///   - objection: why the call may not go to one of these; that it may go to the named one its caller knows.
    func call(
        _ named: ServerKey, replicas: [ServerKey], in snapshot: CatalogSnapshot, _ request: CallRequest,
        _ sink: @escaping CallSink, objection: (ServerKey) -> CallFailure?, send: @escaping Send
    ) -> CallHandle {
        let all = [named] + replicas
        var request = request
        // The second leg of a call that its server suspended goes where the first one was.
        if let text = request.params["requestState"]?.string {
            guard let (state, server) = ReplicaState.parse(text), all.contains(server) else {
                return send(named, request, false, sink)
            }
            request.params = request.params.setting("requestState", to: .string(state))
            if server != named, let failure = objection(server) {
                sink(.failure(failure))
                return .finished
            }
            return send(server, request, false, Self.marking(sink, server, named))
        }
        let candidates = all.compactMap { Self.candidate($0, in: snapshot) }.filter {
            $0.server == named || objection($0.server) == nil
        }
        let course = Course(
            desk: self, named: named, candidates: candidates, request: request, sink: sink, send: send)
        course.next()
        return CallHandle { course.cancel() }
    }

    /// The replicas of which the next call gets one.
    func inLine(among servers: [ServerKey], in snapshot: CatalogSnapshot) -> [ServerKey] {
        let candidates = servers.compactMap { Self.candidate($0, in: snapshot) }
        return book.withLock { $0.inLine(among: candidates, at: now()) }
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

    /// - Parameter last: taken where there is no candidate.
    private func choose(among candidates: [ReplicaBook.Candidate], orElse last: ServerKey) -> ServerKey {
        var random = SystemRandomNumberGenerator()
        return book.withLock { book in
            if let chosen = book.choose(among: candidates, at: now(), using: &random) { return chosen }
            book.sent(to: last)
            return last
        }
    }

    private func finished(_ server: ServerKey, _ outcome: ReplicaBook.Outcome, since start: Instant) {
        let end = now()
        book.withLock { $0.finished(server, outcome, after: end - start, at: end) }
    }

    /// What an end says of the replica.
    private static func outcome(of event: CallEvent, isRepeat: Bool) -> ReplicaBook.Outcome {
        guard case .failure(let failure) = event else { return .answered }
        switch failure.reason {
        case .ownerUnreachable, .noPath, .backendUnavailable:
            return failure.isUnsent ? .unsent : .failed
        case .backendAuth, .sealed, .notConfirmed, .unknownEntry:
            return failure.isUnsent ? .unsent : .noMatter
        // Most that may not run a repeat say so in these words.
        case .outcomeUnknown: return isRepeat ? .noMatter : .failed
        case .backendProtocol, .deadlineExceeded: return failure.isUnsent ? .noMatter : .failed
        default: return .noMatter
        }
    }

    /// Whether what reads may be read elsewhere. A deadline has passed there too, and a refusal is an answer.
    private static func mayReadElsewhere(_ method: String, after failure: CallFailure) -> Bool {
        guard CallCourse.reads.contains(method) else { return false }
        switch failure.reason {
        case .ownerUnreachable, .noPath, .backendUnavailable, .backendProtocol, .outcomeUnknown: return true
        default: return false
        }
    }

    /// One call, from its first attempt to its end.
    private final class Course: Sendable {
        private struct State {
            var handle: CallHandle?
            var isCancelled = false
            /// Its caller has the end of it. What ends at once does so before its handle is here.
            var isOver = false
            var attempts = 0
            var left: [ReplicaBook.Candidate]
            /// Why nobody knows whether it ran, from the first attempt of which that is so.
            var unknown: CallFailure?
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
            let server = desk.choose(among: state.withLock { $0.left }, orElse: named)
            let (attempt, isRepeat) = state.withLock { state in
                state.left.removeAll { $0.server == server }
                state.handle = nil
                state.attempts += 1
                return (state.attempts, state.unknown != nil)
            }
            var request = request
            let begun = desk.now()
            if attempt > 1 {
                // An id is sent once, ever.
                request.id = .random()
                request.timeLeft -= begun - start
            }
            let sink = ReplicaDesk.marking(sink, server, named)
            let handle = send(server, request, isRepeat) { event in
                guard event.isFinal else { return sink(event) }
                self.desk.finished(
                    server, ReplicaDesk.outcome(of: event, isRepeat: isRepeat), since: begun)
                self.ended(event, sink)
            }
            let isCancelled = state.withLock { state in
                // Kept any longer, it and the call would hold each other for good.
                guard state.attempts == attempt, !state.isOver else { return false }
                if !state.isCancelled { state.handle = handle }
                return state.isCancelled
            }
            if isCancelled { handle.cancel() }
        }

        /// One attempt is over, and the call with it, or another begins.
        private func ended(_ event: CallEvent, _ sink: CallSink) {
            guard case .failure(let failure) = event else { return end(event, sink) }
            let unknown = state.withLock { state in
                if failure.reason == .outcomeUnknown, request.method == Method.toolsCall {
                    state.unknown = state.unknown ?? failure
                }
                return state.unknown
            }
            // What is quarantined is to run nowhere; not every node need have heard of it yet.
            let mayGoOn =
                (failure.isUnsent && failure.reason != .quarantined)
                || (unknown != nil && failure.reason == .outcomeUnknown)
                || ReplicaDesk.mayReadElsewhere(request.method, after: failure)
            if mayGoOn, hasAnother() { return next() }
            // Whatever came of a repeat, the first time may have run.
            let isOwn = failure.reason == .cancelled || failure.reason == .deadlineExceeded
            end(isOwn ? event : unknown.map { .failure($0) } ?? event, sink)
        }

        private func end(_ event: CallEvent, _ sink: CallSink) {
            state.withLock { state in
                state.isOver = true
                state.handle = nil
            }
            sink(event)
        }

        private func hasAnother() -> Bool {
            let isLate = desk.now() - start >= request.timeLeft
            return state.withLock { state in
                !isLate && !state.isCancelled && state.attempts < ReplicaDesk.attemptsMax
                    && !state.left.isEmpty
            }
        }

        func cancel() {
            let handle = state.withLock { state in
                state.isCancelled = true
                defer { state.handle = nil }
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
