import Catalog
import Composition
import MCPModel
import MCPTransport
import Synchronization

/// This node's own servers as the request path sees them: a name, a backend, and how many calls it may have at once.
///
/// The supervisor writes, requests read; each is a short hold of one lock.
final class LocalServers: Sendable {
    private struct EntryName: Hashable {
        let kind: EntryKind
        let name: String
    }

    private struct Slot {
        let backend: Backend
        /// Calls at the backend at once; more are `limited`.
        let concurrency: Int
        let repeatable: [Glob]
        /// Entry nodes whose word on who calls counts; `nil`: of all.
        let callersFrom: ServerScope?
        let demands: RecordDemands
        var running = 0
        /// By kind and the server's own name; what calls of other nodes are held against.
        var definitions: [EntryName: ContentHash] = [:]
        /// The last round trips, newest last; for the latency that `status` shows.
        var roundTrips: [Duration] = []
    }

    /// Enough to smooth one slow call, few enough to follow a change.
    private static let roundTripsMax = 32

    private let slots = Mutex<[Label: Slot]>([:])
    private let objection: @Sendable (CallRequest, Label) -> CallFailure?

    /// - Parameter objection: why a call may not run now, whoever makes it (``Glass``).
    init(objection: @escaping @Sendable (CallRequest, Label) -> CallFailure? = { _, _ in nil }) {
        self.objection = objection
    }

    /// What a call to a server gets that waits for the vault: until it is opened nothing else is known of it.
    func sealed(_ request: CallRequest, at name: Label) -> CallFailure? {
        slots.withLock { $0[name]?.backend }?.sealedFailure(of: request)
    }

    /// - Parameters:
    ///   - repeatable: tools that may be called again when nobody knows whether they ran.
    ///   - callersFrom: entry nodes whose word on who calls counts (`servers.NAME.callersFrom`); `nil`: of all.
    ///   - demands: calls that need a record on stable storage first.
    func put(
        _ name: Label, _ backend: Backend, concurrency: Int, repeatable: [Glob] = [],
        callersFrom: ServerScope? = nil, demands: RecordDemands = .none
    ) {
        slots.withLock {
            $0[name] = Slot(
                backend: backend, concurrency: concurrency, repeatable: repeatable, callersFrom: callersFrom,
                demands: demands)
        }
    }

    func remove(_ name: Label) {
        slots.withLock { _ = $0.removeValue(forKey: name) }
    }

    /// What the server offers now.
    func put(_ manifest: Manifest, of name: Label) {
        let definitions = Dictionary(
            manifest.entries.map { (EntryName(kind: $0.kind, name: $0.name), $0.hash) },
            uniquingKeysWith: { first, _ in first })
        slots.withLock { $0[name]?.definitions = definitions }
    }

    /// The definition behind a request's entry as it is now; `nil` where the request names none that is listed.
    func definition(of kind: EntryKind, _ entry: String, at name: Label) -> ContentHash? {
        slots.withLock { $0[name]?.definitions[EntryName(kind: kind, name: entry)] }
    }

    /// Whether configuration lets a call run once more whose outcome is unknown (`servers.NAME.tools`). The backend's own
    /// hints do not count.
    func isRepeatable(_ request: CallRequest, at name: Label) -> Bool {
        guard request.method == Method.toolsCall, let tool = request.params["name"]?.string,
            let patterns = slots.withLock({ $0[name]?.repeatable })
        else { return false }
        return patterns.contains { $0.matches(tool) }
    }

    /// Whether a call needs a record on stable storage before it goes out.
    func requiresRecord(of request: CallRequest, at name: Label) -> Bool {
        slots.withLock { $0[name]?.demands }?.include(request) ?? false
    }

    /// Whether a server takes an entry node's word on who calls.
    ///
    /// - Parameter node: as this node knows it; one that it does not know is believed only where all are.
    func takesWord(of node: NodeRecord?, at name: Label) -> Bool {
        guard let scope = slots.withLock({ $0[name]?.callersFrom }) else { return true }
        return node.map(scope.contains) ?? false
    }

    /// Median of the last round trips; `nil` before the first.
    func latency(_ name: Label) -> Duration? {
        slots.withLock { slots in
            let sorted = (slots[name]?.roundTrips ?? []).sorted()
            return sorted.isEmpty ? nil : sorted[sorted.count / 2]
        }
    }

    /// Calls a backend of this node, within its limits.
    func call(_ name: Label, _ request: CallRequest, _ sink: @escaping CallSink) -> CallHandle {
        enum Admission {
            case go(Backend)
            case unknown
            case full(Int)
        }
        if let failure = objection(request, name) {
            sink(.failure(sealed(request, at: name) ?? failure))
            return .finished
        }
        let isSubscription = request.method == Method.subscriptionsListen
        let admission: Admission = slots.withLock { slots in
            guard let slot = slots[name] else { return .unknown }
            if isSubscription { return .go(slot.backend) }
            guard slot.running < slot.concurrency else { return .full(slot.concurrency) }
            slots[name]?.running += 1
            return .go(slot.backend)
        }
        switch admission {
        case .unknown:
            sink(
                .failure(
                    CallFailure(
                        .unknownEntry, "this node has no server named \(name)",
                        hint: "see `martlet servers list`", callID: request.id, isUnsent: true)))
            return .finished
        case .full(let count):
            sink(
                .failure(
                    CallFailure(
                        .limited, "\(name) already has \(count) calls at once, its limit",
                        hint: "try again in a moment, or raise servers.\(name).concurrency",
                        callID: request.id, isUnsent: true, rule: "servers.\(name).concurrency")))
            return .finished
        case .go(let backend) where isSubscription:
            // It waits for what may never come: the number of calls is not its bound, but its lease and the backend's own
            // limit.
            var request = request
            request.timeLeft = min(request.timeLeft, ResourceSubscription.callTime)
            return backend.call(request, sink)
        case .go(let backend):
            let start = ContinuousClock.now
            return backend.call(request) { event in
                if event.isFinal { self.finished(name, backend, event, after: ContinuousClock.now - start) }
                sink(event)
            }
        }
    }

    /// Cancels a task that its caller has not heard of. It takes no place among the calls: nobody chose to make it.
    ///
    /// - Parameter order: the `tasks/cancel`, in that caller's name.
    func abandonTask(_ name: Label, _ order: CallRequest) {
        slots.withLock { $0[name]?.backend }?.abandonTask(order)
    }

    private func finished(_ name: Label, _ backend: Backend, _ event: CallEvent, after elapsed: Duration) {
        slots.withLock { slots in
            // A call of a server that was replaced meanwhile had its place at the old one.
            guard slots[name]?.backend === backend, var slot = slots.removeValue(forKey: name) else { return }
            slot.running -= 1
            if case .failure = event {
            } else {
                slot.roundTrips.append(elapsed)
                if slot.roundTrips.count > Self.roundTripsMax { slot.roundTrips.removeFirst() }
            }
            slots[name] = slot
        }
    }
}
