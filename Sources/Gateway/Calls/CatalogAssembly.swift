import Catalog
import Synchronization

/// What this node shows is what the mesh told plus what it keeps to itself; put together here and handed to the board.
///
/// Kept to itself: servers that are not exported, and virtual servers that it may not define for the whole mesh.
final class CatalogAssembly: Sendable {
    private struct State {
        var mesh: CatalogSnapshot
        var servers: [Label: CatalogSnapshot.KnownServer] = [:]
        /// Own servers that other nodes may call, and which nodes.
        var shared: [Label: ServerAudience] = [:]
        var virtualServers: [Label: VirtualServerRecord] = [:]
        /// What is held back on this node alone.
        var holds: [StatementTarget: Hold] = [:]
    }

    private let board: CatalogBoard
    private let watchers: Watchers
    private let virtualChronicle: VirtualChronicle?
    private let state: Mutex<State>
    /// Snapshots reach the board in the order in which they were made.
    private let publishing = Mutex(())

    /// - Parameter virtualChronicle: hears of every snapshot.
    init(board: CatalogBoard, watchers: Watchers, virtualChronicle: VirtualChronicle? = nil) {
        self.board = board
        self.watchers = watchers
        self.virtualChronicle = virtualChronicle
        state = Mutex(State(mesh: board.snapshot))
    }

    /// The mesh has learnt something.
    func meshChanged(_ snapshot: CatalogSnapshot) { change { $0.mesh = snapshot } }

    /// A server stays on this node. To be said before the mesh is told to forget it.
    func keep(_ record: ServerRecord, _ manifest: Manifest?) {
        change { state in
            state.shared[record.key.name] = nil
            state.servers[record.key.name] = CatalogSnapshot.KnownServer(record: record, manifest: manifest)
        }
    }

    /// Other nodes may call a server from now on. To be said before the mesh is told of it.
    func share(_ name: Label, with audience: ServerAudience) {
        change { state in
            state.shared[name] = audience
            state.servers[name] = nil
        }
    }

    /// A server is gone. To be said before the mesh is told to forget it.
    func forgetServer(_ name: Label) {
        change { state in
            state.shared[name] = nil
            state.servers[name] = nil
        }
    }

    func keep(_ virtualServer: VirtualServerRecord) {
        change { $0.virtualServers[virtualServer.name] = virtualServer }
    }

    func hold(_ hold: Hold) { change { $0.holds[hold.target] = hold } }

    func releaseHere(_ target: StatementTarget) { change { $0.holds[target] = nil } }

    func forgetVirtualServer(_ name: Label) { change { $0.virtualServers[name] = nil } }

    /// Whether another node may call a server of this node. Nothing is shared that was not marked so: of a server that
    /// is only coming up, nobody has said yet whether it is private.
    func isShared(_ server: Label, with node: NodeID) -> Bool {
        state.withLock { $0.shared[server]?.includes($0.mesh.nodes[node]) ?? false }
    }

    func keepsVirtualServer(_ name: Label) -> Bool { state.withLock { $0.virtualServers[name] != nil } }

    private func change(_ body: (inout State) -> Void) {
        publishing.withLock { _ in
            let whole = state.withLock { state in
                body(&state)
                var whole = state.mesh
                for (name, server) in state.servers {
                    var server = server
                    server.record.key = ServerKey(owner: whole.me, name: name)
                    whole.servers[server.record.key] = server
                }
                for (name, record) in state.virtualServers {
                    whole.virtualServers[name] = record
                    // It counts here, whatever the mesh has under this name.
                    let word = VirtualServerWord(
                        name: name, author: whole.me, counter: record.counter,
                        isConfigured: record.isConfigured, definition: record.definition)
                    whole.virtualWords[name, default: []].insert(word, at: 0)
                }
                if !state.holds.isEmpty { whole.holds = Holds(whole.holds.all + state.holds.values) }
                return whole
            }
            board.publish(whole)
            virtualChronicle?.hear(whole)
        }
        watchers.snapshotChanged()
    }
}
