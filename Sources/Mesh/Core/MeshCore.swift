package import Catalog

/// One node's part in the mesh as a pure state machine: documents, their spread and repair, links, routes.
///
/// The shell hands in events with the time and a source of chance, and carries out the effects in their order; the
/// simulator does the same with a thousand of these in virtual time. Nothing here waits, reads a clock or throws
/// dice of its own: the same events at the same times with the same chance give the same effects.
package struct MeshCore: Sendable {
    package let trust: MeshTrust
    package let limits: MeshLimits
    package internal(set) var me: LocalNode

    var store: DocumentStore
    var neighbourhood: Neighbourhood
    var shelf: ManifestShelf
    var outbox = Outbox()
    var now = Instant.zero

    /// Of this life's documents; each takes the next.
    var sequence: UInt64 = 0
    var hasStarted = false
    var standing = NodeBody.Standing.present

    var linksDirty = false
    /// Which links come and go.
    var damping = LinkDamping()
    var linksPublishedAt: Instant?
    var nextRepair: Instant?
    /// Documents asked for and not here yet, by whom they were asked of.
    var pulls: [LinkID: [DocumentKey: Pull]] = [:]
    /// How much more each neighbour may be sent without having asked for it; none named: all.
    var unasked: [LinkID: Allowance] = [:]
    /// What is under way to find out what differs.
    var repairs: [LinkID: RepairState] = [:]
    var floods: FloodWatch
    var company = Company()

    /// Who should have a standing link with us; `nil`: to be found anew.
    var wanted: Set<NodeID>?
    var wantedFoundAt = Instant.zero
    /// Since when fewer nodes of this segment hold a link to the other than should.
    var lackingSince: [Label: Instant] = [:]
    /// Since when each of these links is none that anybody chose.
    var surplusSince: [LinkID: Instant] = [:]
    var trimmedAt = Instant.zero
    /// Whose word on its links, or on being of the mesh, ``graph`` has not taken over yet.
    var unread: Set<NodeID> = []
    var graph: LinkGraph
    var table = RouteTable()
    var graphDirty = false
    /// When routes were last found; `nil`: they must be found now.
    var routesFoundAt: Instant?
    var routes: [NodeID: Route] = [:]
    /// Whom ``routes`` lead to.
    var reachedNodes: Set<NodeID> = []
    /// Whether ``routes`` go around links that broke under a circuit.
    var routesAreMasked = false
    var unreachableSince: [NodeID: Instant] = [:]
    /// Since when each node is reached on the path of its present route.
    var reachedSince: [NodeID: Instant] = [:]
    var heardAt: [NodeID: Instant] = [:]
    /// When it became known here that a node has left.
    var departedAt: [NodeID: Instant] = [:]
    /// Links that broke under a circuit, and the relay that named each; it is gone around too where there is a way.
    var masks: [(pair: NodePair, relay: NodeID?, until: Instant)] = []

    /// Which other lives of this node were seen to be ahead of it, and when; the latest last.
    var otherLives: [(life: UInt64, at: Instant)] = []
    var isClone = false
    /// How far each link has come in the exchange of revocations.
    var greetings: [LinkID: StatementGreeting] = [:]
    /// When this node, though revoked, last tried to be heard.
    var revokedDialAt: Instant?
    /// Links to be made anew so that they show the new certificate, and when.
    var redials: [(at: Instant, link: LinkID)] = []
    var clashesTold: Set<Label> = []
    /// Nodes without a version in common of which this was said.
    var versionsTold: Set<NodeID> = []
    /// Of each origin that went back: its own word on a later vault than it has now.
    var vaultWitnesses: [NodeID: Document] = [:]
    /// The greatest that this node itself once said of its vault, where that was more than it had, until a person accepts that.
    package internal(set) var vaultRemembered: UInt64?
    var vaultToldAt: Instant?
    var scoped = ScopedShelf()
    /// Decisions on what may be called, and how much each origin may still say anew.
    var said: StatementBook
    var sayings: [NodeID: Allowance] = [:]

    struct Pull: Sendable {
        var row: DocumentRow
        var at: Instant
    }

    package init(
        _ me: LocalNode, trust: MeshTrust, checker: SignatureChecker, limits: MeshLimits = MeshLimits()
    ) {
        self.me = me
        self.trust = trust
        self.limits = limits
        store = DocumentStore(trust: trust, checker: checker, limits: limits)
        neighbourhood = Neighbourhood(me: me.id, mesh: trust.mesh, limits: limits)
        shelf = ManifestShelf(limits: limits)
        floods = FloodWatch(limits: limits)
        graph = LinkGraph(me: me.id)
        said = StatementBook(limits: limits)
    }

    /// What a link's handshake says of this node now.
    package var hello: Hello {
        Hello(
            versions: me.versions, features: me.features, node: me.id,
            incarnation: me.incarnation, life: me.life,
            software: me.software.cut(toBytes: Hello.softwareMax))
    }

    /// Takes one event in.
    ///
    /// - Returns: what the shell must now do, in this order.
    package mutating func handle(
        _ event: MeshEvent, at now: Instant, using random: inout some RandomNumberGenerator
    ) -> [MeshEffect] {
        self.now = max(now, self.now)
        switch event {
        case .started(let stored): start(stored, using: &random)
        case .linkUp(let link, let facts): linkUp(link, shared(facts), using: &random)
        case .versionsApart(let peer, let text):
            // Dialled again and again, since either may be another program tomorrow.
            if store.nodes.keys.contains(peer), versionsTold.insert(peer).inserted {
                outbox.tell(.notice(.versionsApart(text)))
            }
        case .turnedAway(let link, let referral): turnedAway(link, referral, using: &random)
        case .linkDown(let link, let isRejection): linkDown(link, isRejection, using: &random)
        case .circuitUp(let link, let facts): circuitUp(link, shared(facts))
        case .circuitDown(let link): circuitDown(link)
        case .received(let frame, let link): receive(frame, from: link, using: &random)
        case .measured(let link, let roundTrip):
            if neighbourhood.measured(link, roundTrip) {
                linksDirty = true
                graphDirty = true
            }
        case .tick: tick(using: &random)
        case .sighted(let candidate): neighbourhood.sighted(candidate, at: self.now, using: &random)
        case .vanished(let address, let source): neighbourhood.vanished(address, source)
        case .dialFailed(let address, let expecting, let problem):
            neighbourhood.dialFailed(address, expecting: expecting, problem, at: self.now, using: &random)
        case .pathBroke(let a, let b): mask(NodePair(a, b), namedBy: a)
        case .addressesChanged(let addresses):
            me.addresses = addresses
            // On another network others may be in reach.
            neighbourhood.hurry(at: self.now, using: &random)
            publishNode(using: &random)
        case .enrolmentChanged(let enrolment):
            me.enrolment = enrolment
            publishNode(using: &random)
        case .leafRenewed:
            // Who is given one though it was revoked is not any more.
            revokedDialAt = nil
            planRedials(using: &random)
        case .vaultChanged(let counter): vaultChanged(to: counter, using: &random)
        case .vaultAccepted(let counter): vaultAccepted(at: counter, using: &random)
        case .leaving: leave(using: &random)
        }
        return flush(using: &random)
    }

    /// Ends the handling of one event: routes are found anew if they must be, orders gathered.
    mutating func flush(using random: inout some RandomNumberGenerator) -> [MeshEffect] {
        publishLinksIfDue(using: &random)
        findRoutesIfDirty()
        syncScoped()
        if !shelf.isIdle {
            for (frame, link) in shelf.orders(active: spreading, at: now) { outbox.send(frame, link) }
        }
        return outbox.take(limits: limits, unasked: &unasked, at: now)
    }

    // MARK: Start, ticks, leaving

    private mutating func start(_ stored: StoredState, using random: inout some RandomNumberGenerator) {
        guard !hasStarted else { return }
        hasStarted = true
        nextRepair = now + repairDelay(using: &random)

        // Before anything of our own is said: what the disk shows of us may be of a later life than we think.
        let own = stored.documents.filter { $0.key.origin == me.id }.map(\.version.incarnation)
        let ownSaid = stored.statements.filter { $0.origin == me.id }.map(\.version.incarnation)
        let newest = (own + ownSaid).max() ?? 0
        if newest >= me.incarnation, newest < .max {
            me.incarnation = newest + 1
            outbox.persist(.persistIncarnation(me.incarnation))
        }
        for (hash, bytes) in stored.manifests.sorted(by: { $0.key < $1.key })
        where ContentHash(of: bytes) == hash {
            if let manifest = try? ManifestCodec.decode(bytes) {
                shelf.hold(hash, ManifestShelf.Held(bytes: bytes, manifest: manifest))
            }
        }
        // Revocations before what they may forbid.
        for revocation in stored.revocations { _ = store.take(revocation) }
        for statement in stored.statements.sorted(by: { $0.key < $1.key }) {
            _ = said.take(statement, under: trust, by: store.signatureChecker)
        }
        // Node documents sort first, and with them the keys that all others are checked by.
        for document in stored.documents.sorted(by: { $0.key < $1.key }) {
            switch store.take(document) {
            case .taken: noteContent(of: document, from: nil, using: &random)
            // Kept when the node stopped between the two.
            case .refused(.revoked), .refused(.unknownOrigin): outbox.persist(.drop(document.key))
            default: break
            }
        }
        if let word = ownRevocation { outbox.tell(.notice(.revoked(Self.describe(word)))) }
        if let said = store.nodes[me.id], said.standing == .left, said.enrolment.serial >= me.enrolment.serial
        {
            standing = .left
            outbox.tell(.notice(.leftBefore))
        }
        startVault(stored)
        startScoped(stored.scoped, scopes: stored.ownScopes)
        for hash in shelf.dropUnused() { outbox.persist(.dropManifest(hash)) }
        for node in store.nodes.keys where node != me.id { unreachableSince[node] = now }
        for (origin, age) in stored.ages where origin != me.id { heardAt[origin] = now + (.zero - age) }
        company.started(at: now, knowsOthers: knowsOthers)
        for candidate in stored.remembered { neighbourhood.sighted(candidate, at: now, using: &random) }

        publishNode(using: &random)
        publishLinks(using: &random)
        for key in store.servers.keys.sorted()
        where key.owner == me.id && !stored.ownServers.contains(key.name) {
            publish(.server(me.id, key.name), body: nil, using: &random)
        }
        graphDirty = true
        outbox.noteCatalogChange()
    }

    private mutating func tick(using random: inout some RandomNumberGenerator) {
        guard hasStarted else { return }
        for link in neighbourhood.takeRetired(at: now) {
            outbox.tell(.close(link, .duplicate, text: "another link between these two nodes stands"))
        }
        closeLinksOfDeparted()
        lookWhetherAlone()
        for (link, pending) in pulls
        where pending.contains(where: { now - $0.value.at >= limits.pullTimeout }) {
            let rest = pending.filter { now - $0.value.at < limits.pullTimeout }
            pulls[link] = rest.isEmpty ? nil : rest
        }
        tellVaultIfDue(using: &random)
        if damping.release(at: now) { linksDirty = true }
        if masks.contains(where: { $0.until <= now }) {
            masks.removeAll { $0.until <= now }
            graphDirty = true
        }
        if let due = nextRepair, due <= now {
            nextRepair = now + repairDelay(using: &random)
            // Where the first words of a link were lost on one end, nothing else would ever be said.
            for link in neighbourhood.active where !isTold(link) || !isHeard(link) {
                outbox.state(.statementDigest(statementDigest(for: link)), link)
            }
            if let link = spreading.randomElement(using: &random) {
                if greetings[link] != nil { outbox.state(.statementDigest(statementDigest(for: link)), link) }
                compare(with: link)
            }
            floods.tidy(at: now)
            showVaultWitnesses()
            tidySayings()
        }
        redialIfDue()
        makeRoom()
        trimLinks()
        // Mostly in vain; but the root may have thought again, and nobody dials a node that they forgot.
        let isRevoked = ownRevocation != nil
        if isRevoked, let last = revokedDialAt, now - last < limits.dialWhileRevoked { return }
        let dials = neighbourhood.dials(
            wanted: wantedPeers(), isKnown: { store.nodes.keys.contains($0) }, at: now, using: &random)
        if isRevoked, !dials.isEmpty { revokedDialAt = now }
        for (address, expecting) in dials {
            outbox.tell(.dial(address: address, expecting: expecting))
        }
    }

    /// A node that left may link up for a moment: it may have been enrolled anew, which its documents then say.
    private mutating func closeLinksOfDeparted() {
        guard !departedAt.isEmpty else { return }
        for (id, link) in neighbourhood.links.sorted(by: { $0.key < $1.key }) {
            guard let departed = departedAt[link.facts.peer],
                now - max(link.since, departed) >= limits.departedLinkMax
            else { continue }
            outbox.tell(.close(id, .notEnrolled, text: "\(link.facts.peer) has left the mesh"))
        }
    }

    private mutating func leave(using random: inout some RandomNumberGenerator) {
        for key in store.servers.keys.sorted() where key.owner == me.id {
            publish(.server(me.id, key.name), body: nil, using: &random)
        }
        for name in scoped.own.keys.sorted() { withdraw(scoped: name) }
        standing = .left
        publishNode(using: &random)
    }

    /// Spread over a tenth, so that a mesh started at once does not repair at once.
    private func repairDelay(using random: inout some RandomNumberGenerator) -> Duration {
        limits.repairEvery * Int.random(in: 950...1050, using: &random) / 1000
    }

    // MARK: Links

    /// What both ends can do.
    private func shared(_ facts: LinkFacts) -> LinkFacts {
        var facts = facts
        facts.hello.features &= me.features
        return facts
    }

    private mutating func linkUp(
        _ link: LinkID, _ facts: LinkFacts, using random: inout some RandomNumberGenerator
    ) {
        if let why = objection(to: facts.peer) { return outbox.tell(.close(link, .notEnrolled, text: why)) }
        let wasLinked = neighbourhood.link(to: facts.peer) != nil
        switch neighbourhood.up(link, facts, isOtherwiseAlone: isAlone(facts.peer), at: now) {
        case .refuse(.full, _): outbox.tell(.close(link, .full, text: referral(for: facts.peer).text))
        case .refuse(let reason, let text): outbox.tell(.close(link, reason, text: text))
        case .keep:
            versionsTold.remove(facts.peer)
            if !wasLinked { damping.up(facts.peer, life: facts.hello.life, at: now) }
            linksDirty = true
            graphDirty = true
            routesFoundAt = nil
            noteScopedLink(to: facts.peer)
            // What was said on a link that broke may have been lost.
            scoped.confirmed[facts.peer] = nil
            // Either end can tell who opened the link, so one exchange is enough for both.
            if !greet(link, facts) {
                // An older peer, which keeps no revocations to ask for.
                noteCompany()
                if facts.openedByMe { compare(with: link) }
            }
        }
    }

    private mutating func linkDown(
        _ link: LinkID, _ isRejection: Bool, using random: inout some RandomNumberGenerator
    ) {
        outbox.drop(link)
        forgetScoped(link: link)
        repairs[link] = nil
        pulls[link] = nil
        unasked[link] = nil
        greetings[link] = nil
        surplusSince[link] = nil
        let life = neighbourhood.links[link]?.facts.hello.life ?? 0
        guard let peer = neighbourhood.down(link, isRejection: isRejection, at: now, using: &random) else {
            return
        }
        damping.down(peer, life: life, at: now)
        if spreading.isEmpty { company.lostLast(at: now) }
        graphDirty = true
        routesFoundAt = nil
        // A link that is gone is told at once: it is how the others learn that somebody is.
        publishLinks(using: &random)
        // What that neighbour was about to give us, another has.
        nextRepair = nextRepair.map { min($0, now + .milliseconds(500)) }
    }

    // MARK: A new certificate

    /// Spread out, so that never more than a few links are double at a time.
    private mutating func planRedials(using random: inout some RandomNumberGenerator) {
        redials = neighbourhood.active.filter { neighbourhood.links[$0]?.facts.address != nil }.map { link in
            (now + limits.redialWithin * Int.random(in: 0...1000, using: &random) / 1000, link)
        }
    }

    private mutating func redialIfDue() {
        guard redials.contains(where: { $0.at <= now }) else { return }
        for (_, link) in redials.filter({ $0.at <= now }) {
            // Only what this node dialled; the other end does the same when its own certificate is renewed.
            guard let facts = neighbourhood.links[link]?.facts, let address = facts.address,
                neighbourhood.link(to: facts.peer) == link
            else { continue }
            outbox.tell(.dial(address: address, expecting: facts.peer))
        }
        redials.removeAll { $0.at <= now }
    }

    var presentNodes: [NodeID: NodeBody] { store.nodes.filter { $0.value.standing == .present } }
}
