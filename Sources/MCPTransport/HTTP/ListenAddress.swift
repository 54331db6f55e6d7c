import HTTPWire
import NIOCore

/// Where a listener listens: an IP address or a name, and a port.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// An IPv6 address is without its brackets.
    package let host: String
    /// 0 lets the system choose.
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host.lowercased()
        self.port = port
    }

    /// Reads `127.0.0.1:7330`, `[::1]:7330`, `localhost:7330`; port 0 is allowed, a missing one is not.
    package init?(_ text: some StringProtocol) {
        if text.hasSuffix(":0") {
            guard let authority = HTTPAuthority(text.dropLast(2)), authority.port == nil else { return nil }
            self.init(host: authority.host, port: 0)
            return
        }
        guard let authority = HTTPAuthority(text), let port = authority.port else { return nil }
        self.init(host: authority.host, port: port)
    }

    package var description: String { "\(HTTPAuthority(host: host, port: nil)):\(port)" }

    /// Where this machine itself reaches the listener: `0.0.0.0` and `::` mean every address, and can be called at none
    /// of their own.
    package var local: ListenAddress {
        switch host {
        case "0.0.0.0": ListenAddress(host: "127.0.0.1", port: port)
        case "::": ListenAddress(host: "::1", port: port)
        default: self
        }
    }

    /// Whether only this machine can reach it.
    package var isLoopback: Bool {
        host == "localhost"
            || HTTPAuthority(host: host, port: nil).address(defaultPort: 0)?.isLoopback == true
    }
}

extension SocketAddress {
    /// The address as people write it: a client that comes over IPv4 to a listener on `::` is at `10.1.2.3`, not at
    /// `::ffff:10.1.2.3` (RFC 4291 §2.5.5.2).
    var plainIPAddress: String? {
        guard let text = ipAddress else { return nil }
        let withinV6 = "::ffff:"
        guard text.hasPrefix(withinV6), text.contains(".") else { return text }
        return String(text.dropFirst(withinV6.count))
    }

    /// 127.0.0.0/8 and ::1, also where IPv4 is spelled within IPv6; a Unix socket is on this machine, too.
    var isLoopback: Bool {
        guard let plain = plainIPAddress else { return true }
        return plain == "::1" || plain.hasPrefix("127.")
    }
}
