/// Where this node may go to fetch something, by address (server-side request forgery: CWE-918).
///
/// A name says nothing of where it leads. So each address that it leads to is asked about here, once it is resolved and before
/// anything is sent, and the connection goes to the very address that was asked about. What is reachable from everywhere may be
/// fetched from; what only this host or its network reaches only where the configuration says so. An address within another
/// (IPv4 within IPv6, NAT64, 6to4) is what it leads to.
package struct FetchGuard: Hashable, Sendable {
    /// What an address is for (IANA's registries of special-purpose addresses, RFC 6890 and its updates).
    package enum Kind: String, Hashable, Sendable {
        case everywhere = "a public address"
        case thisHost = "an address of this host itself"
        case privateNetwork = "an address of a private network"
        case linkLocal = "an address of this link only"
        /// Where clouds hand out the credentials of the machine.
        case metadata = "where a cloud hands out credentials"
        case special = "an address for special use"
    }

    /// Whose word it is that something is to be fetched from there.
    package enum Word: Hashable, Sendable {
        /// A person wrote the URL. What it spells (an address, `localhost`) is meant; where a name leads, no person has said.
        case written
        /// A person named this very place, whatever it leads to: a backend, its authorization server.
        case named
        /// It stood in what was fetched, so that nobody who runs this node has said anything.
        case found
    }

    /// Blocks that may be fetched from though they are not reachable from everywhere.
    package var allowed: [AddressRange]

    package init(allowed: [AddressRange] = []) { self.allowed = allowed }

    /// Why nothing may be fetched from the address; `nil` if it may.
    ///
    /// - Parameters:
    ///   - host: as the URL names it.
    ///   - setting: where a person allows more, for the message.
    ///   - word: who wants it fetched.
    package func objection(
        to address: IPAddress, host: String, setting: String, by word: Word = .written
    ) -> Denial? {
        // A URL that spells the address was written by whoever could also have allowed it.
        if word != .found, IPAddress(host) == address { return nil }
        let real = Self.leadsTo(address)
        let kind = Self.kind(of: real)
        guard kind != .everywhere else { return nil }
        if word != .found, host.lowercased() == "localhost", kind == .thisHost { return nil }
        if word == .named, kind != .metadata { return nil }
        guard !allows(address) else { return nil }
        return Denial(
            .addressNotAllowed, "\(host) leads to \(address), \(kind.rawValue)",
            hint: "if that is meant, add \"\(real)\" to \(setting)")
    }

    /// Whether the configuration allows it, whatever it is for.
    package func allows(_ address: IPAddress) -> Bool {
        let real = Self.leadsTo(address)
        return allowed.contains { range in
            // A wide block does not mean the one address in it that gives the machine away.
            (range.contains(real) || range.contains(address))
                && (Self.kind(of: real) != .metadata || range.isOne)
        }
    }

    /// What an address is for; of one within another, the inner one's.
    package static func kind(of address: IPAddress) -> Kind {
        let address = leadsTo(address)
        if metadata.contains(address) { return .metadata }
        for (range, kind) in address.bytes.count == 4 ? version4 : version6 where range.contains(address) {
            return kind
        }
        // Of IPv6 only 2000::/3 has been given out (RFC 4291 §2.4).
        return address.bytes.count == 4 || address.bytes[0] >> 5 == 1 ? .everywhere : .special
    }

    // MARK: -

    /// The IPv4 address within an IPv6 one, where a host or a gateway on the way would take it out.
    private static func leadsTo(_ address: IPAddress) -> IPAddress {
        guard address.bytes.count == 16 else { return address }
        let inner: ArraySlice<UInt8>? =
            if mapped.contains(address) || nat64.contains(address) || compatible.contains(address) {
                address.bytes[12...]
            } else if sixToFour.contains(address) {
                address.bytes[2..<6]
            } else {
                nil
            }
        // ::1 and :: lie in the block of the compatible ones and are their own.
        if compatible.contains(address), address.bytes[..<15].allSatisfy({ $0 == 0 }), address.bytes[15] <= 1
        {
            return address
        }
        return inner.flatMap { IPAddress(bytes: Array($0)) } ?? address
    }

    private static let mapped = range("::ffff:0:0/96")
    private static let compatible = range("::/96")
    private static let nat64 = range("64:ff9b::/96")
    private static let sixToFour = range("2002::/16")

    private static let metadata: Set<IPAddress> = Set(
        [
            "169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd20:ce::254",
            "100.100.100.200",
            "192.0.0.192", "168.63.129.16",
        ].compactMap { IPAddress($0) })

    private static let version4: [(AddressRange, Kind)] = [
        (range("127.0.0.0/8"), .thisHost), (range("0.0.0.0/8"), .thisHost),
        (range("10.0.0.0/8"), .privateNetwork),
        (range("172.16.0.0/12"), .privateNetwork), (range("192.168.0.0/16"), .privateNetwork),
        (range("100.64.0.0/10"), .privateNetwork), (range("169.254.0.0/16"), .linkLocal),
        (range("192.0.0.0/24"), .special), (range("192.0.2.0/24"), .special),
        (range("192.88.99.0/24"), .special),
        (range("198.18.0.0/15"), .special), (range("198.51.100.0/24"), .special),
        (range("203.0.113.0/24"), .special),
        (range("224.0.0.0/3"), .special),
    ]

    private static let version6: [(AddressRange, Kind)] = [
        (range("::1"), .thisHost), (range("::"), .thisHost), (range("fe80::/10"), .linkLocal),
        (range("fc00::/7"), .privateNetwork), (range("fec0::/10"), .privateNetwork),
        (range("2001::/23"), .special),
        (range("2001:db8::/32"), .special), (range("3fff::/20"), .special),
    ]

    private static func range(_ text: StaticString) -> AddressRange {
        guard let range = AddressRange("\(text)") else {
            preconditionFailure("\(text) is a block of addresses")
        }
        return range
    }
}
