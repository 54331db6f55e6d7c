package import Catalog

extension MeshCore {
    /// What every node that is present lists of its links, this one as they are now: the graph that routes are computed on.
    package var listedLinks: [NodeID: [NodeID: ListedLink]] {
        var listed = store.links.filter { store.nodes[$0.key]?.standing == .present }.mapValues(\.links)
        listed[me.id] = neighbourhood.listed(relays: me.relays)
        return listed
    }
}
