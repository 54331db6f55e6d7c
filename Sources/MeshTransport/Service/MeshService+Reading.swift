package import Catalog
package import Mesh

extension MeshService {
    /// What every node lists of its links, as far as this one knows.
    package var listedLinks: [NodeID: [NodeID: ListedLink]] { core.listedLinks }
}
