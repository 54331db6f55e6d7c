import Catalog
package import Logging
import MCPTransport
import MeshTransport
import Policy
import Storage
import Synchronization
import Vault

/// One running node: everything below, put together (docs/architecture.md).
///
/// ``open(settings:log:)`` takes up what lies in the data folder and binds the MCP listener; ``run()`` does the work
/// until cancelled. What people ask of a node is in the extensions, one file a subject; each answers with the JSON that
/// the admin surface and `--json` show.
package final class Node: Sendable {
    let settings: LaunchSettings
    let log: Logger
    let folder: DataFolder
    let database: NodeDatabase
    let secrets: SecretStore
    let board: CatalogBoard
    let assembly: CatalogAssembly
    let local: LocalServers
    let access: AccessDesk
    let adminKeys: AdminKeyBook
    /// `nil`: `audit.records` is off.
    let records: RecordLog?
    let recorder: CallRecorder
    let paths: CallPaths
    let router: CallRouter
    let door: CallerDoor
    /// `nil`: no issuer of tokens is configured.
    let tokenDoor: TokenDoor?
    private let keyFetcher: KeyFetcher?
    let mcpTLS: ListenerTLS?
    let adminTLS: ListenerTLS?
    let seat: MeshSeat
    let supervisor: ServerSupervisor
    let virtualServers: VirtualServers
    /// What servers offer, behind glass.
    let pins: PinDesk
    /// Operators' approvals by which this node's servers were last judged.
    let followed = Mutex(Approvals.none)
    let http: HTTPClient
    /// `nil`: the compiled-in model says what texts mean.
    let embedder: Embedder?
    let catalogSearch: CatalogSearch
    let toolSearch: ToolSearchDesk
    let queries = QueryDesk()
    let chronicle: CatalogChronicle
    let virtualChronicle: VirtualChronicle
    let formerUses: FormerUses
    let historyTrouble = Mutex(RepeatedTrouble())
    let found: FoundDesk
    /// Where the settings name a file for a join token.
    let unattendedJoin: UnattendedJoin?
    private let tasks: TaskLedger
    private let watchers: Watchers
    let front: MCPFront
    let listener: HTTPListener
    private let startedAt = ContinuousClock.now
    private let ready = ReadySign()
    let admin = Mutex<String?>(nil)
    /// Stored servers that cannot be fronted as they are, with the reason.
    let unreadableServers = Mutex<[Label: String]>([:])

    /// Where peers connect; `nil` when this node only dials out.
    package var meshAddress: String? { seat.listenAddress }
    /// The file that holds the admin surface's token.
    package var adminTokenFile: String { folder.path(of: .adminToken) }
    package let adminToken: String
    var uptime: Duration { ContinuousClock.now - startedAt }

    /// Takes up a data folder, joins a mesh where the settings say so, and binds the MCP listener.
    ///
    /// - Throws: ``Refusal`` and its kin, each with what to do about it; nothing that was stored is changed then.
    package static func open(settings: LaunchSettings, log: Logger) async throws -> Node {
        let folder = try DataFolder(path: settings.dataFolder)
        let database = try NodeDatabase(in: folder)
        let nodeKey = try NodeIdentity.nodeKey(in: folder)
        let secrets = try await SecretStore.open(
            in: folder, database: database, node: NodeID(ofKey: nodeKey.publicKey.rawRepresentation),
            passphrase: try settings.passphrase(), serviceFile: settings.serviceCredentialFile)
        let adminToken = try AdminTokenFile.text(in: folder)
        let identity = try await NodeIdentity.open(
            in: folder, nodeKey: nodeKey, secrets: secrets, label: settings.ownLabel,
            segment: settings.configuration.node.segment ?? .defaultSegment)
        let door = try await CallerDoor(
            shelf: CallerKeyShelf(database), adminToken: adminToken,
            hasOtherDoors: settings.configuration.auth.isOpenToSome
                || settings.configuration.listen.mcpTLS?.clientCA != nil)
        // Rules about principals are for callers that have proved to be some.
        if !settings.configuration.access.rules.isEmpty { door.needKey() }
        try Self.checkDoor(door, settings: settings)
        let seat = try await MeshSeat.take(
            identity: identity, settings: settings, folder: folder, database: database, secrets: secrets,
            log: log)
        return try await Node(
            settings: settings, log: log, folder: folder, database: database, secrets: secrets, door: door,
            seat: seat,
            adminToken: adminToken)
    }

    private init(
        settings: LaunchSettings, log: Logger, folder: DataFolder, database: NodeDatabase,
        secrets: SecretStore,
        door: CallerDoor, seat: MeshSeat, adminToken: String
    ) async throws {
        self.settings = settings
        self.log = log
        self.folder = folder
        self.database = database
        self.secrets = secrets
        self.door = door
        self.seat = seat
        self.adminToken = adminToken
        let configuration = settings.configuration
        let board = CatalogBoard(
            me: seat.id, nameLengthMax: configuration.nameLengthMax,
            listedTools: configuration.limits.listedTools)
        let access = AccessDesk(rules: configuration.access, board: board, now: { MeshClock.now() })
        self.access = access
        adminKeys = try await AdminKeyBook(database)
        let records = try Self.records(as: configuration.audit, in: folder)
        self.records = records
        let paths = CallPaths(of: seat, board)
        self.paths = paths
        let recorder = CallRecorder(
            records, values: configuration.audit.values, access: access, board: board
        ) { paths.labels(to: $0) }
        self.recorder = recorder
        let watchers = Watchers(access: access)
        let virtualChronicle = VirtualChronicle(shelf: VirtualVersionShelf(database))
        self.virtualChronicle = virtualChronicle
        let assembly = CatalogAssembly(
            board: board, watchers: watchers, virtualChronicle: virtualChronicle)
        let glass = Glass(board: board)
        let pins = try await PinDesk(shelf: PinShelf(database), board: board, glass: glass, log: log)
        self.pins = pins
        for hold in try await LocalHoldShelf(database).all(signer: seat.id) { assembly.hold(hold) }
        let local = LocalServers { glass.objection(to: $0, atOwn: $1) }
        let label: @Sendable () -> String = { seat.label.text }
        let me = seat.id
        let limits = configuration.limits
        let clients = BackendClients(auth: configuration.auth, limits: limits.client, log: log)
        let http = clients.shared
        let embedder = configuration.search.embeddings.map {
            Embedder(
                $0, http: http, secrets: Self.opener(of: secrets, for: $0.audience),
                now: { MeshClock.now() }, log: log)
        }
        self.embedder = embedder
        let catalogSearch = CatalogSearch(embedder: embedder)
        self.catalogSearch = catalogSearch
        toolSearch = ToolSearchDesk(
            board: board, access: access, whole: catalogSearch, embedder: embedder, now: { MeshClock.now() })
        let router = CallRouter(
            board: board, local: local, access: access, search: toolSearch, recorder: recorder,
            callMax: limits.call,
            waitMax: limits.suspendedCall, now: { MeshClock.now() }, label: label,
            objection: { request, server in
                glass.objection(to: request, at: server).map {
                    server.owner == me ? local.sealed(request, at: server.name) ?? $0 : $0
                }
            },
            paneVersion: { glass.version },
            forward: { seat.forward($0, $1) })
        let subscriptions = ResourceSubscriptions(
            board: board, local: local, access: access, label: label,
            forward: { call, sink in
                let server = ServerKey(owner: call.owner, name: call.server)
                guard let failure = glass.objection(to: call.request, at: server) else {
                    return seat.forward(call, sink)
                }
                sink(.failure(failure))
                return .finished
            })
        found = FoundDesk(
            me: seat.id, isOff: configuration.mesh.mdns == .off,
            rules: configuration.servers.compactMap { server in
                guard server.isEnabled, let rule = server.accept else { return nil }
                return (server.name, rule)
            }, log: log, now: { MeshClock.now() })
        unattendedJoin = configuration.mesh.joinTokenFile.map { UnattendedJoin(tokenFile: $0, log: log) }
        self.board = board
        self.watchers = watchers
        self.assembly = assembly
        self.local = local
        self.router = router
        self.http = http
        let tasks = try await TaskLedger(database, log: log)
        self.tasks = tasks
        let formerUses = FormerUses()
        self.formerUses = formerUses
        chronicle = CatalogChronicle(shelf: EntryVersionShelf(database))
        supervisor = ServerSupervisor(
            owner: seat.id, local: local,
            actions: .of(
                seat: seat, assembly: assembly, privates: try await PrivateManifests(database, log: log),
                tasks: tasks,
                secrets: secrets, formerUses: formerUses, pins: pins, clients: clients, limits: limits,
                audience: { ServerAudience(of: $0, in: configuration.mesh) }, log: log),
            log: log)
        virtualServers = VirtualServers(
            board: board, assembly: assembly, shelf: VirtualShelf(database),
            published: ConfiguredVirtualShelf(database), configured: configuration.virtualServers,
            configFile: settings.configFile, nameLengthMax: configuration.nameLengthMax,
            actions: VirtualServers.Actions(
                publish: { try await seat.publish($0) },
                withdraw: { try await seat.withdrawVirtualServer($0) },
                isOperator: { seat.roles.contains(.operator) },
                greatestCounter: { try await virtualChronicle.greatestCounter(of: $0) },
                wasRemoved: { virtualChronicle.hear($0) }))
        let ready = ready
        let auth = configuration.auth
        let fetcher = auth.issuers.isEmpty ? nil : KeyFetcher(settings: auth, limits: limits.client)
        keyFetcher = fetcher
        let tokenDoor = try fetcher.map { fetcher throws(Refusal) in
            try TokenDoor(
                auth.issuers, asked: configuration.access.claimsAsked, fetch: { fetcher.fetch($0, $1) },
                now: { MeshClock.now() }, log: log)
        }
        self.tokenDoor = tokenDoor
        let keeper = FrontDoorKeeper(keys: door, tokens: tokenDoor, settings: auth, now: { MeshClock.now() })
        let service = NodeService.make(
            router: router, watchers: watchers, subscriptions: subscriptions,
            door: keeper.front.tellingRefusals { recorder.refusedAtDoor() },
            access: access,
            label: label)
        mcpTLS = try Self.tls(configuration.listen.mcpTLS, of: "mcp")
        adminTLS = try Self.tls(configuration.listen.adminTLS, of: "admin")
        let front = MCPFront(service: service, limits: limits.front, log: log, isReady: { ready.isSet })
        self.front = front
        listener = try await Self.bind(
            configuration.listen.mcp, as: "mcp", hosts: configuration.listen.hosts, limits: limits.listener,
            tls: mcpTLS, log: log
        ) { front.handle($0) }
        secrets.onChange { seat.vaultChanged(to: $0) }
        let owner = OwnerDesk(
            local: local, label: label, isShared: { assembly.isShared($0, with: $1) }, access: access,
            recorder: recorder, traces: TraceDesk(records, board: board, logger: log),
            paneVersion: { glass.version })
        seat.connect(
            catalogChanged: { assembly.meshChanged($0) }, serve: owner.serve, pass: { owner.pass($0) })
    }

    /// Does the node's work until cancelled; then ends what it began: children, links, listeners.
    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.seat.run() }
            group.addTask { await self.supervisor.run() }
            group.addTask { await self.front.run() }
            self.tokenDoor?.begin()
            group.addTask { try await self.startServers() }
            group.addTask { await self.housekeeping() }
            if let unattended = self.unattendedJoin {
                group.addTask {
                    try await self.ready.wait()
                    try await unattended.run(
                        isAlone: { try await self.seat.isAlone() },
                        join: { _ = try await self.join(token: $0) })
                }
            }
            if let embedder = self.embedder {
                group.addTask {
                    try await self.ready.wait()
                    await self.bindEmbeddingSecret()
                    await embedder.run(
                        refresh: { self.refreshSearch() }, settle: { self.catalogSearch.settle() })
                }
            }
            group.addTask { await self.tasks.run() }
            group.addTask {
                // A rule's server stands before its service is taken.
                try await self.ready.wait()
                await self.found.run(from: { self.vantage }) { await self.accept($0) }
            }
            do {
                while try await group.next() != nil {}
            } catch is CancellationError {
                // The ordinary end.
            }
            group.cancelAll()
        }
        front.close()
        await listener.close()
        await http.shutdown()
        await keyFetcher?.shutdown()
        tasks.close()
        records?.close()
        let flushed = Result { try door.flushUsesAtEnd() }
        try database.close()
        try flushed.get()
    }

    /// Whether the start is over.
    var isReady: Bool { ready.isSet }

    /// Returns when every configured server has been started and its first word was heard or waited for.
    package func waitUntilReady() async throws { try await ready.wait() }

    private func startServers() async throws {
        try await seat.waitUntilStarted()
        let configured = settings.configuration.servers
        for definition in configured {
            await supervisor.put(
                definition, from: .configuration(file: settings.configFile ?? "the configuration"))
        }
        let taken = Set(configured.map(\.name))
        let stored = try await ServerShelf(database).all()
        // Whatever left the configuration while the node was down.
        try await PrivateManifestShelf(database).keepOnly(taken.union(stored.map(\.name)))
        tasks.keepOnly(taken.union(stored.map(\.name)))
        for stored in stored where !taken.contains(stored.name) {
            // One that is of no use any more must not keep the node, or the others, from being.
            do {
                await supervisor.put(try stored.understood(), from: .command)
            } catch {
                unreadableServers.withLock { $0[stored.name] = "\(error)" }
            }
        }
        try await virtualServers.restore()
        ready.set()
    }

    /// Slow, unhurried work: notes when keys were used, and tries again what waited for a node to be met.
    private func housekeeping() async {
        var memory = MemoryReturn()
        while !Task.isCancelled {
            do { try await Task.sleep(for: .seconds(1)) } catch { return }
            router.composites.expire()
            refreshDoorFiles()
            await virtualServers.catalogChanged()
            await followApprovals()
            announceVirtualServers()
            await wrapSecretsAnew()
            await noteCatalog()
            await memory.look()
            do {
                try await door.flushUses()
            } catch {
                log.warning("Uses of keys could not be noted.", metadata: ["error": "\(error)"])
            }
        }
    }
}
