package import Catalog
import FoundationEssentials
import JSONSlice
package import Logging
package import MCPModel
package import Mesh
package import NIOCore

/// A node's part in the mesh: owns the core, drives links and storage by its orders, publishes what it knows.
///
/// The core decides; ``MeshHub`` moves bytes on the mesh's one loop; this actor stands between them. Calls do not
/// pass through here: ``call(_:_:)`` reads the published board and goes to the loop.
package actor MeshService {
    /// Shows of the last so many notices what a person should see.
    static let noticesMax = 50
    /// A burst of documents makes one snapshot, not hundreds; later ones wait for the next event or tick.
    private static let publishEvery = Duration.milliseconds(20)
    private static let candidatesEveryTicks = 10

    nonisolated let hub: MeshHub
    nonisolated let board: MeshBoard
    nonisolated let loop: any EventLoop
    nonisolated let me: LocalNode
    nonisolated let configuration: MeshServiceConfiguration
    nonisolated let log: Logger
    nonisolated let credentials: NodeCredentials
    let storage: MeshStorage
    let now: @Sendable () -> Instant
    let changed: @Sendable (CatalogSnapshot) -> Void
    private let inputs: AsyncStream<MeshInput>
    nonisolated let inlet: MeshInlet

    var core: MeshCore
    private var hasStarted = false
    /// Once it has ended.
    private var whyStopped: (any Error)?
    private var waitingForStart: [CheckedContinuation<Void, any Error>] = []
    var pending: [MeshEffect] = []
    private var boundAddress: MeshAddress?
    var snapshotDirty = false
    var publishedAt = Instant.zero
    private var ticks = 0

    var admission: AdmissionOffice?

    /// - Parameters:
    ///   - enrolment: this node's own; must be for `credentials`' node key.
    ///   - issuer: what enrols others, on nodes with the role issuer.
    ///   - serve: runs a call that came from the mesh; called on the mesh's loop, must not block.
    ///   - pass: the short way of calls like one; on the same loop.
    ///   - changed: told of each new snapshot, from any thread.
    package init(
        _ configuration: MeshServiceConfiguration, credentials: NodeCredentials, enrolment: Enrolment,
        issuer: IssuerCredentials? = nil, storage: MeshStorage, group: any EventLoopGroup, log: Logger,
        serve: @escaping @Sendable (IncomingMeshCall, @escaping CallSink) -> CallHandle,
        pass: @escaping @Sendable (IncomingMeshCall) -> MeshPass? = { _ in nil },
        changed: @escaping @Sendable (CatalogSnapshot) -> Void = { _ in }
    ) throws {
        guard enrolment.node == credentials.signer.key else {
            throw MeshServiceError.wrongEnrolment(
                "it is for node \(enrolment.node.id), not \(credentials.id)")
        }
        do throws(EnrolmentProblem) {
            try enrolment.check(under: credentials.trust, by: .real)
        } catch {
            throw MeshServiceError.wrongEnrolment(error.description)
        }
        var random = SystemRandomNumberGenerator()
        me = LocalNode(
            signer: credentials.signer, enrolment: enrolment, incarnation: configuration.incarnation,
            life: random.next(), addresses: [], versions: configuration.versions,
            features: configuration.features, software: configuration.software, relays: configuration.relays,
            vaultCounter: configuration.vaultCounter)
        self.configuration = configuration
        self.credentials = credentials
        self.storage = storage
        self.log = log
        self.changed = changed
        now = { MeshClock.now() }
        loop = group.next()
        let board = MeshBoard(me: me.id)
        self.board = board
        core = MeshCore(me, trust: credentials.trust, checker: .real, limits: configuration.limits)
        let (inputs, offerings) = AsyncStream<MeshInput>.makeStream()  // bounded by the gate
        self.inputs = inputs
        inlet = MeshInlet(gate: InputGate(), inputs: offerings)
        let verifier = PeerVerifier(
            anchor: .root(try DERCertificate(credentials.root)), me: me.id,
            clock: VerificationClock(floor: configuration.clockFloor, system: configuration.systemClock),
            objection: { board.objection(to: $0) }, issuerObjection: { board.objection(toIssuer: $0) })
        hub = MeshHub(
            HubSetup(
                me: me.id, mesh: credentials.mesh, name: enrolment.label.text, relays: configuration.relays,
                isIssuer: issuer != nil, tls: try LinkTLS(credentials: credentials, verifier: verifier),
                serve: serve, pass: pass, now: now, log: log),
            node: me, loop: loop, board: board, inlet: inlet)
        admission = issuer.map { AdmissionOffice($0, trust: credentials.trust, signer: credentials.signer) }
    }

    // MARK: Life

    /// Runs until cancelled or ``stop()``; then says goodbye to all peers, in bounded time.
    ///
    /// - Throws: when the port is taken, or the storage fails at start.
    package func run() async throws {
        do {
            try await live()
        } catch {
            endStartup(error)
            throw error
        }
        endStartup(MeshServiceError.stopped)
    }

    private func live() async throws {
        let kept: MeshStorage.Kept
        do {
            kept = try await storage.load()
        } catch {
            throw MeshServiceError.storage("\(error)")
        }
        // Before the first handshake.
        var book = RevocationBook()
        for revocation in kept.revocations {
            _ = book.take(revocation, under: credentials.trust, by: .real, isIssuer: { _ in false })
        }
        board.write { [book] in $0.revocations = book }
        let listener = try await listen()
        for entry in kept.tokens { admission?.ledger.add(entry) }
        let hub = hub
        try await loop.submit { hub.start(listener: listener) }.get()
        do {
            try await begin(with: kept)
            endStartup(nil)
            for await input in inputs {
                inlet.gate.leave(input)
                if case .stop = input { break }
                try await take(input)
            }
        } catch {
            await shutDown()
            throw error
        }
        await shutDown()
    }

    /// Ends ``run()``, gracefully.
    package nonisolated func stop() { inlet.offer(.stop) }

    /// Waits until ``run()`` has come so far that the node takes part: documents loaded, port open.
    ///
    /// - Throws: what kept it from that, or ``MeshServiceError/stopped``.
    package func started() async throws {
        if hasStarted { return }
        if let whyStopped { throw whyStopped }
        try await withCheckedThrowingContinuation { waitingForStart.append($0) }
    }

    /// Where peers may dial this node; `nil` before the start, or without a listener.
    package var listening: MeshAddress? { boundAddress }

    /// Shows a renewed leaf from now on; links that are up live on.
    package nonisolated func renew(_ credentials: NodeCredentials) throws {
        try hub.setup.tls.replace(credentials)
        inlet.offer(.event(.leafRenewed))
    }

    private func listen() async throws -> (any Channel)? {
        guard let address = configuration.listen else { return nil }
        let channel: any Channel
        do {
            channel = try await MeshHub.listen(address, hub: hub).get()
        } catch {
            throw MeshServiceError.cannotListen(address, connectProblem(error))
        }
        boundAddress = MeshAddress(host: address.host, port: channel.localAddress?.port ?? address.port)
        return channel
    }

    private func begin(with kept: MeshStorage.Kept) async throws {
        var node = me
        node.addresses = configuration.addresses(listeningOn: boundAddress)
        core = MeshCore(node, trust: credentials.trust, checker: .real, limits: configuration.limits)
        var remembered = kept.remembered
        remembered += configuration.seeds.map { Candidate(address: $0, source: .seed) }
        var stored = StoredState(
            documents: kept.documents, manifests: kept.manifests,
            ownServers: configuration.ownServers,
            remembered: remembered, revocations: kept.revocations, scoped: kept.scoped,
            ownScopes: configuration.ownScopes, ages: kept.ages,
            statements: kept.statements)
        stored.vaultWitnesses = kept.vaultWitnesses
        handle(.started(stored))
        showRevocations()
        try await carryOut()
        publishSnapshot()
    }

    private func endStartup(_ failure: (any Error)?) {
        if failure == nil { hasStarted = true } else { whyStopped = whyStopped ?? failure }
        for waiter in waitingForStart {
            if let failure { waiter.resume(throwing: failure) } else { waiter.resume() }
        }
        waitingForStart = []
    }

    private func shutDown() async {
        try? await carryOut()
        let hub = hub
        _ = try? await loop.flatSubmit { hub.stop() }.get()
        hasStarted = false
        inlet.inputs.finish()
    }

    // MARK: Inputs

    private func take(_ input: MeshInput) async throws {
        switch input {
        case .event(let event):
            handle(event)
            if case .tick = event { tick() }
        case .frame(let frame, let link, let backlog):
            handle(.received(frame, from: link))
            backlog?.take(frame.bytesHeld)
        case .guest(let id, let event):
            try await serveGuest(id, event)
        case .effectsWaiting, .stop:
            break
        }
        try await carryOut()
        if snapshotDirty, now() - publishedAt >= Self.publishEvery { publishSnapshot() }
    }

    func handle(_ event: MeshEvent) {
        var random = SystemRandomNumberGenerator()
        pending += core.handle(event, at: now(), using: &random)
    }

    private func tick() {
        ticks += 1
        guard ticks % Self.candidatesEveryTicks == 0 else { return }
        let addresses = core.addresses
        let floods = core.currentFloods(at: now())
        let before = board.floods
        board.write { content in
            content.candidates = addresses
            content.floods = floods
        }
        func log(_ flood: Flood, _ what: Logger.Message) {
            self.log.warning(
                what, metadata: ["mesh.peer": "\(flood.node)", "mesh.flood": "\(flood.part)"])
        }
        for flood in floods where !before.contains(where: { $0.isSame(as: flood) }) {
            log(flood, "a node says more than is taken in")
        }
        for flood in before where !floods.contains(where: { $0.isSame(as: flood) }) {
            log(flood, "a node keeps within bounds again")
        }
    }

    // MARK: What anybody may read

    package nonisolated var snapshot: CatalogSnapshot { board.snapshot }
    /// Links that are up, circuits included, by peer.
    package nonisolated var linkStatus: [LinkStatus] { board.links }
    /// Grows whenever ``linkStatus`` may be another.
    package nonisolated var linksVersion: UInt64 { board.linksVersion }
    /// The ids that a call to a node crosses now, the node itself last; `nil`: no link or circuit to it is up.
    ///
    /// Not ``ways(to:)``, which are those over standing links: a link for calls is none of these.
    package nonisolated func wayOfCalls(to node: NodeID) -> [NodeID]? {
        board.links.filter { $0.peer == node && ($0.via.isEmpty || $0.openedByMe) }
            .min { $0.via.count < $1.via.count }.map { $0.via + [node] }
    }
    /// Addresses known and what came of each; refreshed about once a second.
    package nonisolated var candidates: [Neighbourhood.KnownAddress] { board.candidates }
    /// Who says more than this node takes in; refreshed about once a second.
    package nonisolated var floods: [Flood] { board.floods }
    /// What a person should see, the latest last.
    package nonisolated var notices: [MeshNotice] { board.notices }
}
