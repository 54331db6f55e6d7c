import Catalog
import Composition
import Discovery
package import JSONSlice

/// MCP servers that mDNS shows: listed, accepted, and this node's own announced.
extension Node {
    /// All that is found, with what became of each.
    package func listFoundServers() async -> JSON {
        let books = await supervisor.books
        let now = seat.now()
        let servers = found.servers(from: vantage)
        return .object([
            ("mdns", .string(foundText)),
            (
                "found",
                .array(
                    servers.map { server in
                        var members: [(String, JSON)] = [
                            ("name", .string(server.name.text)), ("service", .string(server.service)),
                            ("host", .string(server.hostName)),
                            ("address", .string(server.address?.description ?? "")),
                            ("segment", .string(seat.segment.text)),
                            ("interfaces", .array(server.interfaces.map(JSON.string))),
                            ("firstSeenSeconds", .number((now - server.firstSeen).wholeSeconds)),
                        ]
                        if let url = server.url { members.append(("url", .string(url))) }
                        if let title = server.title { members.append(("title", .string(title))) }
                        let (state, why) = standing(of: server, among: books, servers)
                        members.append(("state", .string(state)))
                        members.append(("why", .string(why)))
                        return .object(members)
                    })
            ),
        ])
    }

    /// Fronts a found server from now on: this is the word without which nobody dials it.
    ///
    /// - Parameters:
    ///   - name: what `servers found` calls it.
    ///   - wish: what it shall be called; `nil`: the same.
    ///   - bearer: the secret that is its bearer token.
    package func acceptServer(named name: String, as wish: String?, bearer: String?) async throws -> JSON {
        let servers = found.servers(from: vantage)
        guard let server = servers.first(where: { $0.name.text == name }) else {
            throw Refusal(
                .notFound, "mDNS shows no MCP server named \(name)",
                hint: "`martlet servers found` shows what there is")
        }
        guard let url = server.url else {
            throw Refusal(.invalid, "\(name) cannot be accepted: \(server.obstacle ?? "it has no URL")")
        }
        let books = await supervisor.books
        if let (known, held) = Self.fronting(server, among: books) {
            throw Refusal(
                .conflict, "\(held) is fronted already, as \(known.definition.name)",
                hint: "`martlet servers show \(known.definition.name)`")
        }
        // One that moved keeps its name and settings; its credential is bound to the old address until it is set anew.
        if wish == nil, var definition = server.moved(from: Self.accepted(books), whileFinding: servers) {
            definition.move(to: url)
            definition.serviceHost = server.hostName
            return try await front(definition)
        }
        guard let label = Label(wish ?? name) else {
            throw Refusal(
                .invalid,
                "\"\(wish ?? name)\" is no server name: a-z, 0-9 and single - between them, at most \(Label.lengthMax)"
            )
        }
        try await checkFree(label)
        var members: [(String, JSON)] = [
            ("url", .string(url)), ("service", .string(server.service)),
            ("serviceHost", .string(server.hostName)),
        ]
        if let bearer { members.append(("auth", ["bearer": ["secret": .string(bearer)]])) }
        return try await front(try understand(.object(members), as: label))
    }

    private func front(_ definition: ServerDefinition) async throws -> JSON {
        try await begin(definition)
        return .object([("server", await settledReports(of: [definition.name]).first ?? .emptyObject)])
    }

    /// A rule of the configuration has taken a found server.
    func accept(_ taken: AcceptBook.Taken) async {
        guard
            var definition = settings.configuration.servers.first(where: { $0.name == taken.rule }),
            BackendURL.problem(taken.url) == nil
        else { return }
        log.notice(
            "A found server was accepted by its rule.",
            metadata: [
                "mcp.server": "\(taken.rule)", "mdns.service": "\(String(reflecting: taken.service))",
                "url": "\(taken.url)",
            ])
        definition.move(to: taken.url)
        await supervisor.put(
            definition, from: .configuration(file: settings.configFile ?? "the configuration"))
    }

    /// Announces what has `advertise: true`; to be called when the catalog may have changed.
    func announceVirtualServers() {
        found.announce(asOf: board.version, at: mcpListening, node: (seat.label, seat.id)) {
            board.snapshot.virtualServers.values.compactMap { record in
                guard let definition = try? ResolvedDefinition(json: record.definition),
                    definition.isAdvertised
                else { return nil }
                return AdvertisedServer(name: record.name, title: definition.title)
            }.sorted { $0.name < $1.name }
        }
    }

    // MARK: -

    private func standing(
        of server: FoundServer, among books: [ServerBook], _ found: [FoundServer]
    ) -> (state: String, why: String) {
        if let (book, url) = Self.fronting(server, among: books) {
            return ("accepted", "as \(book.definition.name), at \(url)")
        }
        if let obstacle = server.obstacle { return ("unusable", obstacle) }
        if let moved = server.moved(from: Self.accepted(books), whileFinding: found), let old = moved.url {
            return (
                "moved",
                "\(moved.name) was accepted at \(old); `martlet servers accept \(server.name)` moves it"
            )
        }
        return ("waiting", "not dialled; `martlet servers accept \(server.name)` fronts it")
    }

    /// Whoever is fronted at one of its URLs.
    private static func fronting(
        _ server: FoundServer, among books: [ServerBook]
    ) -> (book: ServerBook, url: String)? {
        for book in books {
            if let url = book.definition.url, server.urls.contains(url) { return (book, url) }
        }
        return nil
    }

    /// What was accepted, or added, by a command.
    private static func accepted(_ books: [ServerBook]) -> [ServerDefinition] {
        books.filter { $0.origin == .command }.map(\.definition)
    }

    /// What this node knows of itself when it looks at what is found.
    var vantage: Vantage {
        let mesh = seat.listenAddress.flatMap { $0.split(separator: ":").last.flatMap { UInt16($0) } }
        let own = [
            UInt16(exactly: mcpListening.port), UInt16(exactly: settings.configuration.listen.admin.port),
            mesh,
        ]
        return Vantage(
            network: .now(), ownPorts: Set(own.compactMap(\.self)),
            members: board.snapshot.nodes.mapValues(\.label))
    }

    private var foundText: String {
        switch found.neighbourhood?.state {
        case nil, .off?: "off"
        case .unavailable(let reason)?: "unavailable (\(reason))"
        case .connecting?: "waiting for avahi-daemon"
        case .running? where found.leftOut > 0:
            "on; \(found.leftOut) virtual servers are not announced: \(AdvertisedServer.countMax) are the most"
        case .running?: "on"
        }
    }
}
