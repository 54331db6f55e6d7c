import Catalog
import Discovery
import Mesh
import MeshTransport

extension MeshSeat {
    /// How long `mesh.mdns: required` waits for the daemon before the node gives up.
    static let requiredMax = Duration.seconds(10)

    func makeDiscovery() -> AvahiDiscovery? {
        guard settings.configuration.mesh.mdns != .off else { return nil }
        // What to announce is known once the listener has its port.
        return AvahiDiscovery(me: id, announcing: nil, now: { MeshClock.now() })
    }

    /// Where the configuration says `mesh.mdns: required`, a node without a daemon does not come up.
    func requireDiscovery() async throws {
        guard settings.configuration.mesh.mdns == .required else { return }
        let deadline = ContinuousClock.now + Self.requiredMax
        while neighbourhood?.state != .running {
            guard ContinuousClock.now < deadline else {
                throw Refusal(
                    .unavailable, "mesh.mdns is required, and mDNS is \(discoveryText)",
                    hint: "install and start avahi-daemon and dbus, or set mesh.mdns: auto")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Publishes this node; one that only dials out listens to others and is silent itself.
    func announce(_ listening: MeshAddress, by discovery: AvahiDiscovery) {
        guard !Self.isLoopback(listening.host), let port = UInt16(exactly: listening.port) else { return }
        discovery.announce(
            Announcement(
                name: label, port: port, families: Announcement.Families(listeningOn: listening.host),
                advertisement: Advertisement(versions: ProtocolVersion.spoken, mesh: mesh, node: id)))
    }

    /// Makes candidates of sightings, and says in the log what became of discovery.
    func follow(_ discovery: AvahiDiscovery, for service: MeshService) async {
        for await event in discovery.events {
            switch event {
            case .state(let now):
                log.info("Discovery by mDNS changed.", metadata: ["mdns.state": "\(now)"])
            case .publication(let now):
                log.info("The announcement by mDNS changed.", metadata: ["mdns.publication": "\(now)"])
            case .found(let sighting):
                log.info(
                    "A node was sighted.",
                    metadata: [
                        "mesh.address": "\(sighting.address)", "mesh.interface": "\(sighting.interfaceName)",
                        "mesh.peer": "\(sighting.node?.description ?? "unknown")",
                    ])
                service.sighted(
                    Candidate(
                        address: sighting.address.description, source: .sighting, node: sighting.node,
                        mesh: sighting.mesh))
            case .lost(let sighting):
                service.vanished(address: sighting.address.description, source: .sighting)
            }
        }
    }

    /// Names of the seeds that are asked for by DNS SRV.
    var serviceSeeds: [String] {
        settings.configuration.mesh.seeds.compactMap { seed in
            if case .service(let name) = seed { name } else { nil }
        }
    }

    /// Makes candidates of what DNS says, and takes back what it says no more.
    func follow(_ seeds: SRVSeeds, for service: MeshService) async {
        await seeds.run { [log] change in
            switch change {
            case .appeared(let address):
                log.info("DNS names a seed.", metadata: ["mesh.address": "\(address)"])
                service.sighted(Candidate(address: address.description, source: .dns))
            case .vanished(let address):
                log.info("DNS names a seed no more.", metadata: ["mesh.address": "\(address)"])
                service.vanished(address: address.description, source: .dns)
            }
        }
    }

    /// Nodes of other meshes that mDNS shows.
    var strangers: [Sighting] {
        let mesh = mesh
        return neighbourhood?.sightings.filter { $0.mesh != mesh } ?? []
    }

    var neighbourhood: Discovery.Neighbourhood? { state.withLock { $0.discovery }?.now }

    /// One word or two for `status`.
    var discoveryText: String {
        guard let neighbourhood else { return "off" }
        switch neighbourhood.state {
        case .off: return "off"
        case .unavailable(let reason): return "unavailable (\(reason))"
        case .connecting: return "waiting for avahi-daemon"
        case .running: return "on, \(neighbourhood.sightings.count) seen"
        }
    }

    private static func isLoopback(_ host: String) -> Bool {
        host.hasPrefix("127.") || host == "::1" || host == "localhost"
    }

    // MARK: Doctor

    /// Who says more than this node takes in.
    var floods: [Flood] { service?.floods ?? [] }

    /// What a person should see of the mesh, the latest last.
    var notices: [String] { (service?.notices ?? []).suffix(5).map(\.description) }

    func findings() -> [Finding] {
        var findings: [Finding] = []
        let isOff = settings.configuration.mesh.mdns == .off
        switch neighbourhood?.state {
        case nil, .off?:
            findings.append(Finding("mDNS", isOff ? .ok : .warning, isOff ? "off by configuration" : "off"))
        case .unavailable(let reason)?:
            findings.append(
                Finding(
                    "mDNS", .warning, reason,
                    mend:
                        "install and start avahi-daemon and dbus, or name peers under mesh.seeds and set mesh.mdns: off"
                ))
        case .connecting?:
            findings.append(
                Finding(
                    "mDNS", .warning, "D-Bus answers, avahi-daemon does not",
                    mend: "start avahi-daemon; the node goes on by itself"))
        case .running?:
            let seen = neighbourhood?.sightings ?? []
            let places = seen.map { "\($0.address) on \($0.interfaceName)" }.joined(separator: ", ")
            findings.append(
                Finding("mDNS", .ok, seen.isEmpty ? "running, nobody seen" : "running, sees \(places)"))
        }
        for seed in state.withLock({ $0.seeds })?.all ?? [] {
            let what = "seed dns+srv://\(seed.name)"
            let places = seed.addresses.map(\.description).joined(separator: ", ")
            if let problem = seed.problem {
                findings.append(
                    Finding(
                        what, .warning, places.isEmpty ? problem : "\(problem); known from before: \(places)",
                        mend: "does `dig SRV \(seed.name)` on this host show records?"))
            } else {
                findings.append(Finding(what, .ok, places.isEmpty ? "being asked" : places))
            }
        }
        findings.append(
            Finding(
                "mesh", .ok,
                "\(mesh), this node is \(label) with roles \(roles), "
                    + (listenAddress.map { "peers dial it at \($0)" } ?? "it only dials out")))
        if roles.contains(.issuer), service?.isIssuer == false {
            findings.append(
                Finding(
                    "issuer", .bad, "this node should admit others but cannot open its keys",
                    mend: "start the node with MARTLET_PASSPHRASE_FILE"))
        }
        findings += certificateFindings()
        for candidate in service?.candidates ?? [] {
            guard let problem = candidate.lastProblem else { continue }
            let sources = candidate.sources.map(\.description).sorted().joined(separator: ", ")
            findings.append(
                Finding(
                    "address \(candidate.address)", .warning,
                    "\(problem) (\(candidate.failures) times; known from \(sources))",
                    mend: "is a node of this mesh there, and does a firewall let the port through?"))
        }
        for link in service?.linkStatus ?? [] where link.via.isEmpty {
            let snapshot = service?.snapshot
            let name = snapshot?.nodes[link.peer]?.label.text ?? link.peer.description
            findings.append(
                Finding(
                    "link to \(name)", .ok, (link.openedByMe ? "dialled \(link.address ?? "")" : "accepted")))
        }
        return findings
    }
}
