package import Catalog
package import Mesh

extension MeshService {
    /// What every node lists of its links, as far as this one knows.
    package var listedLinks: [NodeID: [NodeID: ListedLink]] { core.listedLinks }

    /// What went over this service's links so far.
    package nonisolated var linkTally: LinkTally.Reading { board.tally.read() }

    /// The greatest that this node was seen to have said of its vault, where that was more than it had then, until that is accepted.
    package nonisolated var vaultRemembered: UInt64? { board.vaultRemembered }

    /// Tells the mesh how often the vault has changed by now.
    package nonisolated func vaultChanged(to counter: UInt64) { inlet.offer(.event(.vaultChanged(counter))) }

    /// Ends the alarm: the vault counts as the right one from `counter` on.
    package nonisolated func vaultAccepted(at counter: UInt64) {
        board.write { $0.vaultRemembered = nil }
        inlet.offer(.event(.vaultAccepted(counter)))
    }
}
