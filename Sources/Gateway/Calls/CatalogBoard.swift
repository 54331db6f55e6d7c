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
        var names: NodeNames
        var version: UInt64 = 0
        var views: [EndpointName: Made] = [:]
        var numbers: UInt64 = 0
    }

    /// A view as it was made: as long as the number is the same, so is the view.
    struct Made: Sendable {
        let view: EndpointView
        let number: UInt64
        let shelf: ViewShelf
    }

    /// Endpoints that are remembered at once; there are no more than servers and virtual servers that somebody uses.
    private static let viewsMax = 4_096

    private let nameLengthMax: Int
    /// `limits.listedTools`.
    let listedTools: Int
    /// Of the lists that are kept as they are written, of all views together.
    let writtenRoom = WrittenRoom()
    private let state: Mutex<State>
    private let versionNow = Atomic<UInt64>(0)

    /// - Parameter listedTools: `limits.listedTools`.
    init(me: NodeID, nameLengthMax: Int, listedTools: Int = ListingMode.listedToolsDefault) {
        self.nameLengthMax = nameLengthMax
        self.listedTools = listedTools
        let empty = CatalogSnapshot(me: me)
        state = Mutex(State(snapshot: empty, replicas: ReplicaSets(empty), names: NodeNames(empty)))
    }

    var snapshot: CatalogSnapshot { state.withLock { $0.snapshot } }
    /// What else is the same backend as a server, and the snapshot that says so; `nil` when nothing is.
    func replicas(of server: ServerKey) -> (others: [ServerKey], snapshot: CatalogSnapshot)? {
        state.withLock { state in
            let others = state.replicas.replicas(of: server)
            return others.isEmpty ? nil : (others, state.snapshot)
        }
    }

    /// How nodes are called, in the snapshot as it stands.
    var names: NodeNames { state.withLock { $0.names } }

    /// Grows with each snapshot, once it counts.
    var version: UInt64 { versionNow.load(ordering: .acquiring) }
    var me: NodeID { state.withLock { $0.snapshot.me } }

    /// - Complexity: O(servers of the endpoints in use)
    func publish(_ snapshot: CatalogSnapshot) {
        let known = state.withLock { $0.views }
        let standing = known.filter { name, made in
            Self.endpoint(name, in: snapshot) == made.view.endpoint && made.view.stands(in: snapshot)
        }
        let (replicas, names) = (ReplicaSets(snapshot), NodeNames(snapshot))
        state.withLock { state in
            state.snapshot = snapshot
            state.replicas = replicas
            state.names = names
            state.version += 1
            state.views = standing
            versionNow.store(state.version, ordering: .releasing)
        }
    }

    /// What stands at an endpoint, all of it; `nil` when nothing does. What of it a caller sees says ``AccessDesk``.
    func view(_ name: EndpointName) -> EndpointView? {
        made(name.asDefined)?.view.shown(as: name.mode, listedTools: listedTools)
    }

    /// The same as it is defined, however a client wants it shown.
    func made(_ name: EndpointName) -> Made? {
        let (known, snapshot, version) = state.withLock { ($0.views[name], $0.snapshot, $0.version) }
        if let known { return known }
        guard let endpoint = Self.endpoint(name, in: snapshot) else { return nil }
        let view = EndpointView(of: endpoint, in: snapshot, nameLengthMax: nameLengthMax)
        return state.withLock { state in
            state.numbers += 1
            let made = Made(view: view, number: state.numbers, shelf: ViewShelf(writtenRoom))
            if state.version == version, state.views.count < Self.viewsMax { state.views[name] = made }
            return made
        }
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
