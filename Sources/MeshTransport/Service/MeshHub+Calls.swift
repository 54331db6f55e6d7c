import Catalog
import MCPModel
import Mesh
import NIOCore

/// Who needs a link to a node, direct or through a circuit.
protocol LinkSeeker: AnyObject {
    var owner: NodeID { get }
    /// Whether a link is wanted still.
    var wantsWay: Bool { get }
    func go(on link: LinkHandler)
    func noWay(_ obstacle: CallCourse.Obstacle)
}

extension OutgoingCall: LinkSeeker {}

/// The core wants a link to a node; that one is up, it hears from the link itself.
final class Reach: LinkSeeker {
    let owner: NodeID
    init(_ owner: NodeID) { self.owner = owner }
    var wantsWay: Bool { true }
    func go(on link: LinkHandler) {}
    /// The core asks again.
    func noWay(_ obstacle: CallCourse.Obstacle) {}
}

/// A link for calls to a node that this one has no standing link with: through a circuit, or on a socket of its own.
enum CallLink {
    /// Not up yet; these wait for it.
    case opening([any LinkSeeker])
    case up(LinkID, idleSince: Instant?)
}

extension MeshHub {
    // MARK: Calls that go out

    func place(_ call: OutgoingCall) {
        loop.preconditionInEventLoop()
        guard call.wantsWay else { return }  // cancelled before it came here
        guard !isStopping else { return call.noWay(.shuttingDown) }
        guard call.paramsBytes <= RecordAssembler.recordMax else {
            return call.noWay(
                .tooLarge(
                    "the call has more than the \(RecordAssembler.recordMax) bytes that go from node to node")
            )
        }
        call.start()
        dispatch(call)
    }

    /// Finds a link to the node, or has one opened; tells whoever seeks it either way, now or later.
    func dispatch(_ call: any LinkSeeker) {
        guard call.wantsWay else { return }
        guard !isStopping else { return call.noWay(.shuttingDown) }
        let owner = call.owner
        if let link = directLink(to: owner) { return call.go(on: link) }
        if case .up(let id, _)? = callLinks[owner], let link = links[id] {
            callLinks[owner] = .up(id, idleSince: nil)
            if link.setup.circuit != [] { seekCallLink(to: owner) }
            return call.go(on: link)
        }
        if case .opening(let waiting)? = callLinks[owner] {
            guard waiting.count < StreamMultiplexer.streamsMax else {
                return call.noWay(
                    .limited("\(waiting.count) calls wait for the circuit to \(owner) already"))
            }
            callLinks[owner] = .opening(waiting + [call])
            return
        }
        switch board.node(owner)?.reachability {
        case .reachable(let path)?:
            openCircuit(to: owner, path: path, for: call)
        case .unreachable?, nil:
            call.noWay(.unreachable)
        case .me?:
            call.noWay(.noPath("a call to this node itself does not go through the mesh"))
        }
    }

    private func openCircuit(to owner: NodeID, path: [NodeID], for call: any LinkSeeker) {
        guard callLinks.count < Self.callLinksMax else {
            return call.noWay(.limited("circuits to \(callLinks.count) nodes are open already"))
        }
        callLinks[owner] = .opening([call])
        seekCallLink(to: owner)
        do {
            try dialThroughCircuit(to: owner, path: path)
        } catch {
            callLinks[owner] = nil
            call.noWay(.noPath("\(error)"))
        }
    }

    func circuitLinkUp(_ link: LinkHandler) {
        guard link.setup.openedByMe, let owner = link.peer else { return }
        var waiting: [any LinkSeeker] = []
        switch callLinks[owner] {
        case .opening(let calls)?: waiting = calls
        case .up(let id, _)?:
            guard let other = links[id] else { break }
            // Of two the one without relays is kept; the calls on the other end first.
            guard link.setup.circuit == [], other.setup.circuit != [] else {
                link.retiresBy = setup.now() + Self.retireMax
                return
            }
            other.retiresBy = setup.now() + Self.retireMax
        case nil: break
        }
        callLinks[owner] = .up(link.setup.id, idleSince: nil)
        for call in waiting { call.go(on: link) }
    }

    func circuitLinkDown(_ link: LinkHandler, _ why: LinkError, wasUp: Bool) {
        guard link.setup.openedByMe, let path = link.setup.circuit, let owner = link.setup.expecting else {
            return
        }
        if case .circuitBroken(let hint) = why, let next = NodeID(hint) {
            maskLink(to: next, on: path + [owner])
        }
        switch callLinks[owner] {
        case .up(link.setup.id, _)?:
            callLinks[owner] = nil
        // One on a socket of its own is sought besides: nobody waits for it.
        case .opening(let waiting)? where !wasUp && path != []:
            callLinks[owner] = nil
            for call in waiting { call.noWay(.noPath("\(why)")) }
        default: break
        }
    }

    /// The relay before `next` on the path said that its link to it is gone.
    private func maskLink(to next: NodeID, on path: [NodeID]) {
        guard let index = path.firstIndex(of: next) else { return }
        offer(.event(.pathBroke(index == 0 ? setup.me : path[index - 1], next)))
    }

    /// Closes links that carried no call for ``callLinkIdleMax``: a circuit costs two nodes' memory at every relay.
    func sweepCallLinks(at now: Instant) {
        callLinkSought = callLinkSought.filter { now - $0.value < Self.callLinkSoughtAgain }
        for (owner, callLink) in callLinks {
            guard case .up(let id, let idleSince) = callLink, let link = links[id] else { continue }
            if link.streams?.count ?? 0 > 0 {
                callLinks[owner] = .up(id, idleSince: nil)
            } else if let idleSince {
                if now - idleSince > Self.callLinkIdleMax { link.sayGoodbye(.leaving, "no calls") }
            } else {
                callLinks[owner] = .up(id, idleSince: now)
            }
        }
    }

    // MARK: Calls that come in

    func callArrived(_ stream: LinkStream, header bytes: [UInt8], on link: LinkHandler) {
        guard let peer = link.peer else { return stream.reset(.protocolError) }
        let deadline = setup.now() + CallAdmission.enrolmentWaitMax
        if let (known, cast) = link.knownCalls.find(bytes) {
            return admit(stream, .known(known, cast), from: peer, on: link, until: deadline)
        }
        let header: CallHeader
        do {
            header = try CallHeader(canonical: bytes)
        } catch {
            return stream.reset(.protocolError, "the call's header cannot be read: \(error)")
        }
        admit(stream, .read(header), from: peer, on: link, until: deadline)
    }

    /// A new node's first call can be here before its enrolment: that comes with the documents of this link, or of
    /// another, so the call waits for it. What its caller sends meanwhile stays within the credit of its stream, and of
    /// streams a link has ``StreamMultiplexer/streamsMax``.
    private func admit(
        _ stream: LinkStream, _ header: ArrivedHeader, from peer: NodeID, on link: LinkHandler,
        until deadline: Instant
    ) {
        guard !stream.isOver else { return }
        guard !isStopping else {
            return IncomingCall.refuse(
                CallFailure(
                    .ownerUnreachable, "\(setup.name) is shutting down; the call was not run",
                    node: setup.name,
                    callID: header.call, isUnsent: true), on: stream)
        }
        let roles = board.roles(of: peer)
        if roles == nil, setup.now() < deadline {
            // The loop itself keeps what waits; a link that ends breaks its streams, and the next look ends the wait.
            _ = loop.assumeIsolated().scheduleTask(in: TimeAmount(CallAdmission.enrolmentLook)) {
                [weak self] in
                self?.admit(stream, header, from: peer, on: link, until: deadline)
            }
            return
        }
        do throws(CallFailure) {
            // The life that this very link was greeted with: a peer that met an earlier life has another link.
            try header.check(
                from: peer, roles: roles, me: setup.me, incarnation: link.setup.hello.incarnation)
        } catch {
            var failure = error
            failure.node = setup.name
            failure.callID = header.call
            return IncomingCall.refuse(failure, on: stream)
        }
        let caller = caller(on: link)
        guard (caller != nil) == (header.ticket != nil) else {
            return stream.reset(.protocolError, "a call is numbered from version \(ProtocolVersion.asks) on")
        }
        IncomingCall(header, from: caller, on: stream, of: link, hub: self).start()
    }

    /// Most params come with their header, and are here before this turn of the loop is over; from then on the others have a time by which they
    /// must be.
    func noteBegun(_ call: IncomingCall) {
        begun.append(call)
        guard begun.count == 1 else { return }
        loop.assumeIsolated().execute {
            let begun = self.begun
            self.begun = []
            for call in begun { call.limitReading() }
        }
    }
}
