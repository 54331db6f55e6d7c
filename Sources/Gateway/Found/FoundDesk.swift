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
    var servers: [FoundServer] { state.withLock { $0.servers.all } }

    var neighbourhood: Neighbourhood? { discovery?.now }

    /// Listens until cancelled.
    ///
    /// - Parameter accept: called one at a time, for what a rule has taken.
    func run(accept: @escaping @Sendable (AcceptBook.Taken) async -> Void) async {
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
                    let taken = self.state.withLock { state in
                        state.servers.update(discovery.now.sightings)
                        return state.rules.take(state.servers.all)
                    }
                    for one in taken { await accept(one) }
                }
            }
            await group.waitForAll()
        }
    }

    // MARK: Announcing

    /// Announces the virtual servers that are to be found by plain clients; says so to Avahi only when something changed.
    ///
    /// - Parameters:
    ///   - address: of the MCP listener; none is announced on loopback.
    ///   - node: this node's label, so that two nodes' names differ.
    func announce(
        _ advertised: [AdvertisedServer], at address: (host: String, port: Int), node: (Label, NodeID)
    ) {
        let wanted = Self.announcement(of: advertised, at: address, node: node)
        let isNews = state.withLock { state in
            defer { state.announced = wanted }
            return state.announced != wanted
        }
        if isNews { discovery?.announce(wanted) }
    }

    static func announcement(
        of advertised: [AdvertisedServer], at address: (host: String, port: Int), node: (Label, NodeID)
    ) -> Announcement? {
        guard !advertised.isEmpty, !isLoopback(address.host), let port = UInt16(exactly: address.port) else {
            return nil
        }
        return Announcement(
            families: Announcement.Families(listeningOn: address.host),
            services: advertised.map { server in
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
