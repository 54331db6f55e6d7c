import Catalog
import Composition
import MCPModel
import MCPTransport
import Synchronization

/// Clients that want to hear of changed lists, and what each of their endpoints showed them when they were last told.
///
/// After each change of the snapshot every watched endpoint is looked at once for each principal that watches it, and only those
/// are told whose own view differs. Principals of equal standing share their views, so what is compared once is not compared again.
final class Watchers: Sendable {
    /// An endpoint as somebody sees it.
    private struct Place: Hashable {
        let endpoint: EndpointName
        let principal: Principal
    }

    private struct Watch {
        let place: Place
        let tell: @Sendable (ListChange) -> Void
    }

    private struct Comparison: Hashable {
        let endpoint: EndpointName
        let before: UInt64
        let now: UInt64
    }

    private struct State {
        var next = 0
        var watches: [Int: Watch] = [:]
        var counts: [Place: Int] = [:]
        /// `nil` inside: nothing stood there.
        var shown: [Place: CatalogBoard.Made?] = [:]
    }

    private let access: AccessDesk
    private let state = Mutex(State())

    init(access: AccessDesk) { self.access = access }

    func watch(
        _ endpoint: EndpointName, as principal: Principal, _ tell: @escaping @Sendable (ListChange) -> Void
    ) -> WatchToken {
        let place = Place(endpoint: endpoint, principal: principal)
        makeView(of: place)
        let id = state.withLock { state in
            state.next += 1
            state.watches[state.next] = Watch(place: place, tell: tell)
            state.counts[place, default: 0] += 1
            if !state.shown.keys.contains(place) { state.shown.updateValue(view(of: place), forKey: place) }
            return state.next
        }
        return WatchToken { [self] in
            state.withLock { state in
                guard let gone = state.watches.removeValue(forKey: id) else { return }
                let left = (state.counts[gone.place] ?? 1) - 1
                state.counts[gone.place] = left > 0 ? left : nil
                if left == 0 { state.shown.removeValue(forKey: gone.place) }
            }
        }
    }

    /// To be called after each published snapshot.
    func snapshotChanged() {
        var compared: [Comparison: [ListChange]] = [:]
        for place in state.withLock({ Array($0.shown.keys) }) {
            makeView(of: place)
            let news: [(tell: @Sendable (ListChange) -> Void, changes: [ListChange])] = state.withLock {
                state in
                guard let before = state.shown[place] else { return [] }
                // Looked at under the lock: of two changes at once, the older must not be noted last.
                let now = view(of: place)
                state.shown.updateValue(now, forKey: place)
                let changes = Self.changes(at: place.endpoint, from: before, to: now, &compared)
                guard !changes.isEmpty else { return [] }
                return state.watches.values.filter { $0.place == place }.map { ($0.tell, changes) }
            }
            for (tell, changes) in news { changes.forEach(tell) }
        }
    }

    /// Has the view made, so that under the lock it is only looked up.
    private func makeView(of place: Place) { _ = view(of: place) }

    private func view(of place: Place) -> CatalogBoard.Made? {
        guard let made = access.made(place.endpoint, for: place.principal) else { return nil }
        let shown = made.view.shown(as: place.endpoint.mode, listedTools: access.board.listedTools)
        return CatalogBoard.Made(view: shown, number: made.number, shelf: made.shelf)
    }

    private static func changes(
        at endpoint: EndpointName, from before: CatalogBoard.Made?, to now: CatalogBoard.Made?,
        _ compared: inout [Comparison: [ListChange]]
    ) -> [ListChange] {
        switch (before, now) {
        case (nil, nil): return []
        case (let before?, let now?):
            guard before.number != now.number else { return [] }
            let comparison = Comparison(endpoint: endpoint, before: before.number, now: now.number)
            if let known = compared[comparison] { return known }
            let changed = now.view.listsChanged(since: before.view)
            let changes = ListChange.allCases.filter { !changed.isDisjoint(with: $0.kinds) }
            compared[comparison] = changes
            return changes
        default: return ListChange.allCases
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
