package import Catalog
import FoundationEssentials
package import JSONSlice
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
    private static let noticesMax = 50
    /// A burst of documents makes one snapshot, not hundreds; later ones wait for the next event or tick.
    private static let publishEvery = Duration.milliseconds(20)
    private static let candidatesEveryTicks = 10

    nonisolated let hub: MeshHub
    nonisolated let board: MeshBoard
    nonisolated let loop: any EventLoop
    nonisolated let me: LocalNode
    nonisolated let configuration: MeshServiceConfiguration
    nonisolated let log: Logger
    let credentials: NodeCredentials
    let storage: MeshStorage
    let now: @Sendable () -> Instant
    private let changed: @Sendable (CatalogSnapshot) -> Void
    private let inputs: AsyncStream<MeshInput>
    private let offerings: AsyncStream<MeshInput>.Continuation

    private var core: MeshCore
    private var hasStarted = false
    private var hasStopped = false
    private var waitingForStart: [CheckedContinuation<Void, any Error>] = []
    private var pending: [MeshEffect] = []
    private var boundAddress: MeshAddress?
    private var snapshotDirty = false
    private var publishedAt = Instant.zero
    private var ticks = 0

    var admission: AdmissionOffice?

    /// - Parameters:
    ///   - enrolment: this node's own; must be for `credentials`' node key.
    ///   - issuer: what enrols others, on nodes with the role issuer.
    ///   - serve: runs a call that came from the mesh; called on the mesh's loop, must not block.
    ///   - changed: told of each new snapshot, from any thread.
    package init(
        _ configuration: MeshServiceConfiguration, credentials: NodeCredentials, enrolment: Enrolment,
        issuer: IssuerCredentials? = nil, storage: MeshStorage, group: any EventLoopGroup, log: Logger,
        serve: @escaping @Sendable (IncomingMeshCall, @escaping CallSink) -> CallHandle,
        changed: @escaping @Sendable (CatalogSnapshot) -> Void = { _ in }
    ) throws {
        var random = SystemRandomNumberGenerator()
        me = LocalNode(
            signer: credentials.signer, enrolment: enrolment, incarnation: configuration.incarnation,
            life: random.next(), addresses: [], software: configuration.software, relays: configuration.relays)
        self.configuration = configuration
        self.credentials = credentials
        self.storage = storage
        self.log = log
        self.changed = changed
        now = { Instant(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds)) }
        loop = group.next()
        let board = MeshBoard(me: me.id)
        self.board = board
        core = MeshCore(me, trust: credentials.trust, checker: .real, limits: configuration.limits)
        (inputs, offerings) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(inputsMax))
        let verifier = PeerVerifier(
            anchor: .root(try DERCertificate(credentials.root)), me: me.id, floor: configuration.clockFloor,
            objection: { board.hasDeparted($0) ? "it has left the mesh" : nil })
        hub = MeshHub(
            HubSetup(
                me: me.id, mesh: credentials.mesh, name: enrolment.label.text, relays: configuration.relays,
                isIssuer: issuer != nil, tls: try LinkTLS(credentials: credentials, verifier: verifier),
                serve: serve, now: now, log: log),
            node: me, loop: loop, board: board, inputs: offerings)
        admission = issuer.map { AdmissionOffice($0, trust: credentials.trust, signer: credentials.signer) }
    }

    // MARK: Life

    /// Runs until cancelled or ``stop()``; then says goodbye to all peers, in bounded time.
    ///
    /// - Throws: when the port is taken, or the storage fails at start.
    package func run() async throws {
        defer { endStartup(MeshServiceError.stopped) }
        let kept: MeshStorage.Kept
        do {
            kept = try await storage.load()
        } catch {
            throw MeshServiceError.storage("\(error)")
        }
        let listener = try await listen()
        for entry in kept.tokens { admission?.ledger.add(entry) }
        let hub = hub
        try await loop.submit { hub.start(listener: listener) }.get()
        do {
            try await begin(with: kept)
            endStartup(nil)
            for await input in inputs {
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
    package nonisolated func stop() { offerings.yield(.stop) }

    /// Waits until the node takes part: documents loaded, port open.
    package func started() async throws {
        if hasStarted { return }
        if hasStopped { throw MeshServiceError.stopped }
        try await withCheckedThrowingContinuation { waitingForStart.append($0) }
    }

    /// Where peers may dial this node; `nil` before the start, or without a listener.
    package var listening: MeshAddress? { boundAddress }

    /// Shows a renewed leaf from now on; links that are up live on.
    package nonisolated func renew(_ credentials: NodeCredentials) throws {
        try hub.setup.tls.replace(credentials)
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
        handle(
            .started(
                StoredState(
                    documents: kept.documents, manifests: kept.manifests, ownServers: configuration.ownServers,
                    remembered: remembered)))
        try await carryOut()
        publishSnapshot()
    }

    private func endStartup(_ failure: (any Error)?) {
        if failure == nil { hasStarted = true } else { hasStopped = true }
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
        offerings.finish()
    }

    // MARK: Inputs

    private func take(_ input: MeshInput) async throws {
        switch input {
        case .event(let event):
            handle(event)
            if case .tick = event { tick() }
        case .frame(let frame, let link, let backlog):
            handle(.received(frame, from: link))
            backlog?.take()
        case .guest(let id, let event):
            try await serveGuest(id, event)
        case .effectsWaiting, .stop:
            break
        }
        try await carryOut()
        if snapshotDirty, now() - publishedAt >= Self.publishEvery { publishSnapshot() }
    }

    private func handle(_ event: MeshEvent) {
        var random = SystemRandomNumberGenerator()
        pending += core.handle(event, at: now(), using: &random)
    }

    private func tick() {
        ticks += 1
        guard ticks % Self.candidatesEveryTicks == 0 else { return }
        let addresses = core.addresses
        board.write { $0.candidates = addresses }
    }

    // MARK: Effects

    /// Carries out what the core ordered, in its order: what must be on disk is, before anything later leaves.
    private func carryOut() async throws {
        while !pending.isEmpty {
            let effects = pending
            pending = []
            var changes: [MeshStorage.Change] = []
            var orders: [HubOrder] = []
            for effect in effects {
                if let change = MeshStorage.Change(effect) {
                    give(&orders)
                    changes.append(change)
                    continue
                }
                try await store(&changes)
                take(effect, &orders)
            }
            try await store(&changes)
            give(&orders)
        }
    }

    private func take(_ effect: MeshEffect, _ orders: inout [HubOrder]) {
        switch effect {
        case .send(let frame, let link): orders.append(.send(frame, link))
        case .dial(let address, let expecting): orders.append(.dial(address, expecting))
        case .close(let link, let reason, let text): orders.append(.close(link, reason, text))
        case .catalogChanged, .routesChanged: snapshotDirty = true
        case .notice(let notice): tell(notice)
        case .persistIncarnation, .store, .drop, .storeManifest, .dropManifest: break  // done before
        }
    }

    private func store(_ changes: inout [MeshStorage.Change]) async throws {
        guard !changes.isEmpty else { return }
        let batch = changes
        changes = []
        do {
            try await storage.apply(batch)
        } catch {
            let carriesIncarnation = batch.contains { if case .incarnation = $0 { true } else { false } }
            // Documents can be had again from peers; an incarnation said and then forgotten cannot be mended.
            guard !carriesIncarnation else { throw MeshServiceError.storage("\(error)") }
            log.error("mesh documents not stored", metadata: ["error": "\(error)", "count": "\(batch.count)"])
        }
        for case .incarnation(let incarnation) in batch {
            let hub = hub
            loop.execute { hub.raiseIncarnation(to: incarnation) }
        }
    }

    func give(_ orders: inout [HubOrder]) {
        guard !orders.isEmpty else { return }
        let batch = orders
        orders = []
        let hub = hub
        loop.execute { for order in batch { hub.carryOut(order) } }
    }

    private func tell(_ notice: MeshNotice) {
        log.warning("mesh notice", metadata: ["mesh.notice": "\(notice)"])
        board.write { content in
            content.notices.append(notice)
            if content.notices.count > Self.noticesMax { content.notices.removeFirst() }
        }
    }

    private func publishSnapshot() {
        snapshotDirty = false
        publishedAt = now()
        let snapshot = core.catalogSnapshot()
        let departed = Set(core.nodes.filter { $0.value.standing == .left }.keys)
        board.write { content in
            content.snapshot = snapshot
            content.departed = departed
        }
        changed(snapshot)
    }

    // MARK: What this node says

    /// Runs one order of an administrator on the core; its effects are carried out by ``run()``, after all that
    /// were ordered before.
    private func order<Failure: Error>(
        _ body: (inout MeshCore, Instant, inout SystemRandomNumberGenerator) throws(Failure) -> [MeshEffect]
    ) throws(Failure) {
        var random = SystemRandomNumberGenerator()
        pending += try body(&core, now(), &random)
        offerings.yield(.effectsWaiting)
    }

    /// Publishes one of this node's servers, or its changed state.
    ///
    /// - Parameter manifest: all that it offers; `nil`: what was published before stays.
    package func publish(_ record: ServerRecord, manifest: Manifest?) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.publish(record, manifest: manifest, at: now, using: &random)
        }
    }

    /// Deletes one of this node's servers for everybody.
    package func withdraw(server name: Label) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.withdraw(server: name, at: now, using: &random)
        }
    }

    /// Defines a virtual server for the whole mesh.
    package func publishVirtualServer(_ name: Label, definition: JSON) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.publish(virtualServer: name, definition: definition, at: now, using: &random)
        }
    }

    package func removeVirtualServer(_ name: Label) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.remove(virtualServer: name, at: now, using: &random)
        }
    }

    /// Says to all that this node leaves for good; ``stop()`` should follow once that has spread.
    package func leave() async throws {
        try await started()
        handle(.leaving)
        offerings.yield(.effectsWaiting)
    }

    /// An address where a peer may be.
    package nonisolated func sighted(_ candidate: Candidate) { offerings.yield(.event(.sighted(candidate))) }

    /// mDNS took an address back, or configuration dropped it.
    package nonisolated func vanished(address: String, source: CandidateSource) {
        offerings.yield(.event(.vanished(address: address, source)))
    }

    func holder(of label: Label) -> NodeID? { core.holder(of: label) }
    var ownAddresses: [String] { core.me.addresses }

    // MARK: What anybody may read

    package nonisolated var snapshot: CatalogSnapshot { board.snapshot }
    /// Links that are up, circuits included, by peer.
    package nonisolated var linkStatus: [LinkStatus] { board.links }
    /// Addresses known and what came of each; refreshed about once a second.
    package nonisolated var candidates: [Neighbourhood.KnownAddress] { board.candidates }
    /// What a person should see, the latest last.
    package nonisolated var notices: [MeshNotice] { board.notices }
}

/// What the core's owner asks of the loop.
enum HubOrder: Sendable {
    case send(Frame, LinkID)
    case dial(String, NodeID?)
    case close(LinkID, GoodbyeReason, String)
    case tellGuest(GuestID, JoinMessage)
    case dismissGuest(GuestID)
}

extension MeshHub {
    func carryOut(_ order: HubOrder) {
        switch order {
        case .send(let frame, let link): send(frame, on: link)
        case .dial(let address, let expecting): dial(address, expecting: expecting)
        case .close(let link, let reason, let text): close(link, reason, text)
        case .tellGuest(let guest, let message): guests[guest]?.send(message)
        case .dismissGuest(let guest): guests[guest]?.close()
        }
    }
}

extension MeshStorage.Change {
    fileprivate init?(_ effect: MeshEffect) {
        switch effect {
        case .persistIncarnation(let incarnation): self = .incarnation(incarnation)
        case .store(let document): self = .document(document)
        case .drop(let key): self = .dropDocument(key)
        case .storeManifest(let hash, let bytes): self = .manifest(hash, bytes)
        case .dropManifest(let hash): self = .dropManifest(hash)
        case .send, .dial, .close, .catalogChanged, .routesChanged, .notice: return nil
        }
    }
}
