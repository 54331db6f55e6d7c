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
        let places: CallPlaces
        let repeatable: [Glob]
        /// Entry nodes whose word on who calls counts; `nil`: of all.
        let callersFrom: ServerScope?
        let demands: RecordDemands
        /// By kind and the server's own name; what calls of other nodes are held against.
        var definitions: [EntryName: ContentHash] = [:]
    }

    private let slots = Mutex<[Label: Slot]>([:])
    private let changes = Atomic<UInt64>(0)
    let objection: @Sendable (CallRequest, Label) -> CallFailure?

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
                backend: backend, places: CallPlaces(max: concurrency), repeatable: repeatable,
                callersFrom: callersFrom,
                demands: demands)
        }
        changes.add(1, ordering: .releasing)
    }

    func remove(_ name: Label) {
        slots.withLock { _ = $0.removeValue(forKey: name) }
        changes.add(1, ordering: .releasing)
    }

    /// What the server offers now.
    func put(_ manifest: Manifest, of name: Label) {
        let definitions = Dictionary(
            manifest.entries.map { (EntryName(kind: $0.kind, name: $0.name), $0.hash) },
            uniquingKeysWith: { first, _ in first })
        slots.withLock { $0[name]?.definitions = definitions }
        changes.add(1, ordering: .releasing)
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
    func latency(_ name: Label) -> Duration? { slots.withLock { $0[name]?.places }?.latency }

    /// Where calls of a server go now, as long as ``version`` is the same.
    func place(of name: Label) -> (backend: Backend, places: CallPlaces)? {
        slots.withLock { slots in slots[name].map { ($0.backend, $0.places) } }
    }

    /// Grows with every server that comes, changes, offers something else or goes.
    var version: UInt64 { changes.load(ordering: .acquiring) }

    /// Calls a backend of this node, within its limits.
    func call(_ name: Label, _ request: CallRequest, _ sink: @escaping CallSink) -> CallHandle {
        enum Admission {
            case go(Backend, CallPlaces)
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
            guard isSubscription || slot.places.enter() else { return .full(slot.places.max) }
            return .go(slot.backend, slot.places)
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
        case .go(let backend, _) where isSubscription:
            // It waits for what may never come: the number of calls is not its bound, but its lease and the backend's own
            // limit.
            var request = request
            request.timeLeft = min(request.timeLeft, ResourceSubscription.callTime)
            return backend.call(request, sink)
        case .go(let backend, let places):
            return backend.call(request, places.counting(sink, from: .now))
        }
    }

    /// Cancels a task that its caller has not heard of. It takes no place among the calls: nobody chose to make it.
    ///
    /// - Parameter order: the `tasks/cancel`, in that caller's name.
    func abandonTask(_ name: Label, _ order: CallRequest) {
        slots.withLock { $0[name]?.backend }?.abandonTask(order)
    }
}

extension CallPlaces {
    /// The sink of a call that has a place, which gives it back at the call's end.
    func counting(_ sink: @escaping CallSink, from start: ContinuousClock.Instant) -> CallSink {
        { event in
            switch event {
            case .notification: break
            case .failure: self.leave(after: nil)
            case .result, .error: self.leave(after: start.duration(to: .now))
            }
            sink(event)
        }
    }
}
