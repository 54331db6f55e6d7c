/// Where something may be dialled: a host name or IP address, and a port.
package struct PeerAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// A name, an IPv4 address, or an IPv6 address without brackets (link-local ones with `%interface`).
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `host:port`, an IPv6 address in brackets (RFC 3986 §3.2.2).
    package var description: String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    package static func < (a: Self, b: Self) -> Bool { (a.host, a.port) < (b.host, b.port) }

    /// Whether it leads back to this host only: of no use to anybody who hears of it.
    var isLoopback: Bool { host.hasPrefix("127.") || host == "::1" || host == "localhost" }
}
