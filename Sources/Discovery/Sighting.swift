package import Catalog

/// One service instance as browsed: the same peer met on two interfaces, or by IPv4 and IPv6, is two of
/// these.
package struct ServiceInstance: Hashable, Comparable, Sendable {
    package enum Family: UInt8, Hashable, Sendable {
        case ipv4
        case ipv6
    }

    package var name: String
    package var domain: String
    /// The kernel's index of the interface on which it was heard.
    package var interfaceIndex: Int32
    package var family: Family

    package init(name: String, domain: String, interfaceIndex: Int32, family: Family) {
        self.name = name
        self.domain = domain
        self.interfaceIndex = interfaceIndex
        self.family = family
    }

    package static func < (a: Self, b: Self) -> Bool {
        (a.name, a.domain, a.interfaceIndex, a.family.rawValue)
            < (b.name, b.domain, b.interfaceIndex, b.family.rawValue)
    }
}

/// A peer, or an MCP server, that may be there: a candidate to dial, never a member, and never proof that anybody is alive.
///
/// A host that dies says no goodbye, and its records stay for up to 75 minutes: liveness is the links'
/// business.
package struct Sighting: Hashable, Sendable {
    package var instance: ServiceInstance
    package var interfaceName: String
    /// The address that is right on that interface.
    package var address: PeerAddress
    package var advertisement: Advertisement
    /// Of this instance, since it was last lost.
    package var firstSeen: Instant
    /// The host's name as it says, e.g. `gw1.local`.
    package var hostName: String
    /// The strings of its TXT record, as they came.
    package var text: [[UInt8]]

    package init(
        instance: ServiceInstance, interfaceName: String, address: PeerAddress, advertisement: Advertisement,
        firstSeen: Instant, hostName: String = "", text: [[UInt8]] = []
    ) {
        self.instance = instance
        self.interfaceName = interfaceName
        self.address = address
        self.advertisement = advertisement
        self.firstSeen = firstSeen
        self.hostName = hostName
        self.text = text
    }

    package var node: NodeID? { advertisement.node }
    package var mesh: MeshID? { advertisement.mesh }
}
