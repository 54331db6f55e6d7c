import Catalog
import Composition
import Discovery
import FoundationEssentials
import JSONSlice
import Logging
import MCPModel
import MCPTransport
import Mesh
import MeshTransport
import Storage
import Synchronization

/// This node's seat in its mesh: the running ``MeshService``, what it was started with, and the change of both when the node
/// joins another mesh or leaves.
///
/// Everything above asks the seat, never a service, since the service is another one after a join.
final class MeshSeat: Sendable {
    struct State {
        var identity: NodeIdentity
        var service: MeshService?
        var discovery: AvahiDiscovery?
        var seeds: SRVSeeds?
        var listenAddress: String?
        var catalogChanged: (@Sendable (CatalogSnapshot) -> Void)?
        var serve: (@Sendable (IncomingMeshCall, @escaping CallSink) -> CallHandle)?
        var pass: @Sendable (IncomingMeshCall) -> MeshPass? = { _ in nil }
        /// Whether the first service has started.
        var isStarted = false
        /// The join that was tried last, until one has brought this node into a mesh: tried again with the same token it is the same
        /// request, to which the issuer gives the answer that it gave before, if it did, for the one use.
        var attempt: JoinAttempt?
        /// Whether a join or a leave is under way: one at a time.
        var isChanging = false
        /// Whether the next service must wait, because the membership is just being replaced.
        var isHeld = false
    }

    /// How long a join or a leave waits for the service of the new mesh.
    static let turnMax = Duration.seconds(30)

    let settings: LaunchSettings
    let database: NodeDatabase
    let folder: DataFolder
    let secrets: SecretStore
    let log: Logger
    let state: Mutex<State>
    let memberships: MembershipFile

    init(
        identity: NodeIdentity, settings: LaunchSettings, folder: DataFolder, database: NodeDatabase,
        secrets: SecretStore,
        log: Logger
    ) {
        self.settings = settings
        self.folder = folder
        self.database = database
        self.secrets = secrets
        self.log = log
        memberships = MembershipFile(in: folder)
        state = Mutex(State(identity: identity))
    }

    /// To be called once, before ``run()``.
    func connect(
        catalogChanged: @escaping @Sendable (CatalogSnapshot) -> Void,
        serve: @escaping @Sendable (IncomingMeshCall, @escaping CallSink) -> CallHandle,
        pass: @escaping @Sendable (IncomingMeshCall) -> MeshPass? = { _ in nil }
    ) {
        state.withLock { state in
            state.catalogChanged = catalogChanged
            state.serve = serve
            state.pass = pass
        }
    }

    // MARK: Facts

    var id: NodeID { state.withLock { $0.identity.id } }
    var enrolment: Enrolment { state.withLock { $0.identity.membership.enrolment } }
    var label: Label { enrolment.label }
    var segment: Label { enrolment.segment }
    var roles: Roles { enrolment.roles }
    var mesh: MeshID { enrolment.mesh }
    var listenAddress: String? { state.withLock { $0.listenAddress } }
    var service: MeshService? { state.withLock { $0.service } }
    /// The monotonic clock on which the mesh counts.
    func now() -> Instant { MeshClock.now() }

    // MARK: Running

    /// Holds the seat until cancelled: one service after the other, when the node joins or leaves in between.
    func run() async throws {
        while !Task.isCancelled {
            while state.withLock({ $0.isHeld }) { try await Task.sleep(for: .milliseconds(2)) }
            let service = try await makeService()
            let discovery = makeDiscovery()
            let seeds = SRVSeeds(serviceSeeds, now: { MeshClock.now() })
            state.withLock { state in
                state.service = service
                state.discovery = discovery
                state.seeds = seeds
            }
            try await withThrowingTaskGroup(of: TurnEnd.self) { group in
                group.addTask {
                    try await service.run()
                    return .service
                }
                group.addTask {
                    try await self.noteListener(of: service)
                    return .side
                }
                group.addTask {
                    await self.keepCertificates(of: service)
                    return .side
                }
                group.addTask {
                    await self.follow(seeds, for: service)
                    return .side
                }
                if let discovery {
                    group.addTask {
                        await discovery.run()
                        return .side
                    }
                    group.addTask {
                        await self.follow(discovery, for: service)
                        return .side
                    }
                }
                while let end = try await group.next(), end != .service {}
                group.cancelAll()
            }
            state.withLock { $0.service = nil }
        }
    }

    /// Which of the tasks of one turn has ended; the turn is over with its service.
    private enum TurnEnd {
        case service
        case side
    }

    private func makeService() async throws -> MeshService {
        let identity = state.withLock { $0.identity }
        let (changed, serve) = state.withLock { ($0.catalogChanged, $0.serve) }
        guard let changed, let serve else {
            throw Refusal(.failed, "the mesh was started before the node was put together")
        }
        let credentials = try identity.membership.credentials(nodeKey: identity.nodeKey)
        let configuration = settings.configuration
        var seeds = configuration.mesh.seeds.compactMap { seed in
            if case .address(let address) = seed { address.description } else { nil as String? }
        }
        if let joinedAt = try await MetaShelf(database).get(.joinedAt) {
            seeds.append(String(decoding: joinedAt, as: UTF8.self))
        }
        let audiences = try await audiences()
        let scopes = audiences.compactMapValues { audience in
            if case .only(let scope) = audience { scope } else { nil as ServerScope? }
        }
        return try MeshService(
            MeshServiceConfiguration(
                listen: configuration.listen.mesh.map { MeshAddress(host: $0.host, port: $0.port) },
                advertise: configuration.mesh.advertise.map(\.description), seeds: seeds,
                relays: configuration.mesh.relay,
                ownServers: Set(audiences.filter { $0.value == .everyone }.keys),
                ownScopes: scopes,
                software: "martlet \(SoftwareVersion.current)",
                incarnation: try await MetaShelf(database).nextIncarnation(),
                clockFloor: Self.floor(of: identity.membership), vaultCounter: secrets.counter),
            credentials: credentials, enrolment: identity.membership.enrolment, issuer: issuer(of: identity),
            storage: MeshDisk(database, now: { MeshClock.now() }, log: log).storage, group: EventLoops.shared,
            log: log,
            serve: serve, pass: state.withLock { $0.pass }, changed: changed)
    }

    /// Who each of this node's servers is for, as it is configured now: what is told of them before they have started.
    private func audiences() async throws -> [Label: ServerAudience] {
        let mesh = settings.configuration.mesh
        var audiences: [Label: ServerAudience] = [:]
        for stored in try await ServerShelf(database).all() {
            // One that cannot be read is not started, and told to nobody.
            if let definition = try? stored.understood() {
                audiences[stored.name] = ServerAudience(of: definition, in: mesh)
            }
        }
        for definition in settings.configuration.servers {
            audiences[definition.name] = ServerAudience(of: definition, in: mesh)
        }
        return audiences
    }

    /// What lets this node enrol others; a sealed vault only takes that away, and `doctor` says so.
    private func issuer(of identity: NodeIdentity) -> IssuerCredentials? {
        guard identity.membership.enrolment.roles.contains(.issuer) else { return nil }
        do {
            let authority = try AuthorityKeys.authority(of: identity.membership, from: secrets)
            let (membership, secrets) = (identity.membership, secrets)
            return IssuerCredentials(
                authority: authority, grant: membership.enrolment.grant,
                root: { try AuthorityKeys.root(of: membership, from: secrets, for: "makes issuers") })
        } catch {
            log.warning("This node cannot admit others now.", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    /// Returns when this node takes part in its mesh and, where mDNS is required, hears and is heard.
    func waitUntilStarted() async throws {
        while !state.withLock({ $0.isStarted }) { try await Task.sleep(for: .milliseconds(2)) }
        try await requireDiscovery()
    }

    private func noteListener(of service: MeshService) async throws {
        try await service.started()
        let address = await service.listening
        // It may have changed since the service was made.
        service.vaultChanged(to: secrets.counter)
        state.withLock { state in
            state.listenAddress = address?.description
            state.isStarted = true
        }
        log.notice("The mesh listens.", metadata: ["mesh.listen": "\(address?.description ?? "none")"])
        if let address, let discovery = state.withLock({ $0.discovery }) { announce(address, by: discovery) }
    }

    // MARK: Calls

    func forward(_ call: ForwardedCall, _ sink: @escaping CallSink) -> CallHandle {
        guard let service else {
            sink(
                .failure(
                    CallFailure(
                        .ownerUnreachable, "the mesh is just starting on this node",
                        hint: "try again in a moment", isUnsent: true)))
            return .finished
        }
        var entry: CallHeader.SeenEntry?
        if let kind = call.kind, let hash = call.hash { entry = CallHeader.SeenEntry(kind: kind, hash: hash) }
        let outgoing = OutgoingMeshCall(
            server: ServerKey(owner: call.owner, name: call.server), request: call.request, entry: entry,
            virtualServer: call.virtualServer, issuer: call.caller.issuer, subject: call.caller.subject,
            isRepeat: call.isRepeat, assumedBy: call.assumedBy, moulds: call.moulds)
        return service.call(outgoing, sink)
    }

    // MARK: Telling

    /// - Parameter scope: who may know of it; `nil`: everybody.
    func publish(_ record: ServerRecord, _ manifest: Manifest?, to scope: ServerScope?) async {
        do {
            try await service?.publish(record, manifest: manifest, to: scope)
        } catch {
            log.warning(
                "A server could not be published.",
                metadata: ["mcp.server": "\(record.key.name)", "reason": "\(error)"])
        }
    }

    func withdraw(_ server: Label) async {
        do {
            try await service?.withdraw(server: server)
        } catch {
            log.debug(
                "A server was not withdrawn.", metadata: ["mcp.server": "\(server)", "reason": "\(error)"])
        }
    }

    func publish(_ record: VirtualServerRecord) async throws {
        do {
            try await service?.publishVirtualServer(
                record.name, definition: record.definition, isConfigured: record.isConfigured)
        } catch let problem as PublishProblem {
            throw Refusal(.conflict, "the mesh does not take \(record.name): \(problem)")
        }
    }

    func withdrawVirtualServer(_ name: Label) async throws {
        do {
            try await service?.removeVirtualServer(name)
        } catch let problem as PublishProblem {
            throw Refusal(.conflict, "\(name) could not be removed: \(problem)")
        }
    }
}
