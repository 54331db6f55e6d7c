package import NIOCore

/// `host[:port]` of a URL, a Host field or an Origin (RFC 3986 §3.2), without user information.
package struct HTTPAuthority: Hashable, Sendable, CustomStringConvertible {
    /// Lower case; an IPv6 address without its brackets.
    package let host: String
    package let port: Int?

    package init(host: String, port: Int?) {
        self.host = host.lowercased()
        self.port = port
    }

    /// - Returns: `nil` for anything but a name of `[A-Za-z0-9._-]`, an IPv4 address or a bracketed IPv6
    ///   address, and a port of 1 to 65535 if there is a colon.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        let hostEnd: Int
        let host: ArraySlice<UInt8>
        if bytes.first == UInt8(ascii: "[") {
            guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            host = bytes[1..<close]
            hostEnd = close + 1
        } else {
            hostEnd = bytes.firstIndex(of: HTTPByte.colon) ?? bytes.count
            host = bytes[..<hostEnd]
            guard !host.isEmpty, host.allSatisfy(Self.isInName) else { return nil }
        }
        let name = String(decoding: host, as: UTF8.self)
        if bytes.first == UInt8(ascii: "[") {
            guard case .v6? = try? SocketAddress(ipAddress: name, port: 0) else { return nil }
        }
        guard hostEnd < bytes.count else {
            self.init(host: name, port: nil)
            return
        }
        let digits = bytes[(hostEnd + 1)...]
        guard bytes[hostEnd] == HTTPByte.colon, (1...5).contains(digits.count) else { return nil }
        var port = 0
        for byte in digits {
            guard let digit = HTTPByte.digit(byte) else { return nil }
            port = port * 10 + digit
        }
        guard (1...65_535).contains(port) else { return nil }
        self.init(host: name, port: port)
    }

    /// The address that the host spells, if it is one; names are `nil`.
    package func address(defaultPort: Int) -> SocketAddress? {
        try? SocketAddress(ipAddress: host, port: port ?? defaultPort)
    }

    /// Whether the host is an address and not a name.
    package var isAddress: Bool { address(defaultPort: 0) != nil }

    /// The host as it stands in a URL.
    package var hostText: String { host.contains(":") ? "[\(host)]" : host }

    package var description: String { port.map { "\(hostText):\($0)" } ?? hostText }

    private static func isInName(_ byte: UInt8) -> Bool {
        switch HTTPByte.lowercased(byte) {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }
}
