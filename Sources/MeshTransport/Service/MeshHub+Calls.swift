import Catalog
import MCPModel
import Mesh
import NIOCore

/// A link through a circuit to a node that this one does not dial.
enum CallLink {
    /// Not up yet; these calls wait for it.
    case opening([OutgoingCall])
    case up(LinkID, idleSince: Instant?)
}

extension MeshHub {
    /// A call whose circuit did not open is tried so often in all: nothing was sent yet. Three paths that fail
    /// one after the other mean that the graph is wrong, which repair mends, not we.
    static let circuitAttemptsMax = 3
    /// Long enough for the core to leave the link out that a relay named; short for whoever waits.
    static let circuitRetryAfter = TimeAmount.milliseconds(50)

    // MARK: Calls that go out

    func place(_ call: OutgoingCall) {
        loop.preconditionInEventLoop()
        guard !isStopping else { return call.fail(.noPath, "this node is shutting down") }
        call.start()
        dispatch(call)
    }

    private func dispatch(_ call: OutgoingCall) {
        let owner = call.call.server.owner
        if let link = directLink(to: owner) { return call.send(on: link) }
        if case .up(let id, _)? = callLinks[owner], let link = links[id] {
            callLinks[owner] = .up(id, idleSince: nil)
            return call.send(on: link)
        }
        call.attempts += 1
        if case .opening(let waiting)? = callLinks[owner] {
            guard waiting.count < StreamMultiplexer.streamsMax else {
                return call.fail(.limited, "\(waiting.count) calls wait for the circuit to \(owner) already")
            }
            callLinks[owner] = .opening(waiting + [call])
            return
        }
        switch board.node(owner)?.reachability {
        case .reachable(let path)?:
            openCircuit(to: owner, path: path, for: call)
        case .unreachable?, nil:
            call.fail(.ownerUnreachable, "no path leads to \(owner) now")
        case .me?:
            call.fail(.noPath, "a call to this node itself does not go through the mesh")
        }
    }

    private func openCircuit(to owner: NodeID, path: [NodeID], for call: OutgoingCall) {
        guard callLinks.count < Self.callLinksMax else {
            return call.fail(.limited, "circuits to \(callLinks.count) nodes are open already")
        }
        callLinks[owner] = .opening([call])
        do {
            try dialThroughCircuit(to: owner, path: path)
        } catch {
            callLinks[owner] = nil
            call.fail(.noPath, "no circuit to \(owner) could be opened: \(error)")
        }
    }

    func circuitLinkUp(_ link: LinkHandler) {
        guard link.setup.openedByMe, let owner = link.peer else { return }
        let waiting: [OutgoingCall] = if case .opening(let calls)? = callLinks[owner] { calls } else { [] }
        callLinks[owner] = .up(link.setup.id, idleSince: nil)
        for call in waiting where call.isWaiting { call.send(on: link) }
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
        case .opening(let waiting)? where !wasUp:
            callLinks[owner] = nil
            for call in waiting where call.isWaiting {
                guard call.attempts < Self.circuitAttemptsMax, !isStopping else {
                    call.fail(.noPath, "the circuit to \(owner) did not open: \(why)")
                    continue
                }
                loop.assumeIsolated().scheduleTask(in: Self.circuitRetryAfter) { [weak self] in
                    if call.isWaiting { self?.dispatch(call) }
                }
            }
        default: break
        }
    }

    /// The relay before `next` on the path said that its link to it is gone.
    private func maskLink(to next: NodeID, on path: [NodeID]) {
        guard let index = path.firstIndex(of: next) else { return }
        offer(.event(.pathBroke(index == 0 ? setup.me : path[index - 1], next)))
    }

    /// Closes circuits that carried no call for ``callLinkIdleMax``: each costs two nodes' memory at every relay.
    func sweepCallLinks(at now: Instant) {
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
        let header: CallHeader
        do {
            header = try CallHeader(canonical: bytes)
        } catch {
            return stream.reset(.protocolError, "the call's header cannot be read: \(error)")
        }
        guard !isStopping else {
            return IncomingCall.refuse(
                CallFailure(
                    .ownerUnreachable, "\(setup.name) is shutting down; the call was not run",
                    node: setup.name,
                    callID: header.call), on: stream)
        }
        do throws(CallFailure) {
            // The life that this very link was greeted with: a peer that met an earlier life has another link.
            try CallAdmission.check(
                header, from: peer, roles: board.node(peer)?.roles, me: setup.me,
                incarnation: link.setup.hello.incarnation)
        } catch {
            var failure = error
            failure.node = setup.name
            failure.callID = header.call
            return IncomingCall.refuse(failure, on: stream)
        }
        IncomingCall(
            header, on: stream, within: link.paramsBudget, nodeName: setup.name, loop: loop,
            serve: setup.serve
        ).start()
    }
}
