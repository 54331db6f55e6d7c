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

    /// Whether it may be somebody else's: not this host's own loopback, nobody's (`0.0.0.0`), or many's (`224.0.0.1`).
    var isSomebodys: Bool {
        guard let address = IPAddress(host) else { return host != "localhost" }
        return !address.isLoopback && !address.isUnspecified && !address.isMulticast
    }
}
