import Catalog
import Composition
package import JSONSlice
import MCPTransport
import Storage
import Vault

extension Node {
    package func listServers() async -> JSON {
        .object([("servers", .array(await serverReports().map(\.json)))])
    }

    /// One server: this node's own by its name, another node's as `NODE--SERVER`.
    package func showServer(named name: String) async throws -> JSON {
        let reports = await serverReports()
        let found = ServerName(reference: name).flatMap { wanted in
            reports.first { report in
                report.known.record.key.name == wanted.server
                    && (wanted.node.map { $0.text == report.owner } ?? report.isOwn)
            }
        }
        guard let found else {
            throw Refusal(
                .notFound, "no server named \(name) is known here",
                hint: "`martlet servers list` shows them; another node's is NODE--SERVER")
        }
        return .object([("server", found.json)])
    }

    /// Has servers of this node asked now, whatever they said before, without waiting for what they say.
    ///
    /// - Parameter name: `nil`: all.
    package func recheckServers(named name: String?) async throws -> JSON {
        let names = if let name { [try await ownServer(name)] } else { await supervisor.names.sorted() }
        for name in names { await supervisor.recheck(name) }
        return .object([("asked", .array(names.map { .string($0.text) }))])
    }

    /// Fronts one more server, and waits for its first word.
    package func addServer(named name: String, definition: JSON) async throws -> JSON {
        guard let label = Label(name) else {
            throw Refusal(
                .invalid,
                "\"\(name)\" is no server name: a-z, 0-9 and single - between them, at most \(Label.lengthMax)",
                hint: Label(fitting: name).map { "\($0) would do" })
        }
        try await checkFree(label)
        let definition = try understand(definition, as: label)
        if let problem = Self.folderProblem(of: definition) { throw Refusal(.invalid, problem) }
        try await begin(definition)
        return .object([("server", await settledReports(of: [label]).first ?? .emptyObject)])
    }

    package func removeServer(named name: String) async throws -> JSON {
        if let label = Label(name), unreadableServers.withLock({ $0.removeValue(forKey: label) }) != nil {
            _ = try await ServerShelf(database).remove(label)
            return .object([("removed", .string(name))])
        }
        let label = try await ownServer(name)
        if case .configuration(let file)? = await supervisor.book(label)?.origin {
            throw Refusal(
                .conflict, "\(name) is defined in \(file)", hint: "take it out there and restart the node")
        }
        _ = try await ServerShelf(database).remove(label)
        _ = await supervisor.remove(label)
        return .object([("removed", .string(name))])
    }

    /// Asks a server for its lists now, whatever it said before.
    package func testServer(named name: String) async throws -> JSON {
        let label = try await ownServer(name)
        await supervisor.recheck(label)
        _ = await supervisor.settled(label)
        await showOwnServers()
        return .object([("server", await report(of: label))])
    }

    /// Takes over the servers of a desktop client's file; what looks like a credential goes into the vault.
    package func importServers(document: String) async throws -> JSON {
        let taken = await supervisor.names
        let secretNames = Set(secrets.list().compactMap { Label($0.name.text) })
        let file: DesktopImport
        do {
            file = try DesktopImport(Array(document.utf8), takenServers: taken, takenSecrets: secretNames)
        } catch {
            throw Refusal(.invalid, "\(error)")
        }
        var outcomes: [JSON] = []
        var moved: [JSON] = []
        var problems = file.notes.map { JSON.string($0.description) }
        for secret in file.secrets {
            guard let name = SecretName(secret.name.text) else { continue }
            if let value = secret.value {
                try await store(name, value: value)
                moved.append(
                    .object([
                        ("secret", .string(secret.name.text)),
                        ("where", .string("\(secret.place) of \(secret.server)")),
                        ("reason", .string(secret.reason)),
                    ]))
            } else {
                problems.append(
                    .string(
                        "\(secret.place) of \(secret.server) is not in the file; set it: martlet secret set \(secret.name)"
                    ))
            }
        }
        // All are started first, so that the slowest is waited for once and not each for itself.
        var begun: [Label] = []
        for definition in file.servers {
            if let problem = Self.folderProblem(of: definition) {
                problems.append(.string("\(definition.name): \(problem)"))
                continue
            }
            try await begin(definition)
            begun.append(definition.name)
        }
        let reports = await settledReports(of: begun)
        for (name, server) in zip(begun, reports) {
            let outcome = [server["state"]?.string, server["reason"]?.string].compactMap { $0 }.filter {
                !$0.isEmpty
            }
            outcomes.append(
                .object([("name", .string(name.text)), ("outcome", .string(outcome.joined(separator: ", ")))])
            )
        }
        return .object([
            ("servers", .array(outcomes)), ("secrets", .array(moved)), ("problems", .array(problems)),
        ])
    }

    // MARK: -

    func begin(_ definition: ServerDefinition) async throws {
        try await bindSecrets(of: definition)
        try await ServerShelf(database).save(definition.name, definition: definition.json.text, at: .now())
        await supervisor.put(definition, from: .command)
    }

    /// Returns when every server of this node has said how it fares and the catalog shows it, or the time is over.
    package func waitForServers(within time: Duration) async {
        let names = await supervisor.names
        await withTaskGroup { group in
            group.addTask { _ = await self.settledReports(of: Array(names)) }
            group.addTask { try? await Task.sleep(for: time) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Waits until each has said how it fares, all at once, and until the catalog shows it.
    func settledReports(of names: [Label]) async -> [JSON] {
        await withDiscardingTaskGroup { group in
            for name in names { group.addTask { _ = await self.supervisor.settled(name) } }
        }
        await showOwnServers()
        var reports: [JSON] = []
        for name in names { reports.append(await report(of: name)) }
        return reports
    }

    /// What a command defines has no folder that a relative one could be taken from; a configuration file has its own.
    private static func folderProblem(of definition: ServerDefinition) -> String? {
        if let path = definition.tls?.paths.first(where: { !$0.hasPrefix("/") }) {
            return "tls: \"\(path)\" is relative, and a node runs in a folder of its own; give the whole path"
        }
        guard case .stdio(_, _, _, let directory?) = definition.transport, !directory.hasPrefix("/") else {
            return nil
        }
        return
            "cwd: \"\(directory)\" is relative, and a node runs in a folder of its own; give the whole path"
    }

    func checkFree(_ name: Label) async throws {
        if let book = await supervisor.book(name) {
            if case .configuration(let file) = book.origin {
                throw Refusal(
                    .conflict, "\(name) is defined in \(file)",
                    hint: "change it there, or choose another name")
            }
            throw Refusal(.conflict, "a server named \(name) exists", hint: "martlet servers remove \(name)")
        }
        if board.snapshot.virtualServers[name] != nil {
            throw Refusal(.conflict, "\(name) is the name of a virtual server", hint: "choose another name")
        }
    }

    func understand(_ definition: JSON, as name: Label) throws(Refusal) -> ServerDefinition {
        do {
            return try ServerDefinition(name: name, json: definition)
        } catch {
            throw Refusal(.invalid, error.description)
        }
    }

    private func ownServer(_ name: String) async throws -> Label {
        guard let label = Label(name), await supervisor.book(label) != nil else {
            throw Refusal(
                .notFound, "this node has no server named \(name)", hint: "`martlet servers list` shows them")
        }
        return label
    }

    private func report(of name: Label) async -> JSON {
        await serverReports().first { $0.isOwn && $0.known.record.key.name == name }?.json ?? .emptyObject
    }

    /// Every server of the mesh, this node's own first; own ones from the supervisor, which knows most.
    func serverReports() async -> [ServerReport] {
        let snapshot = board.snapshot
        let names = NodeNames(snapshot)
        let lines = await supervisor.lastLines
        let strays = await supervisor.strayRemarks
        let own = await supervisor.books.map { book in
            let known = CatalogSnapshot.KnownServer(
                record: book.record(owner: snapshot.me), manifest: book.manifest)
            return ServerReport(
                known: known, owner: names[snapshot.me], isOwn: true, isReachable: true, book: book,
                latency: local.latency(book.definition.name),
                replicas: ServerReport.replicas(of: known, in: snapshot),
                lastLines: lines[book.definition.name] ?? [], strayRemark: strays[book.definition.name])
        }
        let others = snapshot.serversInOrder.filter { $0.record.key.owner != snapshot.me }.map { known in
            let owner = known.record.key.owner
            return ServerReport(
                known: known, owner: names[owner], isOwn: false,
                isReachable: snapshot.nodes[owner]?.isReachable ?? false,
                isConfirmed: snapshot.isConfirmed,
                replicas: ServerReport.replicas(of: known, in: snapshot))
        }
        return own + others
    }
}

extension StoredServer {
    /// The stored definition as a value.
    func understood() throws -> ServerDefinition {
        try ServerDefinition(name: name, json: JSON(validating: definition))
    }
}
