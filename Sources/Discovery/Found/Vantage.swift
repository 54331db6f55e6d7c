package import Catalog

/// From where a node looks at what mDNS shows: what it knows of itself and its mesh, which no record can change.
package struct Vantage: Sendable {
    package var network: LocalNetwork
    /// Ports at which this node itself listens.
    package var ownPorts: Set<UInt16>
    /// Nodes of this node's mesh.
    package var members: [NodeID: Label]

    package init(
        network: LocalNetwork = LocalNetwork(), ownPorts: Set<UInt16> = [], members: [NodeID: Label] = [:]
    ) {
        self.network = network
        self.ownPorts = ownPorts
        self.members = members
    }
}
