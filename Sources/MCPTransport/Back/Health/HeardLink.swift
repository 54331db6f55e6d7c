import JSONSlice
import MCPModel
import Synchronization

/// A link of calls, which tells of each what is heard of it where it is heard: what the gateway itself answers never comes
/// by here, and so is no sign of life.
struct HeardLink: BackendLink {
    /// What is heard of one request, as far as it says something of the backend.
    enum Sign: Hashable, Sendable {
        case began
        /// Progress, a log message or a question.
        case stirred
        /// A result or an error.
        case answered
        /// Its way broke, or nobody waits for it any more.
        case ended
    }

    let link: any BackendLink
    let tell: @Sendable (Sign) -> Void

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        // What may stay silent for as long as it likes is no work that one would wait for.
        let end = request.isEndless ? nil : OnceOnly { tell(.ended) }
        if end != nil { tell(.began) }
        let handle = link.send(request) { event in
            switch event {
            case .notification, .question: tell(.stirred)
            case .result, .error:
                tell(.answered)
                end?.run()
            case .fault: end?.run()
            }
            sink(event)
        }
        return CallHandle {
            end?.run()
            handle.cancel()
        }
    }

    func notify(_ method: String, _ params: JSON?) { link.notify(method, params) }
    func announce(_ method: String) async { await link.announce(method) }
    func respond(_ message: RPCMessage) { link.respond(message) }
    func settle(_ revision: ProtocolRevision) { link.settle(revision) }
    func attend() async { await link.attend() }
    func whenAttentive() async { await link.whenAttentive() }
    func close() async -> String? { await link.close() }
    var sessionNumber: Int { link.sessionNumber }
    var laneLink: LaneLink? { link.laneLink }
}

/// Runs once, whoever comes first.
private final class OnceOnly: Sendable {
    private let body: @Sendable () -> Void
    private let isDone = Atomic(false)

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func run() {
        if !isDone.exchange(true, ordering: .acquiringAndReleasing) { body() }
    }
}
