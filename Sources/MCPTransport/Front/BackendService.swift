import JSONSlice
package import MCPModel
import Synchronization

/// One backend as an ``MCPService``: what `martlet stdio` serves, a node's endpoint spoken on through a pipe.
///
/// Lists are answered from the backend's last listing; calls go straight to it.
package final class BackendService: Sendable {
    private struct State {
        var listing: BackendListing?
        var lastWatch = 0
        var waiting: [Int: @Sendable (ListChange) -> Void] = [:]
    }

    private let timeout: Duration
    private let state = Mutex(State())

    /// - Parameter timeout: how long a call may take.
    package init(timeout: Duration) { self.timeout = timeout }

    /// To be given each event of the backend.
    package func take(_ event: BackendEvent) {
        guard case .listed(let listing) = event else { return }
        let (told, changes) = state.withLock { state in
            let changes = state.listing.map { Self.changes(from: $0, to: listing) } ?? []
            state.listing = listing
            return (Array(state.waiting.values), changes)
        }
        for tell in told { changes.forEach(tell) }
    }

    /// Which lists say something else than before.
    private static func changes(from old: BackendListing, to new: BackendListing) -> [ListChange] {
        ListChange.allCases.filter { change in
            let items = { (listing: BackendListing) in
                listing.entries.filter { $0.list.capability == change.capability }.map(\.definition)
            }
            return items(old) != items(new)
        }
    }

    /// Whether the backend was listed once, so that there is something to serve.
    package var isReady: Bool { state.withLock { $0.listing != nil } }

    /// - Parameter caller: starts one call at the backend.
    package func service(_ start: @escaping @Sendable (CallRequest, @escaping CallSink) -> CallHandle)
        -> MCPService
    {
        let hub = SubscriptionHub<String>(group: EventLoops.shared) { uri, sink in
            var random = SystemRandomNumberGenerator()
            return start(
                CallRequest(
                    id: CallID(using: &random), method: Method.subscriptionsListen,
                    params: ResourceSubscription.params(uri: uri), client: ClientFacts(), caller: .anonymous,
                    timeLeft: ResourceSubscription.callTime), sink)
        }
        return MCPService(
            door: .open,
            describe: { [self] _, _ in
                state.withLock { $0.listing }.map { listing in
                    EndpointDescription(
                        serverInfo: listing.serverInfo, instructions: listing.instructions,
                        capabilities: listing.capabilities)
                }
            },
            list: { [self] _, _, kind, cursor in
                guard cursor == nil else {
                    return .failure(.invalidParams("no such cursor; every list here is one page"))
                }
                let entries = state.withLock { $0.listing?.entries ?? [] }
                return .success(ListPage(items: entries.filter { $0.list == kind }.map(\.definition)))
            },
            call: { [timeout] call, sink in
                var random = SystemRandomNumberGenerator()
                let request = CallRequest(
                    id: CallID(using: &random), method: call.method, params: call.params, client: call.client,
                    caller: call.caller, timeLeft: timeout)
                return start(request, sink)
            },
            watch: { [self] _, _, tell in
                let number = state.withLock { state in
                    state.lastWatch += 1
                    state.waiting[state.lastWatch] = tell
                    return state.lastWatch
                }
                return WatchToken { [self] in _ = state.withLock { $0.waiting.removeValue(forKey: number) } }
            },
            subscribe: { interest in
                hub.watch(
                    interest.uri, uri: interest.uri, settled: interest.settled, updated: interest.updated)
            },
            definition: { [self] _, _, kind, name in
                state.withLock {
                    $0.listing?.entries.first {
                        $0.list == kind && $0.definition[kind.nameMember]?.string == name
                    }
                }?
                .definition
            },
            taskSupport: { [self] _, _, tool in
                state.withLock { $0.listing }?.taskSupport(of: tool) ?? .forbidden
            })
    }
}

extension BackendListing {
    /// Whether a tool may be called as a task: a modern server with the extension decides for each call, a legacy one
    /// says it for each tool.
    fileprivate func taskSupport(of tool: String) -> TaskSupport {
        let entry = entries.first { $0.list == .tools && $0.definition["name"]?.string == tool }
        guard TasksExtension.isDeclared(in: capabilities), let entry else { return .forbidden }
        return TaskSupport(of: entry.definition) ?? (era == .modern ? .optional : .forbidden)
    }
}
