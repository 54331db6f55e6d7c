package import Catalog

/// An MCP server that mDNS shows: listed for people, dialled by nobody until one of them accepts it.
package struct FoundServer: Hashable, Sendable {
    /// One way to it: a server on two links has two, and none of them is news of the other.
    package struct Place: Hashable, Sendable {
        /// The interface that it was heard on.
        package var interface: String
        /// Where it says it is.
        package var address: PeerAddress
        /// The URL it can be accepted at; `nil` where there is none.
        package var url: String?
        /// Whether the address is of a subnet that this host is in by that interface.
        package var isOnLink: Bool

        package init(interface: String, address: PeerAddress, url: String?, isOnLink: Bool = true) {
            self.interface = interface
            self.address = address
            self.url = url
            self.isOnLink = isOnLink
        }
    }

    /// What it goes by on this node: its service's name, made to fit, and numbered where two are alike.
    package var name: Label
    /// The service instance as announced; untrusted text.
    package var service: String
    /// The host that announces it, as it says, in lower case: two services of one name are two servers.
    package var hostName: String
    package var title: String?
    /// Since it was last lost.
    package var firstSeen: Instant
    /// The best first, never none.
    package var places: [Place]
    /// Why it has no URL, as part of a sentence.
    package var obstacle: String?

    package init(
        name: Label, service: String, hostName: String, title: String? = nil, firstSeen: Instant,
        places: [Place], obstacle: String? = nil
    ) {
        self.name = name
        self.service = service
        self.hostName = hostName
        self.title = title
        self.firstSeen = firstSeen
        self.places = places
        self.obstacle = obstacle
    }

    /// The interfaces it was heard on, in order.
    package var interfaces: [String] { Set(places.map(\.interface)).sorted() }
    /// The best of its addresses.
    package var address: PeerAddress? { places.first?.address }
    /// The best of its URLs.
    package var url: String? { urls.first }
    /// All at which it can be accepted.
    package var urls: [String] { places.compactMap(\.url) }
}

/// All MCP servers that mDNS shows at one moment, under names that stay while they are there.
///
/// Sightings of one service, on several interfaces or by both families, are one server. Two that merely have the same name, on
/// different hosts, are two. Bounded by what ``SightingBook`` follows.
package struct FoundServers: Sendable {
    /// What makes two sightings one service.
    private struct Identity: Hashable, Comparable {
        let service: String
        let domain: String
        let host: String
        let port: UInt16

        static func < (a: Self, b: Self) -> Bool {
            (a.service, a.domain, a.host, a.port) < (b.service, b.domain, b.host, b.port)
        }
    }

    /// Characters of a path: longer ones are none that a server has.
    static let pathMax = 255

    private var names: [Identity: Label] = [:]
    /// In the order in which they were first seen.
    package private(set) var all: [FoundServer] = []

    package init() {}

    /// Takes in what is seen now; what is not in it any more is gone, and its name is free.
    ///
    /// - Complexity: O(*n* log *n*)
    package mutating func update(_ sightings: [Sighting], from vantage: Vantage) {
        let groups = Dictionary(grouping: sightings) { sighting in
            Identity(
                service: sighting.instance.name, domain: sighting.instance.domain,
                host: sighting.hostName.lowercased(), port: sighting.address.port)
        }
        names = names.filter { groups[$0.key] != nil }
        let inOrder = groups.map { identity, sightings in
            (identity, sightings, sightings.map(\.firstSeen).min() ?? .zero)
        }.sorted { ($0.2, $0.0) < ($1.2, $1.0) }
        all = inOrder.prefix(SightingBook.instancesMax).compactMap { identity, sightings, firstSeen in
            guard let name = name(of: identity) else { return nil }
            var server = FoundServer(
                name: name, service: identity.service, hostName: identity.host, firstSeen: firstSeen,
                places: [])
            server.take(sightings, from: vantage)
            return server
        }
    }

    private mutating func name(of identity: Identity) -> Label? {
        if let known = names[identity] { return known }
        let taken = Set(names.values)
        let wish = Label(fitting: identity.service) ?? Label(fitting: "mcp-server")
        // There are fewer services than numbers, so one is free.
        for number in 1...(SightingBook.instancesMax + 1) {
            let tail = number == 1 ? "" : "-\(number)"
            let head = (wish?.text ?? "mcp").prefix(Label.lengthMax - tail.utf8.count)
            guard let label = Label(fitting: head + tail), !taken.contains(label) else { continue }
            names[identity] = label
            return label
        }
        return nil
    }
}

extension FoundServer {
    fileprivate mutating func take(_ sightings: [Sighting], from vantage: Vantage) {
        // IPv4 first: it needs no interface beside it. Then whatever comes first.
        let ranked = sightings.sorted {
            (Self.rank($0), $0.instance) < (Self.rank($1), $1.instance)
        }
        for sighting in ranked {
            let facts = MCPAdvertisement(strings: sighting.text)
            let obstacle = Self.obstacle(to: sighting, facts, from: vantage)
            if places.isEmpty {
                title = facts.title
                self.obstacle = obstacle
            }
            let address = IPAddress(sighting.address.host)
            places.append(
                Place(
                    interface: sighting.interfaceName, address: sighting.address,
                    url: obstacle == nil ? Self.url(of: sighting, facts) : nil,
                    isOnLink: address.map {
                        vantage.network.isOnLink($0, of: sighting.interfaceName)
                    } ?? false))
        }
        if url != nil { obstacle = nil }
    }

    private static func url(of sighting: Sighting, _ facts: MCPAdvertisement) -> String? {
        guard case .http(let port, let path, let isEncrypted) = facts.way else { return nil }
        let place = PeerAddress(host: sighting.address.host, port: port ?? sighting.address.port)
        return "\(isEncrypted ? "https" : "http")://\(place)\(path)"
    }

    private static func obstacle(
        to sighting: Sighting, _ facts: MCPAdvertisement, from vantage: Vantage
    ) -> String? {
        guard case .http(let port, let path, _) = facts.way else {
            return "it says that it speaks JSON lines over bare TCP, which is no transport of MCP"
        }
        if let member = sighting.node.flatMap({ vantage.members[$0] }) {
            return "\(member) announces it, which is of this mesh; what that has is in the catalog"
        }
        if !isPlain(path) { return "the path that it gives is none" }
        let address = IPAddress(sighting.address.host)
        if address?.isOfTheLink ?? sighting.address.host.contains("%") {
            return "it has only an address of the link, which no URL can hold"
        }
        if let address, vantage.network.isOwn(address),
            vantage.ownPorts.contains(port ?? sighting.address.port)
        {
            return "it leads back to this node itself"
        }
        return nil
    }

    private static func rank(_ sighting: Sighting) -> Int {
        if IPAddress(sighting.address.host)?.isOfTheLink ?? false { return 2 }
        return sighting.address.host.contains(":") ? 1 : 0
    }

    /// What may stand in a URL unchanged, and leads nowhere else: no query, no fragment, no step upwards.
    private static func isPlain(_ path: String) -> Bool {
        path.utf8.count <= FoundServers.pathMax && !path.contains("//")
            && !path.split(separator: "/").contains("..")
            && path.utf8.allSatisfy { byte in
                byte > 0x20 && byte < 0x7F && !#"?#\"<>^`{|}%"#.utf8.contains(byte)
            }
    }
}
