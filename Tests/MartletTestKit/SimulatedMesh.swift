package import Catalog
package import Mesh

/// Many nodes' own ``MeshCore``s on one thread in virtual time, over links with delay, loss, cuts and crashes.
///
/// The network is simulated, the rules are not: frames are encoded and decoded by the product's codec, silence is
/// judged by its ``SilenceWatch``, and what a node keeps over a restart is what its core told its disk to keep.
package final class SimulatedMesh {
    package struct Network: Sendable {
        /// One way, drawn anew for each frame; frames of one link stay in order.
        package var delay: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(20))
        /// Of a frame to be lost and sent again by TCP …
        package var loss = 0.0
        /// … which takes so long, and holds up what follows.
        package var retransmission: Duration = .milliseconds(200)
        /// Whether what is sent again may be lost again, as often as chance wills; each time costs as much (TCP on thin
        /// streams does not double its time-out) …
        package var losesAgain = false
        /// … or twice as much as the time before.
        package var doublesRetransmission = false
        /// Of documents to arrive twice.
        package var duplication = 0.0
        /// Of documents to be overtaken by what was sent after them (up to so much later).
        package var reordering = 0.0
        package var overtakenBy: Duration = .milliseconds(300)

        package init() {}
    }

    package typealias NodeIndex = Int

    /// An object, so that a look at one of its parts copies none of the others.
    private final class Node {
        var local: LocalNode
        /// The networks it is attached to, a bit each; two nodes can dial each other if they share one.
        var segments: UInt64
        var core: MeshCore?
        /// One more at each start, so that nothing planned for a former life reaches this one.
        var epoch = 0
        var disk = StoredState()
        var documents: [DocumentKey: Document] = [:]
        var revocations: [RevocationKey: Revocation] = [:]
        var statements: [StatementKey: Statement] = [:]
        var scoped: [ServerKey: StoredScoped] = [:]
        var watches = LinkWatches()
        var pausedUntil: Instant?
        /// Between two ticks it gets no CPU: each comes up to so much too late.
        var lateness: Duration?
        /// It has the processor, but for whole stretches not at all.
        var stalls: Stalls?
        var nextStall = Instant.zero
        var clock = Clock()
        /// Its certificate, or its view of others', fails by time.
        var hasWrongDate = false

        init(_ local: LocalNode, attachedTo segments: UInt64) {
            self.local = local
            self.segments = segments
        }

        /// Another machine with the same key and disk, which does not run.
        func clone() -> Node {
            let clone = Node(local, attachedTo: segments)
            clone.disk = disk
            clone.documents = documents
            clone.revocations = revocations
            clone.statements = statements
            clone.scoped = scoped
            clone.lateness = lateness
            clone.stalls = stalls
            clone.clock = clock
            clone.hasWrongDate = hasWrongDate
            return clone
        }
    }

    /// How an overloaded host lets a process starve: it runs for a while, and then not at all for a while.
    package struct Stalls: Sendable {
        package var lasting: ClosedRange<Duration>
        package var apart: ClosedRange<Duration>

        package init(lasting: ClosedRange<Duration>, apart: ClosedRange<Duration>) {
            self.lasting = lasting
            self.apart = apart
        }
    }

    /// A host's monotonic clock: where it began, and how fast it goes.
    package struct Clock: Sendable {
        package var offset: Duration = .zero
        /// Thousandths by which it is fast.
        package var drift = 0

        package init(offset: Duration = .zero, drift: Int = 0) {
            self.offset = offset
            self.drift = drift
        }

        func reading(at time: Instant) -> Instant {
            time + offset + .nanoseconds(time.nanoseconds / 1000 * Int64(drift))
        }
    }

    private struct Link {
        var ends: (NodeIndex, NodeIndex)
        /// Of a circuit: the relays between its ends, who carry what they cannot read.
        var relays: [NodeIndex]?
        /// Whether both ends read deflated frames.
        var inflates: Bool
        /// Which ends have not closed yet.
        var isOpen = (true, true)
        var arrivesAfter = (Instant.zero, Instant.zero)
        /// When bytes last reached the host of each end, read or not.
        var reached: (Instant, Instant)
        /// Sent while the two were cut off from each other.
        var stalled: [(from: NodeIndex, bytes: [UInt8])] = []
    }

    /// By their numbers, which go up from one.
    private struct Links {
        private var all: [Link?] = []

        mutating func add(_ link: Link) -> LinkID {
            all.append(link)
            return LinkID(UInt64(all.count))
        }

        var inOrder: [(LinkID, Link)] {
            all.enumerated().compactMap { place, link in link.map { (LinkID(UInt64(place + 1)), $0) } }
        }

        subscript(id: LinkID) -> Link? {
            get { all.indices.contains(Int(id.number) - 1) ? all[Int(id.number) - 1] : nil }
            _modify { yield &all[Int(id.number) - 1] }
        }
    }

    private enum Event {
        case tick(NodeIndex, epoch: Int)
        case arrive(LinkID, at: NodeIndex, [UInt8])
        case closed(LinkID, at: NodeIndex)
        case dial(NodeIndex, epoch: Int, address: String, expecting: NodeID?)
        case linkUp(LinkID, at: NodeIndex, epoch: Int, LinkFacts)
        case reach(NodeIndex, epoch: Int, NodeID)
    }

    package let mesh: TestMesh
    package var network = Network()
    package private(set) var now = Instant.zero
    package private(set) var notices: [(node: NodeIndex, MeshNotice)] = []
    package private(set) var bytesSent = 0
    package private(set) var framesSent = 0
    /// How often a node heard that another has no place for it.
    package private(set) var turnedAway = 0
    /// Folds in all that was ever sent and when: equal for equal runs.
    package private(set) var trace: UInt64 = 14_695_981_039_346_656_037

    /// Sees every frame that leaves a node for another, as it is between the two (inside TLS), inflated: who looks for
    /// words in it must find them.
    package var wireObserver: ((_ from: NodeIndex, _ to: NodeIndex, [UInt8]) -> Void)?
    /// Sees every frame that a node's core sends, and to whom.
    package var frameObserver: ((_ from: NodeIndex, _ to: NodeIndex, Frame) -> Void)?
    /// Called after each thing that happened to a node; what must hold at every step.
    package var stepObserver: ((NodeIndex) -> Void)?
    /// Sees each effect before it is carried out.
    package var effectObserver: ((NodeIndex, MeshEffect) -> Void)?
    /// Called when a node holds a link to be down for its silence; how long nothing reached its host on it.
    package var silenceObserver: ((NodeIndex, _ silent: Duration) -> Void)?

    private let limits: MeshLimits
    private var random: SplitMix64
    private var nodes: [Node] = []
    private var links = Links()
    private var queue = EventQueue<Event>()
    /// From the first to the second nothing gets through.
    private var cuts: Set<[NodeIndex]> = []
    private var networks: [String: UInt64] = [:]
    private var indices: [NodeID: NodeIndex] = [:]
    private var addressed: [String: NodeIndex] = [:]
    /// What was encoded last: a node mostly says the same on all its links.
    private var lastEncoded: (frame: Frame, inflates: Bool, bytes: [UInt8])?

    package init(seed: UInt64, limits: MeshLimits = MeshLimits()) throws {
        mesh = try TestMesh(seed: seed, .hashed)
        random = SplitMix64(seed: seed ^ 0x5EED)
        self.limits = limits
    }

    // MARK: Nodes

    /// Adds a node that is enrolled but not started.
    ///
    /// - Parameter issuer: the node that enrolled it; `nil`: one that is not among the nodes.
    package func addNode(
        _ label: Label, roles: Roles = .ordinary, segment: Label = "home",
        attachedTo segments: Set<String> = ["lan"],
        relays: Bool = true, by issuer: NodeIndex? = nil
    ) throws -> NodeIndex {
        let index = nodes.count
        var local = try mesh.node(
            label, roles: roles, segment: segment, incarnation: 0, addresses: ["node\(index):7331"],
            using: &random)
        if let issuer {
            let office = nodes[issuer].local
            local.enrolment = try Enrolment(
                of: local.signer.key, label: label, roles: roles, segment: segment, serial: 1,
                grant: office.enrolment.grant, by: office.signer)
        }
        local.relays = relays
        append(Node(local, attachedTo: bits(of: segments)))
        return index
    }

    private func append(_ node: Node) {
        indices[node.local.id] = indices[node.local.id] ?? nodes.count
        addressed[address(nodes.count)] = nodes.count
        nodes.append(node)
    }

    private func bits(of segments: Set<String>) -> UInt64 {
        var bits: UInt64 = 0
        for name in segments.sorted() {
            precondition(networks[name] != nil || networks.count < 64, "a bit for each network")
            let bit = networks[name] ?? 1 << UInt64(networks.count)
            networks[name] = bit
            bits |= bit
        }
        return bits
    }

    /// Copies a node's machine: key and disk as they are now, to run at an address of its own.
    package func addClone(of original: NodeIndex) -> NodeIndex {
        let index = nodes.count
        let copy = nodes[original].clone()
        copy.local.addresses = ["node\(index):7331"]
        append(copy)
        return index
    }

    /// Adds and starts `count` nodes on one network that all know the first one's address.
    package func addNodes(_ count: Int, roles: Roles = .ordinary) throws -> [NodeIndex] {
        try (0..<count).map { _ in
            let index = try addNode(Label("n\(nodes.count)").orFail(), roles: roles)
            start(index)
            if index > 0 { sight(index, address(0)) }
            return index
        }
    }

    package func id(_ index: NodeIndex) -> NodeID { nodes[index].local.id }
    /// Whether the node gets no CPU now: it reads nothing, and says nothing.
    package func isPaused(_ index: NodeIndex) -> Bool { nodes[index].pausedUntil.map { $0 > now } ?? false }
    package func index(of node: NodeID) -> NodeIndex? { indices[node] }
    package func address(_ index: NodeIndex) -> String { "node\(index):7331" }
    package func isRunning(_ index: NodeIndex) -> Bool { nodes[index].core != nil }
    package var running: [NodeIndex] { nodes.indices.filter(isRunning) }

    package func core(_ index: NodeIndex) throws -> MeshCore {
        try nodes[index].core.orFail("node \(index), which does not run")
    }

    /// Starts a node from what is on its disk.
    package func start(_ index: NodeIndex) {
        nodes[index].epoch += 1
        nodes[index].local.incarnation += 1
        nodes[index].local.life = random.next()
        nodes[index].core = MeshCore(
            nodes[index].local, trust: mesh.trust, checker: mesh.checker, limits: limits)
        handle(.started(disk(index).state), at: index)
        let first = Duration.milliseconds(Int64.random(in: 0..<100, using: &random))
        queue.plan(.tick(index, epoch: nodes[index].epoch), at: now + first)
    }

    /// The process dies; its sockets are reset by its kernel.
    package func kill(_ index: NodeIndex) {
        stop(index)
        for (id, link) in links.inOrder where link.ends.0 == index || link.ends.1 == index {
            hangUp(id, by: index)
        }
        for (id, link) in links.inOrder where link.relays?.contains(index) == true {
            queue.plan(.closed(id, at: link.ends.0), at: now)
            queue.plan(.closed(id, at: link.ends.1), at: now)
        }
    }

    /// The host goes without a word: power, or a pulled cable.
    package func vanish(_ index: NodeIndex) { stop(index) }

    /// Puts back an older state of the disk.
    package func restoreDisk(_ index: NodeIndex, _ disk: StoredState, incarnation: UInt64) {
        nodes[index].disk = disk
        nodes[index].documents = Dictionary(uniqueKeysWithValues: disk.documents.map { ($0.key, $0) })
        nodes[index].revocations = Dictionary(uniqueKeysWithValues: disk.revocations.map { ($0.key, $0) })
        nodes[index].statements = Dictionary(uniqueKeysWithValues: disk.statements.map { ($0.key, $0) })
        nodes[index].scoped = Dictionary(uniqueKeysWithValues: disk.scoped.map { ($0.document.server, $0) })
        nodes[index].local.incarnation = incarnation
    }

    package func disk(_ index: NodeIndex) -> (state: StoredState, incarnation: UInt64) {
        var state = nodes[index].disk
        state.documents = Array(nodes[index].documents.values)
        state.revocations = Array(nodes[index].revocations.values)
        state.statements = Array(nodes[index].statements.values)
        state.scoped = Array(nodes[index].scoped.values)
        return (state, nodes[index].local.incarnation)
    }

    /// The node gets no CPU for a while; what was to happen happens after.
    package func pause(_ index: NodeIndex, for duration: Duration) {
        nodes[index].pausedUntil = now + duration
    }

    /// From now on the node's timers come up to so much too late, with no CPU in between; `nil`: on time again.
    package func starve(_ index: NodeIndex, upTo lateness: Duration?) { nodes[index].lateness = lateness }

    /// From now on the node gets no CPU again and again; `nil`: no more.
    package func stall(_ index: NodeIndex, _ stalls: Stalls?) {
        nodes[index].stalls = stalls
        nodes[index].nextStall = now + (stalls.map { drawn($0.apart) } ?? .zero)
    }

    package func setClock(_ index: NodeIndex, _ clock: Clock) { nodes[index].clock = clock }

    /// Lets each handshake with this node fail by time, or no more.
    package func setWrongDate(_ index: NodeIndex, _ isWrong: Bool) { nodes[index].hasWrongDate = isWrong }

    /// What the node's own clock shows.
    package func clock(_ index: NodeIndex) -> Instant { nodes[index].clock.reading(at: now) }

    /// What stands on the node's disk under a key.
    package func stored(_ index: NodeIndex, _ key: DocumentKey) -> Document? { nodes[index].documents[key] }
    package func signer(_ index: NodeIndex) -> Signer { nodes[index].local.signer }
    package func enrolment(_ index: NodeIndex) -> Enrolment { nodes[index].local.enrolment }
    package func incarnation(_ index: NodeIndex) -> UInt64 { nodes[index].local.incarnation }

    /// Sends bytes on all of a node's links, or every other one, past its core.
    package func inject(_ index: NodeIndex, _ bytes: [UInt8], everyOther: Bool = false) {
        let open = links.inOrder.filter { id, link in
            link.relays == nil && (link.ends.0 == index || link.ends.1 == index) && isOpen(id, at: index)
        }.map(\.0)
        for (number, id) in open.enumerated() where !everyOther || number.isMultiple(of: 2) {
            nodes[index].watches.sent(id)
            transmit(bytes, on: id, from: index)
        }
    }

    package func sight(_ index: NodeIndex, _ address: String) {
        handle(.sighted(Candidate(address: address, source: .seed)), at: index)
    }

    /// Which servers the node's configuration names, for its next start.
    package func configure(
        _ index: NodeIndex, servers: Set<Label>, scopes: [Label: ServerScope] = [:]
    ) {
        nodes[index].disk.ownServers = servers
        nodes[index].disk.ownScopes = scopes
    }

    /// An issuer enrols a running node anew.
    package func enrolAnew(_ index: NodeIndex, label: Label, segment: Label) throws {
        let old = nodes[index].local.enrolment
        nodes[index].local.enrolment = try mesh.enrolment(
            of: nodes[index].local.signer, label: label, roles: old.roles, segment: segment,
            serial: old.serial + 1)
        handle(.enrolmentChanged(nodes[index].local.enrolment), at: index)
    }

    /// Lets an administrator of a running node do something.
    package func act<Failure: Error>(
        _ index: NodeIndex,
        _ body: (inout MeshCore, Instant, inout SplitMix64) throws(Failure) -> [MeshEffect]
    ) throws {
        var core = try core(index)
        nodes[index].core = nil
        let effects: [MeshEffect]
        do {
            effects = try body(&core, clock(index), &random)
        } catch {
            nodes[index].core = core
            throw error
        }
        nodes[index].core = core
        perform(effects, at: index)
    }

    // MARK: The network

    /// Lets no byte through between any of `some` and any of `others`.
    package func cut(_ some: [NodeIndex], from others: [NodeIndex]) {
        for a in some { for b in others where a != b { cuts.formUnion([[a, b], [b, a]]) } }
    }

    /// Lets no byte through from `one` to `other`; the other way it is as before.
    package func cutOneWay(_ one: NodeIndex, to other: NodeIndex) { cuts.insert([one, other]) }

    package func heal() {
        cuts = []
        for (id, link) in links.inOrder {
            let stalled = link.stalled
            guard !stalled.isEmpty else { continue }
            links[id]?.stalled = []
            for (from, bytes) in stalled { transmit(bytes, on: id, from: from) }
        }
    }

    /// Breaks one link at both ends, at random.
    package func breakSomeLink() {
        guard
            let (id, link) = links.inOrder.filter({ $0.1.isOpen == (true, true) }).randomElement(
                using: &random)
        else { return }
        let ends = link.ends
        queue.plan(.closed(id, at: ends.0), at: now)
        queue.plan(.closed(id, at: ends.1), at: now)
    }

    /// Breaks the link of two nodes at both ends.
    package func breakLink(_ a: NodeIndex, _ b: NodeIndex) throws {
        let link = try core(a).link(to: id(b)).orFail("a link of \(a) and \(b)")
        queue.plan(.closed(link, at: a), at: now)
        queue.plan(.closed(link, at: b), at: now)
    }

    // MARK: Time

    package func run(for duration: Duration) {
        let end = now + duration
        while let next = queue.nextTime, next <= end { step() }
        now = end
    }

    /// Runs until the condition holds, tested every 20 ms.
    ///
    /// - Returns: how long it took; `nil`: it did not hold within `longest`.
    package func run(atMost longest: Duration, until condition: () throws -> Bool) rethrows -> Duration? {
        let begin = now
        while now - begin <= longest {
            if try condition() { return now - begin }
            run(for: .milliseconds(20))
        }
        return nil
    }

    /// Whether these nodes hold the same documents, manifests included.
    package func agree(_ indices: [NodeIndex]) throws -> Bool {
        guard let first = indices.first else { return true }
        let counts = try indices.map { try core($0).documentCount }
        guard counts.allSatisfy({ $0 == counts[0] }) else { return false }
        let rows = try core(first).documents.map(\.row)
        for index in indices {
            let core = try core(index)
            guard rows.allSatisfy({ core.document($0.key)?.row == $0 }) else { return false }
            for body in core.servers.values {
                if let hash = body.manifest, core.manifest(hash) == nil { return false }
            }
        }
        return true
    }

    /// Whether these nodes hold the same revocations.
    package func agreeOnRevocations(_ indices: [NodeIndex]) throws -> Bool {
        guard let first = indices.first else { return true }
        let words = try core(first).revocations.all
        return try indices.allSatisfy { try core($0).revocations.all == words }
    }

    /// Whether these nodes hold the same statements.
    package func agreeOnStatements(_ indices: [NodeIndex]) throws -> Bool {
        guard let first = indices.first else { return true }
        let words = try core(first).statements.all
        return try indices.allSatisfy { try core($0).statements.all == words }
    }

    /// Whether each of these nodes has a path to each other.
    package func allReach(_ indices: [NodeIndex]) throws -> Bool {
        for a in indices {
            let core = try core(a)
            for b in indices where a != b && core.route(to: id(b)) == nil { return false }
        }
        return true
    }

    private func step() {
        guard let (time, event) = queue.takeNext() else { return }
        now = time
        if case .arrive(let link, let index, _) = event { noteReached(link, index) }
        if let index = target(of: event), let until = nodes[index].pausedUntil {
            if until > now {
                // Whatever arrived is read before timers fire.
                if case .tick = event {
                    queue.plan(event, at: until + .nanoseconds(1))
                } else {
                    queue.plan(event, at: until)
                }
                return
            }
            nodes[index].pausedUntil = nil
        }
        switch event {
        case .tick(let index, let epoch): tick(index, epoch)
        case .arrive(let link, let index, let bytes): arrive(link, index, bytes)
        case .closed(let link, let index): close(link, at: index)
        case .dial(let index, let epoch, let address, let expecting):
            dial(index, epoch, address, expecting)
        case .linkUp(let link, let index, let epoch, let facts):
            guard nodes[index].epoch == epoch, nodes[index].core != nil, isOpen(link, at: index) else {
                return
            }
            nodes[index].watches[link] = SilenceWatch(at: clock(index))
            handle(links[link]?.relays == nil ? .linkUp(link, facts) : .circuitUp(link, facts), at: index)
        case .reach(let index, let epoch, let node): reach(index, epoch, node)
        }
    }

    private func target(of event: Event) -> NodeIndex? {
        switch event {
        case .tick(let index, _), .arrive(_, let index, _), .closed(_, let index), .dial(let index, _, _, _),
            .linkUp(_, let index, _, _), .reach(let index, _, _):
            index
        }
    }

    // MARK: Parts

    private func stop(_ index: NodeIndex) {
        nodes[index].core = nil
        nodes[index].watches = LinkWatches()
        nodes[index].pausedUntil = nil
    }

    private func tick(_ index: NodeIndex, _ epoch: Int) {
        guard nodes[index].epoch == epoch, nodes[index].core != nil else { return }
        var next = now + MeshLimits.tickEvery
        if let lateness = nodes[index].lateness {
            next = next + lateness * Int.random(in: 0...1000, using: &random) / 1000
            nodes[index].pausedUntil = next
        } else if let stalls = nodes[index].stalls, nodes[index].nextStall <= now {
            next = now + drawn(stalls.lasting)
            nodes[index].pausedUntil = next
            nodes[index].nextStall = next + drawn(stalls.apart)
        }
        queue.plan(.tick(index, epoch: epoch), at: next + .nanoseconds(1))
        let reading = clock(index)
        var place = 0
        while place < nodes[index].watches.count {
            let (link, verdict) = nodes[index].watches.tick(place, at: reading)
            switch verdict {
            case .sendHeartbeat: send(.heartbeat, on: link, from: index)
            case .down:
                if let link = links[link] {
                    silenceObserver?(index, now - (link.ends.0 == index ? link.reached.0 : link.reached.1))
                }
                hangUp(link, by: index)
                close(link, at: index)
            case .quiet: break
            }
            // After one that is closed, the next one stands in its place.
            if nodes[index].watches.holds(link, at: place) { place += 1 }
        }
        handle(.tick, at: index)
    }

    private func handle(_ event: MeshEvent, at index: NodeIndex) {
        let reading = clock(index)
        guard let effects = nodes[index].core?.handle(event, at: reading, using: &random) else { return }
        perform(effects, at: index)
        stepObserver?(index)
    }

    private func perform(_ effects: [MeshEffect], at index: NodeIndex) {
        for effect in effects {
            effectObserver?(index, effect)
            switch effect {
            case .persistIncarnation(let incarnation): nodes[index].local.incarnation = incarnation
            case .store(let document): nodes[index].documents[document.key] = document
            case .drop(let key): nodes[index].documents[key] = nil
            case .storeManifest(let hash, let bytes): nodes[index].disk.manifests[hash] = bytes
            case .dropManifest(let hash): nodes[index].disk.manifests[hash] = nil
            case .storeStatement(let revocation): nodes[index].revocations[revocation.key] = revocation
            case .dropStatement(let key): nodes[index].revocations[key] = nil
            case .storeDecision(let statement): nodes[index].statements[statement.key] = statement
            case .storeScoped(let document):
                nodes[index].scoped[document.server] = StoredScoped(
                    document, manifest: nodes[index].scoped[document.server]?.manifest)
            case .storeScopedManifest(let server, let bytes): nodes[index].scoped[server]?.manifest = bytes
            case .dropScoped(let server): nodes[index].scoped[server] = nil
            case .storeVaultWitness(let document):
                nodes[index].disk.vaultWitnesses.removeAll { $0.key == document.key }
                nodes[index].disk.vaultWitnesses.append(document)
            case .dropVaultWitness(let origin):
                nodes[index].disk.vaultWitnesses.removeAll { $0.key.origin == origin }
            case .reach(let node):
                let handshake = delay() + delay() + delay()
                queue.plan(.reach(index, epoch: nodes[index].epoch, node), at: now + handshake)
            case .expel(let node, let text):
                for (link, facts) in (nodes[index].core?.links ?? [:]).sorted(by: { $0.key < $1.key })
                where facts.facts.peer == node {
                    send(.goodbye(.notEnrolled, text: text), on: link, from: index)
                    hangUp(link, by: index)
                    queue.plan(.closed(link, at: index), at: now)
                }
            case .send(let frame, let link): send(frame, on: link, from: index)
            case .dial(let address, let expecting):
                let handshake = delay() + delay() + delay()
                queue.plan(
                    .dial(index, epoch: nodes[index].epoch, address: address, expecting: expecting),
                    at: now + handshake)
            case .close(let link, let reason, let text):
                send(.goodbye(reason, text: text), on: link, from: index)
                hangUp(link, by: index)
                queue.plan(.closed(link, at: index), at: now)
            case .notice(let notice): notices.append((index, notice))
            case .catalogChanged, .routesChanged: break
            }
        }
    }

    private func dial(_ index: NodeIndex, _ epoch: Int, _ address: String, _ expecting: NodeID?) {
        guard nodes[index].epoch == epoch, let core = nodes[index].core else { return }
        func fail(_ problem: DialProblem) {
            handle(.dialFailed(address: address, expecting: expecting, problem), at: index)
        }
        guard let other = addressed[address], let peer = nodes[other].core,
            nodes[other].pausedUntil.map({ $0 <= now }) ?? true,
            canPass(index, other), canPass(other, index)
        else { return fail(.unreachable("no answer")) }
        guard !nodes[index].hasWrongDate, !nodes[other].hasWrongDate else {
            return fail(.outsideItsTime(offset: .seconds(86_400)))
        }
        guard other != index else { return fail(.myself) }
        guard expecting == nil || expecting == id(other) else { return fail(.otherNode(id(other))) }
        // What TLS asks of each end's core while it checks the other's certificate.
        if let why = core.objection(to: id(other)) ?? peer.objection(to: id(index)) {
            return fail(.refused(why))
        }

        let link = links.add(
            Link(ends: (index, other), inflates: inflates(core.hello, peer.hello), reached: (now, now)))
        queue.plan(
            .linkUp(
                link, at: other, epoch: nodes[other].epoch,
                LinkFacts(hello: core.hello, openedByMe: false, address: nil)), at: now)
        queue.plan(
            .linkUp(
                link, at: index, epoch: epoch,
                LinkFacts(hello: peer.hello, openedByMe: true, address: address)), at: now)
    }

    /// Opens a circuit along the path that the core knows, and a link inside it.
    private func reach(_ index: NodeIndex, _ epoch: Int, _ node: NodeID) {
        guard nodes[index].epoch == epoch, let core = nodes[index].core, let path = core.route(to: node)
        else {
            return
        }
        let hops = path.compactMap { indices[$0] }
        let isOpen = zip([index] + hops, hops).allSatisfy {
            canPass($0, $1) && canPass($1, $0) && nodes[$1].core?.link(to: self.id($0)) != nil
        }
        guard hops.count == path.count, isOpen, let other = hops.last, let peer = nodes[other].core,
            core.objection(to: id(other)) == nil, peer.objection(to: id(index)) == nil
        else { return }
        let exists = links.inOrder.contains { _, link in
            link.relays != nil && link.isOpen == (true, true)
                && (link.ends == (index, other) || link.ends == (other, index))
        }
        guard hops.count > 1, !exists else { return }
        let link = links.add(
            Link(
                ends: (index, other), relays: Array(hops.dropLast()),
                inflates: inflates(core.hello, peer.hello), reached: (now, now)))
        queue.plan(
            .linkUp(
                link, at: other, epoch: nodes[other].epoch,
                LinkFacts(hello: core.hello, openedByMe: false, address: nil)), at: now)
        queue.plan(
            .linkUp(
                link, at: index, epoch: epoch, LinkFacts(hello: peer.hello, openedByMe: true, address: nil)),
            at: now)
    }

    private func inflates(_ a: Hello, _ b: Hello) -> Bool {
        var both = a
        both.features &= b.features
        return both.inflates
    }

    /// Whether bytes get through from one end of a link to the other now.
    private func canPass(_ link: Link, from index: NodeIndex) -> Bool {
        let isFirst = link.ends.0 == index
        guard let relays = link.relays else { return canPass(index, isFirst ? link.ends.1 : link.ends.0) }
        let there = [link.ends.0] + relays + [link.ends.1]
        let hops = isFirst ? there : there.reversed()
        return zip(hops, hops.dropFirst()).allSatisfy { canPass($0, $1) }
    }

    private func canPass(_ a: NodeIndex, _ b: NodeIndex) -> Bool {
        (a == b || nodes[a].segments & nodes[b].segments != 0) && (cuts.isEmpty || !cuts.contains([a, b]))
    }

    private func noteReached(_ id: LinkID, _ index: NodeIndex) {
        guard let ends = links[id]?.ends else { return }
        if ends.0 == index { links[id]?.reached.0 = now } else { links[id]?.reached.1 = now }
    }

    private func isOpen(_ link: LinkID, at index: NodeIndex) -> Bool {
        guard let link = links[link] else { return false }
        return link.ends.0 == index ? link.isOpen.0 : link.isOpen.1
    }

    private func send(_ frame: Frame, on link: LinkID, from index: NodeIndex) {
        guard isOpen(link, at: index), let ends = links[link]?.ends else { return }
        nodes[index].watches.sent(link)
        let bytes = encoded(frame, inflates: links[link]?.inflates ?? false)
        frameObserver?(index, ends.0 == index ? ends.1 : ends.0, frame)
        bytesSent += bytes.count
        framesSent += 1
        fold(UInt64(bitPattern: now.nanoseconds))
        fold(link.number << 1 | (ends.0 == index ? 0 : 1))
        // Good within one process, which is all that is compared; a loop over the bytes is half of a debug run.
        var hasher = Hasher()
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        fold(UInt64(bitPattern: Int64(hasher.finalize())))
        guard case .documents = frame else { return transmit(bytes, on: link, from: index) }
        transmit(bytes, on: link, from: index, isOvertaken: chance(network.reordering))
        if chance(network.duplication) { transmit(bytes, on: link, from: index) }
    }

    private func encoded(_ frame: Frame, inflates: Bool) -> [UInt8] {
        if let lastEncoded, lastEncoded.inflates == inflates, lastEncoded.frame == frame {
            return lastEncoded.bytes
        }
        let bytes = frame.encoded(inflates: inflates)
        lastEncoded = (frame, inflates, bytes)
        return bytes
    }

    private func transmit(
        _ bytes: [UInt8], on id: LinkID, from index: NodeIndex, isOvertaken: Bool = false
    ) {
        guard var link = links[id] else { return }
        let other = link.ends.0 == index ? link.ends.1 : link.ends.0
        if let wireObserver {
            var decoder = FrameDecoder()
            decoder.append(bytes)
            wireObserver(index, other, (try? decoder.next())?.encoded ?? bytes)
        }
        guard canPass(link, from: index) else {
            links[id]?.stalled.append((index, bytes))
            return
        }
        var arrival = now + delay()
        if chance(network.loss) {
            var wait = network.retransmission
            repeat {
                arrival = arrival + wait
                if network.doublesRetransmission { wait *= 2 }
            } while network.losesAgain && chance(network.loss)
        }
        if isOvertaken {
            arrival = arrival + network.overtakenBy * Int.random(in: 0...1000, using: &random) / 1000
        } else if link.ends.0 == index {
            arrival = max(arrival, link.arrivesAfter.0)
            link.arrivesAfter.0 = arrival
        } else {
            arrival = max(arrival, link.arrivesAfter.1)
            link.arrivesAfter.1 = arrival
        }
        links[id] = link
        queue.plan(.arrive(id, at: other, bytes), at: arrival)
    }

    private func arrive(_ link: LinkID, _ index: NodeIndex, _ bytes: [UInt8]) {
        guard nodes[index].core != nil, isOpen(link, at: index) else { return }
        nodes[index].watches.heard(link)
        var decoder = FrameDecoder()
        decoder.append(bytes)
        do {
            while let frame = try decoder.next() {
                if case .goodbye(.full, let text) = frame {
                    turnedAway += 1
                    handle(.turnedAway(link, Referral(text: text)), at: index)
                }
                if frame.isForCore, links[link]?.relays == nil || frame.isForCircuits {
                    handle(.received(frame, from: link), at: index)
                }
            }
        } catch {
            notices.append((index, .peerMisbehaved(id(index), "\(error)")))
            hangUp(link, by: index)
            close(link, at: index)
        }
    }

    /// One end closes; the other learns of it after what was sent before, if anything reaches it at all.
    private func hangUp(_ id: LinkID, by index: NodeIndex) {
        guard var link = links[id] else { return }
        let isFirst = link.ends.0 == index
        let other = isFirst ? link.ends.1 : link.ends.0
        if isFirst { link.isOpen.0 = false } else { link.isOpen.1 = false }
        links[id] = link
        guard canPass(link, from: index) else { return }
        let after = isFirst ? link.arrivesAfter.0 : link.arrivesAfter.1
        queue.plan(.closed(id, at: other), at: max(now + delay(), after))
    }

    private func close(_ id: LinkID, at index: NodeIndex) {
        guard var link = links[id] else { return }
        if link.ends.0 == index { link.isOpen.0 = false } else { link.isOpen.1 = false }
        links[id] = link.isOpen == (false, false) ? nil : link
        nodes[index].watches[id] = nil
        handle(link.relays == nil ? .linkDown(id) : .circuitDown(id), at: index)
    }

    private func delay() -> Duration { drawn(network.delay) }

    private func drawn(_ range: ClosedRange<Duration>) -> Duration {
        let span = range.upperBound - range.lowerBound
        return range.lowerBound + span * Int.random(in: 0...1000, using: &random) / 1000
    }

    private func chance(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }

    private func fold(_ word: UInt64) {
        trace = (trace ^ word) &* 1_099_511_628_211
    }
}
