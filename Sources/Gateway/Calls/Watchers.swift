import Catalog
import Composition
import MCPTransport
import Synchronization

/// Clients that want to hear of changed lists, and what each of their endpoints showed when they were last told.
///
/// After each change of the snapshot every watched endpoint is looked at once, however many clients watch it, and only
/// those whose own view differs are told.
final class Watchers: Sendable {
    private struct Watch {
        let endpoint: EndpointName
        let tell: @Sendable (ListChange) -> Void
    }

    private struct State {
        var next = 0
        var watches: [Int: Watch] = [:]
        /// `nil` inside: nothing stood there.
        var shown: [EndpointName: EndpointView?] = [:]
    }

    private let board: CatalogBoard
    private let state = Mutex(State())

    init(board: CatalogBoard) { self.board = board }

    func watch(_ endpoint: EndpointName, _ tell: @escaping @Sendable (ListChange) -> Void) -> WatchToken {
        makeView(of: endpoint)
        let id = state.withLock { state in
            state.next += 1
            state.watches[state.next] = Watch(endpoint: endpoint, tell: tell)
            if !state.shown.keys.contains(endpoint) {
                state.shown.updateValue(board.view(endpoint), forKey: endpoint)
            }
            return state.next
        }
        return WatchToken { [self] in
            state.withLock { state in
                guard let gone = state.watches.removeValue(forKey: id) else { return }
                if !state.watches.values.contains(where: { $0.endpoint == gone.endpoint }) {
                    state.shown.removeValue(forKey: gone.endpoint)
                }
            }
        }
    }

    /// To be called after each published snapshot.
    func snapshotChanged() {
        for endpoint in state.withLock({ Array($0.shown.keys) }) {
            makeView(of: endpoint)
            let news: [(tell: @Sendable (ListChange) -> Void, changes: [ListChange])] = state.withLock {
                state in
                guard let before = state.shown[endpoint] else { return [] }
                // Looked at under the lock: of two changes at once, the older must not be noted last.
                let now = board.view(endpoint)
                state.shown.updateValue(now, forKey: endpoint)
                let changes = Self.changes(from: before, to: now)
                guard !changes.isEmpty else { return [] }
                return state.watches.values.filter { $0.endpoint == endpoint }.map { ($0.tell, changes) }
            }
            for (tell, changes) in news { changes.forEach(tell) }
        }
    }

    /// Has the board make a view, so that under the lock it is only looked up.
    private func makeView(of endpoint: EndpointName) { _ = board.view(endpoint) }

    private static func changes(from before: EndpointView?, to now: EndpointView?) -> [ListChange] {
        switch (before, now) {
        case (nil, nil): []
        case (let before?, let now?):
            ListChange.allCases.filter { !now.listsChanged(since: before).isDisjoint(with: $0.kinds) }
        default: ListChange.allCases
        }
    }
}

extension ListChange {
    fileprivate var kinds: Set<EntryKind> {
        switch self {
        case .tools: [.tool]
        case .prompts: [.prompt]
        case .resources: [.resource, .resourceTemplate]
        }
    }
}
