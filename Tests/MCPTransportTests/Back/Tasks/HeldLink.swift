import JSONSlice
import MCPModel
import Synchronization

@testable import MCPTransport

/// A link whose answers come when the test says.
final class HeldLink: BackendLink {
    let sent = Mutex<[(request: LinkRequest, sink: @Sendable (LinkEvent) -> Void)]>([])

    /// Of all requests, in their order.
    var methods: [String] { sent.withLock { $0.map(\.request.method) } }

    /// What comes for the last request of that method.
    func tell(_ method: String, _ event: LinkEvent) {
        sent.withLock { $0.last { $0.request.method == method } }?.sink(event)
    }

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        sent.withLock { $0.append((request, sink)) }
        return .finished
    }

    func notify(_ method: String, _ params: JSON?) {}
    func announce(_ method: String) async {}
    func respond(_ message: RPCMessage) {}
    func settle(_ revision: ProtocolRevision) {}
    func attend() async {}
    func close() async -> String? { nil }
    var sessionNumber: Int { 0 }
}
