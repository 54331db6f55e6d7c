package import Composition
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

    package func fits(_ server: FoundServer) -> Bool {
        server.url != nil && service?.matches(server.service) ?? true
            && address?.matches(server.address.host) ?? true
            && interface.map { pattern in server.interfaces.contains { pattern.matches($0) } } ?? true
    }

    package var json: JSON {
        .object(
            zip(Self.keys, [service, address, interface]).compactMap { key, glob in
                glob.map { (key, .string($0.pattern)) }
            })
    }
}
