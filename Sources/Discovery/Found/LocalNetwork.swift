import Glibc

/// The addresses of this host's interfaces: which are its own, and which others lie on a link of its.
package struct LocalNetwork: Hashable, Sendable {
    private struct Entry: Hashable, Sendable {
        let interface: String
        let address: IPAddress
        /// Bits that all hosts of the subnet have in common.
        let prefix: Int
    }

    private var entries: [Entry] = []

    package init() {}

    /// For tests: addresses as `10.0.0.1/24`.
    init(_ places: [(interface: String, address: String)]) {
        entries = places.compactMap { interface, text in
            let parts = text.split(separator: "/")
            guard parts.count == 2, let prefix = Int(parts[1]), let address = IPAddress(String(parts[0]))
            else {
                return nil
            }
            return Entry(interface: interface, address: address, prefix: prefix)
        }
    }

    /// As it is at this moment; empty where the system does not say. One call of the kernel, microseconds.
    package static func now() -> LocalNetwork {
        var network = LocalNetwork()
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return network }
        defer { freeifaddrs(first) }
        var next = first
        while let item = next?.pointee {
            next = item.ifa_next
            guard let address = bytes(of: item.ifa_addr), let mask = bytes(of: item.ifa_netmask),
                address.count == mask.count
            else { continue }
            network.entries.append(
                Entry(
                    interface: String(cString: item.ifa_name), address: IPAddress(bytes: address),
                    prefix: mask.reduce(0) { $0 + $1.nonzeroBitCount }))
        }
        return network
    }

    private static func bytes(of address: UnsafeMutablePointer<sockaddr>?) -> [UInt8]? {
        guard let address else { return nil }
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { inner in
                withUnsafeBytes(of: inner.pointee.sin_addr) { Array($0) }
            }
        case AF_INET6:
            return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { inner in
                withUnsafeBytes(of: inner.pointee.sin6_addr) { Array($0) }
            }
        default: return nil
        }
    }

    /// Whether an address is one of this host's.
    func isOwn(_ address: IPAddress) -> Bool {
        address.isLoopback || entries.contains { $0.address == address }
    }

    /// Whether an address lies in a subnet that this host is in by that interface: what comes from beyond a router was
    /// never announced by whoever has it.
    func isOnLink(_ address: IPAddress, of interface: String) -> Bool {
        entries.contains {
            $0.interface == interface && $0.address.isEqual(to: address, inFirst: $0.prefix)
        }
    }
}
