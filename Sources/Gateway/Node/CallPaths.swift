import Catalog
import MeshTransport
import Synchronization

/// Labels of the nodes that calls cross, this one first; kept for as long as no link, no route and no label is another.
final class CallPaths: Sendable {
    private struct Kept {
        /// Of the catalog, and of the links.
        var versions: (UInt64, UInt64) = (0, 0)
        var paths: [NodeID: [String]] = [:]
    }

    private let seat: MeshSeat
    private let board: CatalogBoard
    /// At most the nodes of the mesh.
    private let kept = Mutex(Kept())

    init(of seat: MeshSeat, _ board: CatalogBoard) {
        self.seat = seat
        self.board = board
    }

    /// - Parameter server: `nil`, or one that no route leads to: the call went nowhere.
    func labels(to server: ServerKey?) -> [String] {
        guard let owner = server?.owner else { return [board.names[board.me]] }
        let service = seat.service
        let versions = (board.version, service?.linksVersion ?? 0)
        let known = kept.withLock { $0.versions == versions ? $0.paths[owner] : nil }
        if let known { return known }
        let path = find(owner, service)
        kept.withLock { kept in
            if kept.versions != versions { kept = Kept(versions: versions) }
            kept.paths[owner] = path
        }
        return path
    }

    private func find(_ owner: NodeID, _ service: MeshService?) -> [String] {
        let (snapshot, names) = (board.snapshot, board.names)
        guard case .reachable(let route)? = snapshot.nodes[owner]?.reachability
        else { return [names[snapshot.me]] }
        let path = service?.wayOfCalls(to: owner) ?? route
        return [names[snapshot.me]] + path.map { names[$0] }
    }
}
