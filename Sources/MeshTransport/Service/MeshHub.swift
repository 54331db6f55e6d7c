import Catalog
import Logging
import MCPModel
import Mesh
import NIOCore
import NIOPosix
import NIOSSL

/// What the hub is made with; see ``MeshServiceConfiguration`` for what each means.
struct HubSetup: Sendable {
    var me: NodeID
    var mesh: MeshID
    var name: String
    var relays: Bool
    var isIssuer: Bool
    var tls: LinkTLS
    var serve: @Sendable (IncomingMeshCall, @escaping CallSink) -> CallHandle
    /// The short way of calls like one; `nil`: there is none.
    var pass: @Sendable (IncomingMeshCall) -> MeshPass?
    var now: @Sendable () -> Instant
    var log: Logger
}

/// All links, circuits and calls of a node, on the mesh's one event loop.
///
/// One loop for all links: relayed bytes, and calls that go on through another node, never change threads, and
/// 8 to 13 µs of CPU a call leave room for tens of thousands of calls a second.
///
/// `@unchecked Sendable`: the reference may be held anywhere, but everything in it is touched on `loop` only;
/// whoever comes from elsewhere comes through `loop.execute`.
final class MeshHub: LinkOwner, @unchecked Sendable {
    /// Connections that have not said who they are yet.
    static let handshakesMax = 64
    /// Guests at a time.
    static let guestsMax = 8
    /// Circuits of our own: one for each node we call and cannot dial.
    static let callLinksMax = 256
    static let callLinkIdleMax = Duration.seconds(60)
    /// A second link to one peer waits so long for the calls on it.
    /// (A certificate swap must not cut them.)
    static let retireMax = Duration.seconds(600)
    static let sweepEvery = TimeAmount.seconds(5)
    /// While calls end before a goodbye: soon enough for whoever waits for this node to stop.
    static let drainLookEvery = TimeAmount.milliseconds(20)

    let loop: any EventLoop
    let setup: HubSetup
    let board: MeshBoard
    let inlet: MeshInlet
    private(set) var links: [LinkID: LinkHandler] = [:]
    private var byPeer: [NodeID: [LinkID]] = [:]
    private var nextLink: UInt64 = 1
    private var incarnation: UInt64
    let life: UInt64
    private let software: String
    private let versions: ClosedRange<UInt16>

    /// Links for calls, by the node at their end; and the calls that wait for one to open.
    var callLinks: [NodeID: CallLink] = [:]
    /// When nodes that are called through others were last dialled themselves.
    var callLinkSought: [NodeID: Instant] = [:]
    /// Where a node may be, the likeliest first; only tests replace it.
    lazy var whereabouts: (NodeID) -> [String] = { [board] node in
        let known = board.candidates.filter { $0.reaches == node }
        return known.sorted { ($0.failures, $0.address) < ($1.failures, $1.address) }.map(\.address)
    }
    /// Calls of ours whose owner is to be reached again, by owner.
    var pursued: [NodeID: Pursuit] = [:]
    let deadlines: SharedDeadlines<OutgoingCall>
    /// How many calls were sent to each owner so far.
    var callNumbers: [NodeID: UInt64] = [:]
    /// What other nodes called here, and those of their calls that run.
    var journal = CallJournal()
    var incoming: [CallJournal.Key: IncomingCall] = [:]
    /// Calls that began in this turn of the loop, whose params may be here at its end.
    var begun: [IncomingCall] = []
    var relayed: [ObjectIdentifier: RelayedCircuit] = [:]
    var guests: [GuestID: DeskHandler] = [:]
    var nextGuest: UInt64 = 1
    var guestsHere = 0
    private var handshakes = 0
    private var listener: (any Channel)?
    private var connections: [ObjectIdentifier: any Channel] = [:]
    private var ticker: RepeatedTask?
    private var sweeper: RepeatedTask?
    private(set) var isStopping = false
    /// What this node's hellos say that it can; only tests set it.
    var features: UInt64
    /// What each source may use of this node as a relay; only tests set it.
    var relayLimits = RelayLimits()
    /// Sees every byte this node relays for others; only tests set it.
    var relayObserver: (([UInt8]) -> Void)?

    init(
        _ setup: HubSetup, node: LocalNode, loop: any EventLoop, board: MeshBoard, inlet: MeshInlet
    ) {
        self.setup = setup
        self.loop = loop
        deadlines = SharedDeadlines(on: loop) { $0.deadlinePassed() }
        self.board = board
        self.inlet = inlet
        incarnation = node.incarnation
        life = node.life
        software = node.software
        versions = node.versions
        features = node.features
    }

    // MARK: Orders of the core's owner; on the loop

    func start(listener: (any Channel)?) {
        loop.preconditionInEventLoop()
        self.listener = listener
        let every = TimeAmount(MeshLimits.tickEvery)
        ticker = loop.scheduleRepeatedTask(initialDelay: every, delay: every) { [weak self] _ in
            self?.offer(.event(.tick))
        }
        sweeper = loop.scheduleRepeatedTask(
            initialDelay: Self.sweepEvery, delay: Self.sweepEvery
        ) { [weak self] _ in self?.sweep() }
    }

    func send(_ frame: [UInt8], on link: LinkID) { links[link]?.send(frame) }

    func close(_ id: LinkID, _ reason: GoodbyeReason, _ text: String) {
        guard let link = links[id] else { return }
        // Nobody chose it, but somebody uses it: the core asks again.
        if reason == .surplus, link.streams?.count ?? 0 > 0 { return }
        guard reason == .duplicate, link.streams?.count ?? 0 > 0 else { return link.sayGoodbye(reason, text) }
        // Calls are under way on it: it lasts until they are done, and takes no new ones.
        link.retiresBy = setup.now() + Self.retireMax
    }

    /// Ends all that a revoked node has here: its links, those through circuits too, and what is relayed for or to it.
    func expel(_ node: NodeID, _ text: String) {
        for circuit in relayed.values where circuit.source == node || circuit.destination == node {
            circuit.end(.refused, text)
        }
        for link in links.values where link.peer == node { link.sayGoodbye(.notEnrolled, text) }
    }

    /// This node is in another life than its links were greeted with: they are made anew, so that peers know it for what it
    /// is. Calls under way are asked after.
    func raiseIncarnation(to incarnation: UInt64) {
        self.incarnation = incarnation
        for link in links.values where link.setup.hello.incarnation < incarnation {
            link.sayGoodbye(.leaving, "this node is in another life")
        }
    }

    /// Takes nothing new, gives the calls that run up to ``LinkTimes/drainMax`` to end, then says goodbye on every
    /// link.
    ///
    /// - Returns: done when all connections are closed.
    func stop() -> EventLoopFuture<Void> {
        loop.preconditionInEventLoop()
        isStopping = true
        ticker?.cancel()
        sweeper?.cancel()
        listener?.close(promise: nil)
        endPursuits()
        let closed = loop.makePromise(of: Void.self)
        drain(until: setup.now() + LinkTimes.drainMax, closed)
        return closed.futureResult
    }

    private func drain(until deadline: Instant, _ closed: EventLoopPromise<Void>) {
        guard setup.now() < deadline, links.values.contains(where: { $0.streams?.callCount ?? 0 > 0 }) else {
            return closeAll().cascade(to: closed)
        }
        // Strongly held: the promise must be kept, and the deadline is near.
        loop.assumeIsolated().scheduleTask(in: Self.drainLookEvery) { self.drain(until: deadline, closed) }
    }

    private func closeAll() -> EventLoopFuture<Void> {
        for (_, call) in incoming { call.stop() }
        incoming = [:]
        for (_, circuit) in relayed { circuit.end(.goingAway, "\(setup.name) is shutting down") }
        // Those inside circuits first: their goodbyes travel over the others.
        let inOrder = links.values.sorted {
            ($0.setup.circuit != nil ? 0 : 1) < ($1.setup.circuit != nil ? 0 : 1)
        }
        for link in inOrder { link.sayGoodbye(.shuttingDown, "\(setup.name) is shutting down") }
        let open = connections.values.map(\.closeFuture)
        let all = EventLoopFuture.andAllComplete(open, on: loop)
        let timer = loop.assumeIsolated().scheduleTask(in: TimeAmount(LinkTimes.drainMax)) { [weak self] in
            for channel in self?.connections.values.map({ $0 }) ?? [] { channel.close(promise: nil) }
        }
        all.assumeIsolated().whenComplete { _ in timer.cancel() }
        return all
    }

    // MARK: Connections

    /// Every connection, whatever it turns out to be, so that a stop can close it.
    func keep(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        connections[id] = channel
        channel.closeFuture.assumeIsolated().whenComplete { [weak self] _ in self?.connections[id] = nil }
    }

    func linkSetup(
        openedByMe: Bool, address: String?, expecting: NodeID?, circuit: [NodeID]?, verdict: HandshakeVerdict
    ) -> LinkSetup {
        defer { nextLink += 1 }
        return LinkSetup(
            id: LinkID(nextLink), openedByMe: openedByMe, address: address, expecting: expecting,
            circuit: circuit, verdict: verdict,
            hello: Hello(
                versions: versions,
                features: circuit == [] ? features | Hello.callsOnly : features, node: setup.me,
                incarnation: incarnation, life: life, software: software),
            tally: board.tally, now: setup.now)
    }

    /// - Returns: whether another unproved connection may stay.
    func beginHandshake() -> Bool {
        guard handshakes < Self.handshakesMax, !isStopping else { return false }
        handshakes += 1
        return true
    }

    func endHandshake() { handshakes -= 1 }

    /// A direct link to a peer: of several, the newest that is not about to go.
    func directLink(to peer: NodeID) -> LinkHandler? {
        guard let ids = byPeer[peer] else { return nil }
        var retiring: LinkHandler?
        for id in ids.reversed() {
            guard let link = links[id] else { continue }
            if link.retiresBy == nil { return link }
            retiring = retiring ?? link
        }
        return retiring
    }

    var directPeers: Set<NodeID> { Set(byPeer.keys) }

    // MARK: LinkOwner

    func linkUp(_ link: LinkHandler) {
        guard let hello = link.hello else { return }
        // Revoked while its handshake was under way.
        if let why = board.objection(to: hello.node) { return link.sayGoodbye(.notEnrolled, why) }
        if !link.isStanding {
            guard admitCallLink(link, hello) else { return }
            take(link)
            circuitLinkUp(link)
            offer(
                .event(
                    .circuitUp(
                        link.setup.id,
                        LinkFacts(hello: hello, openedByMe: link.setup.openedByMe, address: nil))))
        } else {
            take(link)
            byPeer[hello.node, default: []].append(link.setup.id)
            offer(
                .event(
                    .linkUp(
                        link.setup.id,
                        LinkFacts(
                            hello: hello, openedByMe: link.setup.openedByMe, address: link.setup.address))))
            resumePursuit(of: hello.node)
        }
        setup.log.info(
            "link up",
            metadata: [
                "mesh.peer": "\(hello.node)", "mesh.via": "\(link.setup.circuit?.count ?? 0)",
                "mesh.link": "\(link.setup.id.number)",
            ])
        publishLinks()
    }

    private func take(_ link: LinkHandler) {
        links[link.setup.id] = link
        noteCaller(on: link)
    }

    func linkDown(_ link: LinkHandler, _ why: LinkError) {
        let wasUp = links.removeValue(forKey: link.setup.id) != nil
        if case .versionsApart(_, let peer, _, _) = why {
            offer(.event(.versionsApart(peer, text: why.description)))
        }
        if !link.isStanding {
            circuitLinkDown(link, why, wasUp: wasUp)
            if wasUp { offer(.event(.circuitDown(link.setup.id))) }
        } else if wasUp, let peer = link.peer {
            byPeer[peer]?.removeAll { $0 == link.setup.id }
            if byPeer[peer]?.isEmpty == true { byPeer[peer] = nil }
            if case .goodbye(.full, let text) = why {
                offer(.event(.turnedAway(link.setup.id, Referral(text: text))))
            }
            offer(.event(.linkDown(link.setup.id, isRejection: why.isRejection)))
        } else if link.setup.openedByMe, link.wasActive, let address = link.setup.address {
            offer(.event(.dialFailed(address: address, expecting: link.setup.expecting, DialProblem(why))))
        }
        setup.log.info(
            "link down",
            metadata: ["mesh.peer": "\(link.peer.map { "\($0)" } ?? "?")", "mesh.reason": "\(why)"])
        if wasUp { publishLinks() }
    }

    func control(_ frame: Frame, from link: LinkHandler) -> Bool {
        // A link inside a circuit carries calls, and what its other end tells this node alone; documents spread over
        // standing links only.
        guard link.isStanding || frame.isForCircuits else { return true }
        link.backlog?.add(frame.bytesHeld)
        return offer(.frame(frame, from: link.setup.id, backlog: link.backlog))
    }

    func measured(_ roundTrip: Duration, on link: LinkHandler) {
        guard link.isStanding else { return }
        offer(.event(.measured(link.setup.id, roundTrip: roundTrip)))
        publishLinks()
    }

    func opened(_ stream: LinkStream, _ kind: StreamKind, header: [UInt8], on link: LinkHandler) {
        switch kind {
        case .call: callArrived(stream, header: header, on: link)
        case .circuit: circuitArrived(stream, header: header, on: link)
        case .ask: askArrived(stream, header: header, on: link)
        }
    }

    // MARK: Private parts

    @discardableResult
    func offer(_ input: MeshInput) -> Bool { inlet.offer(input) || isStopping }

    func publishLinks() {
        let list = links.values.compactMap { link -> LinkStatus? in
            guard let hello = link.hello, let since = link.upSince else { return nil }
            return LinkStatus(
                peer: hello.node, via: link.setup.circuit ?? [], openedByMe: link.setup.openedByMe,
                address: link.setup.address, roundTrip: link.roundTrip, since: since,
                software: hello.software, streams: link.streams?.count ?? 0)
        }
        let ordered = list.sorted { ($0.peer, $0.since) < ($1.peer, $1.since) }
        board.write {
            $0.links = ordered
            $0.linksVersion += 1
        }
    }

    private func sweep() {
        let now = setup.now()
        let idle = relayLimits.idle
        for circuit in relayed.values where now - circuit.lastByte > idle {
            circuit.end(.idle, "no bytes for \(idle)")
        }
        sweepCallLinks(at: now)
        sweepJournal(at: now)
        for link in links.values {
            guard let retiresBy = link.retiresBy, now > retiresBy || link.streams?.count == 0 else {
                continue
            }
            link.sayGoodbye(.duplicate, "another link between these two nodes stands")
        }
    }
}

extension DialProblem {
    init(_ error: LinkError) {
        self =
            switch error {
            case .refused(.notWhoWasDialled(_, let found)): .otherNode(found)
            case .refused(.ourselves): .myself
            case .refused(.outsideItsTime(let offset)): .outsideItsTime(offset: offset)
            case .refused(.notOfThisMesh): .otherMesh(nil)
            case .cannotConnect(let why): .unreachable(why)
            // Broken off by whatever lies between as likely as by who is there.
            case .silent, .handshakeBroken, .handshakeTooSlow, .circuitBroken:
                .unreachable(error.description)
            // Closed when TLS stood on this side: so ends who is not let in, since the other side looks at a certificate last (RFC 8446 §4.4).
            case .closed, .violation, .refused, .handshakeFailed, .tooManyStreams, .headerTooLarge, .goodbye,
                .versionsApart, .overloaded:
                .refused(error.description)
            }
    }
}
