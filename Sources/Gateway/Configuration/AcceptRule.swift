package import Catalog
import Composition
package import Discovery
package import JSONSlice

/// Which of the MCP servers that mDNS shows a server of the configuration may be (`servers.NAME.accept`): a person's acceptance in
/// advance.
///
/// Whoever announces what fits is dialled. So such a server has no credential: whoever came first would be given it.
package struct AcceptRule: Hashable, Sendable {
    static let keys = ["service", "address", "interface"]

    /// Of the service instance's name.
    package var service: Glob?
    /// Of the address, without its port.
    package var address: Glob?
    /// Of the network interface on which it is heard.
    package var interface: Glob?

    /// - Returns: `nil` when it would take anything; the section then has a problem.
    init?(reading section: inout ConfigSection) {
        let pattern = { (text: String) in text.isEmpty ? nil : Glob(text) }
        service = section.parsed("service", expecting: "a pattern of the name that is announced", pattern)
        address = section.parsed("address", expecting: "a pattern of addresses, such as 10.77.2.*", pattern)
        interface = section.parsed("interface", expecting: "a pattern of interfaces, such as eth1", pattern)
        if service == nil, address == nil, interface == nil {
            section.report(
                "takes whatever is announced; give service, address or interface, \"*\" if need be")
            return nil
        }
    }

    /// The first way to a server that all of its patterns fit.
    ///
    /// Nobody stands by a rule when it takes something, so the address must be of a subnet that this host is in by the interface
    /// on which it was heard: an announcement can name any address in the world.
    package func place(in server: FoundServer) -> FoundServer.Place? {
        guard service?.matches(server.service) ?? true else { return nil }
        return server.places.first { place in
            place.url != nil && place.isOnLink && address?.matches(place.address.host) ?? true
                && interface?.matches(place.interface) ?? true
        }
    }

    package var json: JSON {
        .object(
            zip(Self.keys, [service, address, interface]).compactMap { key, glob in
                glob.map { (key, .string($0.pattern)) }
            })
    }
}
