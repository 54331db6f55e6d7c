import Catalog
import Composition
import MCPModel
import MCPTransport
import Synchronization

/// The one place where the control plane hands the request path what it knows: a snapshot, and the views made of it.
///
/// A request takes a view once and keeps it. Views are made when first asked for, outside the lock, and kept over changes
/// that do not concern them.
final class CatalogBoard: Sendable {
    private struct State {
        var snapshot: CatalogSnapshot
        var replicas: ReplicaSets
        var version: UInt64 = 0
        var views: [EndpointName: EndpointView] = [:]
    }

    /// Endpoints that are remembered at once; there are no more than servers and virtual servers that somebody uses.
    private static let viewsMax = 4_096

    private let nameLengthMax: Int
    private let listedTools: Int
    private let state: Mutex<State>

    /// - Parameter listedTools: `limits.listedTools`.
    init(me: NodeID, nameLengthMax: Int, listedTools: Int = ListingMode.listedToolsDefault) {
        self.nameLengthMax = nameLengthMax
        self.listedTools = listedTools
        let empty = CatalogSnapshot(me: me)
        state = Mutex(State(snapshot: empty, replicas: ReplicaSets(empty)))
    }

    var snapshot: CatalogSnapshot { state.withLock { $0.snapshot } }
    /// What else is the same backend as a server, and the snapshot that says so; `nil` when nothing is.
    func replicas(of server: ServerKey) -> (others: [ServerKey], snapshot: CatalogSnapshot)? {
        state.withLock { state in
            let others = state.replicas.replicas(of: server)
            return others.isEmpty ? nil : (others, state.snapshot)
        }
    }

    /// Grows with each snapshot.
    var version: UInt64 { state.withLock { $0.version } }
    var me: NodeID { state.withLock { $0.snapshot.me } }

    /// - Complexity: O(servers of the endpoints in use)
    func publish(_ snapshot: CatalogSnapshot) {
        let known = state.withLock { $0.views }
        let standing = known.filter { name, view in
            Self.endpoint(name, in: snapshot) == view.endpoint && view.stands(in: snapshot)
        }
        let replicas = ReplicaSets(snapshot)
        state.withLock { state in
            state.snapshot = snapshot
            state.replicas = replicas
            state.version += 1
            state.views = standing
        }
    }

    /// What stands at an endpoint; `nil` when nothing does.
    func view(_ name: EndpointName) -> EndpointView? {
        wholeView(name.asDefined)?.shown(as: name.mode, listedTools: listedTools)
    }

    private func wholeView(_ name: EndpointName) -> EndpointView? {
        let (known, snapshot, version) = state.withLock { ($0.views[name], $0.snapshot, $0.version) }
        if let known { return known }
        guard let endpoint = Self.endpoint(name, in: snapshot) else { return nil }
        let made = EndpointView(of: endpoint, in: snapshot, nameLengthMax: nameLengthMax)
        state.withLock { state in
            guard state.version == version, state.views.count < Self.viewsMax else { return }
            state.views[name] = made
        }
        return made
    }

    /// One namespace for own servers, virtual servers and `NODE--SERVER`; the node's own server
    /// keeps a name that a partition let both take.
    private static func endpoint(_ name: EndpointName, in snapshot: CatalogSnapshot) -> Endpoint? {
        guard case .server(let text) = name.place else { return .all }
        guard let server = ServerName(reference: text) else { return nil }
        if let node = server.node {
            guard let owner = NodeNames(snapshot).node(node.text) else { return nil }
            let key = ServerKey(owner: owner, name: server.server)
            return snapshot.servers[key] == nil ? nil : .oneServer(key)
        }
        let own = ServerKey(owner: snapshot.me, name: server.server)
        if snapshot.servers[own] != nil { return .oneServer(own) }
        return snapshot.virtualServers[server.server].flatMap { try? ResolvedDefinition(json: $0.definition) }
            .map { .virtual($0) }
    }
}
