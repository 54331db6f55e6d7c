import JSONSlice
import MCPModel
import MCPTransport
import Synchronization

/// What stands behind a front that is shown an exchange: it answers with the words of 2026-07-28, which the front has to
/// put into those of its client.
final class GoldenService: Sendable {
    private struct State: Sendable {
        var round = 0
        /// A call that is not answered yet is not forgotten: who lets go of its sink has given it up.
        var sinks: [CallSink] = []
        var calls = 0
        var cancelled = 0
        var breaches: [String] = []
        var watchers: [@Sendable (ListChange) -> Void] = []
    }

    private let exchange: GoldenExchange
    private let modern: GoldenExchange
    private let discovery: JSON
    private let state = Mutex(State())

    init(_ exchange: GoldenExchange) throws {
        self.exchange = exchange
        modern = try GoldenExchange(exchange.name, .v2026_07_28)
        discovery = try GoldenExchange.result("server-discover", .v2026_07_28)
    }

    var calls: Int { state.withLock { $0.calls } }
    var cancelled: Int { state.withLock { $0.cancelled } }
    var watchers: Int { state.withLock { $0.watchers.count } }
    var breaches: [String] { state.withLock { $0.breaches } }

    func change(_ change: ListChange) {
        for tell in state.withLock({ $0.watchers }) { tell(change) }
    }

    private static let serverInfo = "io.modelcontextprotocol/serverInfo"

    var service: MCPService {
        MCPService(
            door: .open,
            describe: { [discovery] _, _ in
                EndpointDescription(
                    serverInfo: discovery["_meta"]?[Self.serverInfo] ?? .null,
                    instructions: discovery["instructions"]?.string,
                    capabilities: discovery["capabilities"] ?? .emptyObject,
                    ttl: .milliseconds(discovery["ttlMs"]?.int ?? 0))
            },
            list: { [modern] _, _, kind, _ in
                let result = modern.lines.last?.message["result"] ?? .null
                return .success(
                    ListPage(
                        items: result[kind.member]?.elements ?? [], nextCursor: result["nextCursor"]?.string,
                        ttl: .zero))
            },
            call: { [self] call, sink in start(call, sink) },
            watch: { [self] _, _, tell in
                state.withLock { $0.watchers.append(tell) }
                return .none
            })
    }

    private func start(_ call: EndpointCall, _ sink: @escaping CallSink) -> CallHandle {
        let round = state.withLock { state in
            defer { state.round += 1 }
            state.calls += 1
            state.sinks.append(sink)
            return state.round
        }
        // The first round is the client's own word; the retry is what a modern client would say.
        let golden = round == 0 ? exchange.requests.last { $0["method"] == .string(call.method) } : nil
        let own =
            exchange.revision.era == .modern ? modern.requests[min(round, modern.requests.count - 1)] : golden
        let wanted = own ?? modern.requests[min(round, modern.requests.count - 1)]
        let params = wanted["params"].map { RequestMeta.stripped($0) }
        if params?.text != call.params.text {
            state.withLock {
                $0.breaches.append("round \(round): \(call.params) instead of \(params ?? .null)")
            }
        }
        for message in modern.said(to: round) {
            switch (message["method"]?.string, message["result"], message["error"]) {
            case (let method?, _, _):
                sink(.notification(method: method, params: message["params"] ?? .emptyObject))
            case (_, let result?, _): sink(.result(Self.unsigned(result)))
            case (_, _, let error?): sink(.error(error))
            default: break
            }
        }
        return CallHandle { [self] in state.withLock { $0.cancelled += 1 } }
    }

    /// The front signs for itself.
    private static func unsigned(_ result: JSON) -> JSON {
        guard let meta = result["_meta"]?.removing(serverInfo) else { return result }
        return meta.members.isEmpty ? result.removing("_meta") : result.setting("_meta", to: meta)
    }
}
