import MeshTransport
import Storage

/// What the mesh knows of this node's vault, and what the node needs of it for the mesh.
extension MeshSeat {
    func vaultChanged(to counter: UInt64) { service?.vaultChanged(to: counter) }

    /// What this node once said of its vault, where that was more than the vault had when it was noticed: it was put back.
    var vaultRemembered: UInt64? { service?.vaultRemembered }

    func vaultAccepted() { service?.vaultAccepted(at: secrets.counter) }

    /// The vault was opened, or has a key of this mesh again: an issuer can admit others from now on. Its links are made anew for that.
    ///
    /// - Returns: whether there is another service now, to which all is to be told.
    func vaultOpened() async throws -> Bool {
        guard roles.contains(.issuer), let service, !service.isIssuer else { return false }
        try await changing {
            try await between(service) {}
            try await turn(from: service)
        }
        return true
    }
}
