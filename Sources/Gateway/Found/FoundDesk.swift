import Catalog
import Discovery
import JSONSlice
import Logging
import MCPModel
import Synchronization

/// MCP servers on this node's segments, as mDNS shows them (`_mcp._tcp`), and this node's own there.
///
/// Only listens and announces. Nothing is dialled here: what is accepted becomes a server like any other.
final class FoundDesk: Sendable {
    private struct State {
        var servers = FoundServers()
        var rules: AcceptBook
        var announced: Announcement?
        /// Of what `announced` was made.
        var announcedOf: (version: UInt64, label: Label, id: NodeID)?
        var leftOut = 0
    }

    private let discovery: AvahiDiscovery?
    private let state: Mutex<State>
    private let log: Logger

    /// - Parameters:
    ///   - isOff: whether the configuration switches mDNS off.
    ///   - now: the clock of ``FoundServer/firstSeen``.
    init(
        me: NodeID, isOff: Bool, rules: [(name: Label, rule: AcceptRule)], log: Logger,
        now: @escaping @Sendable () -> Instant
    ) {
        discovery =
            isOff ? nil : AvahiDiscovery(MCPAdvertisement.serviceType, me: me, announcing: nil, now: now)
        state = Mutex(State(rules: AcceptBook(rules)))
        self.log = log
    }

    /// What is seen now, in the order in which it was first seen.
    func servers(from vantage: Vantage) -> [FoundServer] {
        state.withLock { state in
            state.servers.update(discovery?.now.sightings ?? [], from: vantage)
            return state.servers.all
        }
    }

    var neighbourhood: Neighbourhood? { discovery?.now }

    /// Listens until cancelled.
    ///
    /// - Parameters:
    ///   - vantage: asked for whenever something changes.
    ///   - accept: called one at a time, for what a rule has taken.
    func run(
        from vantage: @escaping @Sendable () -> Vantage,
        accept: @escaping @Sendable (AcceptBook.Taken) async -> Void
    ) async {
        guard let discovery else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await discovery.run() }
            group.addTask {
                for await event in discovery.events {
                    if case .found(let sighting) = event {
                        self.log.info(
                            "An MCP server was sighted.",
                            metadata: [
                                // Untrusted text: no line break of it may end a line of the log.
                                "mdns.service": "\(String(reflecting: sighting.instance.name))",
                                "mdns.address": "\(sighting.address)",
                                "mdns.interface": "\(sighting.interfaceName)",
                            ])
                    }
                    let place = vantage()
                    let taken = self.state.withLock { state in
                        state.servers.update(discovery.now.sightings, from: place)
                        return state.rules.take(state.servers.all)
                    }
                    for one in taken { await accept(one) }
                }
            }
            await group.waitForAll()
        }
    }

    // MARK: Announcing

    /// Virtual servers that are too many to be announced.
    var leftOut: Int { state.withLock { $0.leftOut } }

    /// Announces the virtual servers that are to be found by plain clients; says so to Avahi only when something changed.
    ///
    /// - Parameters:
    ///   - advertised: asked for only when the catalog or this node's name is another than before.
    ///   - version: of the catalog.
    ///   - address: of the MCP listener; none is announced on loopback.
    ///   - node: this node's label, so that two nodes' names differ.
    func announce(
        asOf version: UInt64, at address: (host: String, port: Int), node: (Label, NodeID),
        _ advertised: () -> [AdvertisedServer]
    ) {
        guard let discovery else { return }
        let isOld = state.withLock { state in
            defer { state.announcedOf = (version, node.0, node.1) }
            return state.announcedOf.map { $0 == (version, node.0, node.1) } ?? false
        }
        if isOld { return }
        let all = advertised()
        let wanted = Self.announcement(of: all, at: address, node: node)
        let leftOut = wanted.map { all.count - $0.services.count } ?? 0
        let (isNews, isMore) = state.withLock { state in
            defer { (state.announced, state.leftOut) = (wanted, leftOut) }
            return (state.announced != wanted, leftOut > state.leftOut)
        }
        if isNews { discovery.announce(wanted) }
        if isMore {
            log.warning(
                "Too many virtual servers have advertise: true; the last by name are not announced.",
                metadata: ["max": "\(AdvertisedServer.countMax)", "left.out": "\(leftOut)"])
        }
    }

    static func announcement(
        of advertised: [AdvertisedServer], at address: (host: String, port: Int), node: (Label, NodeID)
    ) -> Announcement? {
        guard !advertised.isEmpty, !isLoopback(address.host), let port = UInt16(exactly: address.port) else {
            return nil
        }
        return Announcement(
            families: Announcement.Families(listeningOn: address.host),
            services: advertised.prefix(AdvertisedServer.countMax).map { server in
                let title = (server.title ?? server.name.text).cut(toBytes: AdvertisedServer.titleMax)
                return Announcement.Service(
                    // Not longer than an instance name may be: 63 bytes.
                    name: "\(server.name) at \(node.0)".cut(toBytes: 63), port: port,
                    text: MCPAdvertisement.strings(
                        name: title, path: "/servers/\(server.name)/mcp", port: port,
                        software: SoftwareVersion.current,
                        revision: ProtocolRevision.newestModern.rawValue, node: node.1.description))
            })
    }

    private static func isLoopback(_ host: String) -> Bool {
        host.hasPrefix("127.") || host == "::1" || host == "localhost"
    }
}

/// A virtual server that plain clients on the segment are to find.
struct AdvertisedServer: Hashable, Sendable {
    /// Announced at once. Each is a group at the daemon, of the 1,024 objects that it allows a client and that resolvers need
    /// too, and a second of probing on the segment.
    static let countMax = 64
    /// Bytes of a title in a TXT record: all of it stays under 400.
    static let titleMax = 100

    let name: Label
    let title: String?
}

extension String {
    /// The longest beginning of at most so many bytes that is whole characters.
    fileprivate func cut(toBytes limit: Int) -> String {
        var (text, bytes) = ("", 0)
        for character in self {
            bytes += character.utf8.count
            guard bytes <= limit else { break }
            text.append(character)
        }
        return text
    }
}
