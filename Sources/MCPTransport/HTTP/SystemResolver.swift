import Glibc
package import NIOCore

/// The names of this host and of the DNS, as the system knows them.
package enum SystemResolver {
    package struct Unknown: Error {}

    /// Addresses of one name that are looked at.
    private static let addressesMax = 32

    /// All addresses of a name, in the system's order (RFC 6724). Blocks.
    package static func addresses(of host: String, port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_family = AF_UNSPEC
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let first = list else { throw Unknown() }
        defer { freeaddrinfo(first) }
        var found: [SocketAddress] = []
        var next: UnsafeMutablePointer<addrinfo>? = first
        while let entry = next?.pointee, found.count < addressesMax {
            next = entry.ai_next
            guard let address = entry.ai_addr else { continue }
            switch entry.ai_family {
            case AF_INET:
                address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    found.append(SocketAddress($0.pointee))
                }
            case AF_INET6:
                address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    found.append(SocketAddress($0.pointee))
                }
            default: continue
            }
        }
        guard !found.isEmpty else { throw Unknown() }
        return found
    }
}
