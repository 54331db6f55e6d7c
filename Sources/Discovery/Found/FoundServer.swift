package import Catalog

/// An MCP server that mDNS shows: listed for people, dialled by nobody until one of them accepts it.
package struct FoundServer: Hashable, Sendable {
    /// What it goes by on this node: its service's name, made to fit, and numbered where two are alike.
    package var name: Label
    /// The service instance as announced; untrusted text.
    package var service: String
    package var title: String?
    /// The interfaces it was heard on, in order.
    package var interfaces: [String]
    /// Since it was last lost.
    package var firstSeen: Instant
    /// Where it says it is.
    package var address: PeerAddress
    /// The URL it can be accepted at; `nil` where there is none.
    package var url: String?
    /// Why not, as part of a sentence.
    package var obstacle: String?

    package init(
        name: Label, service: String, title: String? = nil, interfaces: [String], firstSeen: Instant,
        address: PeerAddress, url: String? = nil, obstacle: String? = nil
    ) {
        self.name = name
        self.service = service
        self.title = title
        self.interfaces = interfaces
        self.firstSeen = firstSeen
        self.address = address
        self.url = url
        self.obstacle = obstacle
    }
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
    package mutating func update(_ sightings: [Sighting]) {
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
            name(of: identity).map { Self.server($0, sightings, firstSeen) }
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

    private static func server(_ name: Label, _ sightings: [Sighting], _ firstSeen: Instant) -> FoundServer {
        // IPv4 first: it needs no interface beside it. Then whatever comes first.
        let best = sightings.min { (rank($0), $0.instance) < (rank($1), $1.instance) }
        let facts = MCPAdvertisement(strings: best?.text ?? [])
        let address = best?.address ?? PeerAddress(host: "", port: 0)
        var server = FoundServer(
            name: name, service: best?.instance.name ?? "", title: facts.title,
            interfaces: Set(sightings.map(\.interfaceName)).sorted(), firstSeen: firstSeen, address: address)
        switch facts.way {
        case .lines:
            server.obstacle = "it says that it speaks JSON lines over bare TCP, which is no transport of MCP"
        case .http(_, let path, _) where !isPlain(path):
            server.obstacle = "the path that it gives is none"
        case .http where address.host.contains("%"):
            server.obstacle = "it has only an address of the link, which no URL can hold"
        case .http(let port, let path, let isEncrypted):
            let place = PeerAddress(host: address.host, port: port ?? address.port)
            server.url = "\(isEncrypted ? "https" : "http")://\(place)\(path)"
        }
        return server
    }

    private static func rank(_ sighting: Sighting) -> Int {
        if sighting.address.host.contains("%") { return 2 }
        return sighting.address.host.contains(":") ? 1 : 0
    }

    /// What may stand in a URL unchanged, and leads nowhere else: no query, no fragment, no step upwards.
    private static func isPlain(_ path: String) -> Bool {
        path.utf8.count <= pathMax && !path.contains("//") && !path.split(separator: "/").contains("..")
            && path.utf8.allSatisfy { byte in
                byte > 0x20 && byte < 0x7F && !#"?#\"<>^`{|}%"#.utf8.contains(byte)
            }
    }
}
