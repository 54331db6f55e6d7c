import Catalog
import Mesh
import NIOCore
import NIOSSL

extension MeshHub {
    /// Opens a circuit along a path and, inside it, a link of mutual TLS to its end.
    ///
    /// - Parameter path: ids to cross, the end last.
    func dialThroughCircuit(to end: NodeID, path: [NodeID]) throws {
        let stream = try openCircuitStream(.link, path: path)
        let verdict = HandshakeVerdict()
        let link = LinkHandler(
            linkSetup(
                openedByMe: true, address: nil, expecting: end, circuit: Array(path.dropLast()),
                verdict: verdict), owner: self)
        try run(link, behind: setup.tls.dialling(end, verdict), over: stream)
    }

    /// Opens a stream to the first node of a path and asks it to lead on.
    ///
    /// - Parameter source: whose circuit it is said to be; only tests name another node than this one.
    func openCircuitStream(
        _ purpose: CircuitPurpose, path: [NodeID], as source: NodeID? = nil
    ) throws(LinkError) -> LinkStream {
        guard let first = path.first,
            let header = CircuitHeader(purpose: purpose, source: source ?? setup.me, path: path)
        else { throw .circuitBroken("the path is no path") }
        guard let carrier = directLink(to: first), let streams = carrier.streams else {
            throw .circuitBroken(first.description)
        }
        return try streams.open(.circuit, header: header.canonicalBytes)
    }

    func circuitArrived(_ stream: LinkStream, header bytes: [UInt8], on link: LinkHandler) {
        guard let peer = link.peer, link.isStanding else {
            return stream.reset(.refused, "no circuits inside circuits, nor over links for calls")
        }
        let header: CircuitHeader
        do {
            header = try CircuitHeader(canonical: bytes)
        } catch {
            return stream.reset(.protocolError, "the circuit's header cannot be read: \(error)")
        }
        if let why = board.objection(to: header.source) { return stream.reset(.refused, why) }
        let decision = RelayDecision(
            header, from: peer, at: setup.me, linked: directPeers, relays: setup.relays,
            openFromSource: relayed.values.count { $0.source == header.source && $0.bringer == peer },
            heldForSource: heldBytes(of: header.source, by: peer), limits: relayLimits)
        switch decision {
        case .refuse(let code, let text): stream.reset(code, text)
        case .forward(let next, let onward): relay(stream, from: peer, to: next, onward)
        case .accept(let header): accept(stream, header, from: peer)
        }
    }

    /// What waits here to go on, of all circuits of one source that one peer brought.
    func heldBytes(of source: NodeID, by bringer: NodeID) -> Int {
        relayed.values.reduce(0) { $0 + ($1.source == source && $1.bringer == bringer ? $1.bytesHeld : 0) }
    }

    private func relay(
        _ upstream: LinkStream, from bringer: NodeID, to next: NodeID, _ header: CircuitHeader
    ) {
        guard
            let downstream = try? directLink(to: next)?.streams?.open(.circuit, header: header.canonicalBytes)
        else { return upstream.reset(.nextUnreachable, next.description) }
        let circuit = RelayedCircuit(
            header, by: bringer, from: upstream, to: downstream, at: next, now: setup.now,
            observe: relayObserver,
            hasRoom: { [weak self] in
                self.map { $0.heldBytes(of: header.source, by: bringer) <= $0.relayLimits.bytesInFlight }
                    ?? true
            }
        ) { [weak self] in self?.relayed[ObjectIdentifier($0)] = nil }
        relayed[ObjectIdentifier(circuit)] = circuit
        circuit.start()
    }

    private func accept(_ stream: LinkStream, _ header: CircuitHeader, from peer: NodeID) {
        let verdict = HandshakeVerdict()
        switch header.purpose {
        case .link:
            guard beginHandshake() else { return stream.reset(.limited, "too many handshakes at once") }
            let link = LinkHandler(
                linkSetup(openedByMe: false, address: nil, expecting: nil, circuit: [peer], verdict: verdict),
                owner: self)
            link.whenGreeted = { [weak self] in self?.endHandshake() }
            do {
                try run(link, behind: setup.tls.accepting(verdict), over: stream)
            } catch {
                link.whenGreeted?()
                link.whenGreeted = nil
            }
        case .join:
            guard setup.isIssuer, hasRoomForGuest else {
                return stream.reset(.refused, "no joins here now")
            }
            let channel = CircuitChannel(over: stream, parent: nil, eventLoop: loop)
            seatGuest(on: channel)
            keep(channel)
            do {
                try admit(on: channel, after: nil)
                channel.activate()
            } catch {
                channel.close(promise: nil)
            }
        }
    }

    /// Runs a link's pipeline over a stream, as it runs over a socket.
    private func run(_ link: LinkHandler, behind tls: NIOSSLHandler, over stream: LinkStream) throws {
        let channel = CircuitChannel(over: stream, parent: nil, eventLoop: loop)
        keep(channel)
        do {
            try channel.pipeline.syncOperations.addHandlers([tls, link])
        } catch {
            channel.close(promise: nil)
            throw error
        }
        channel.activate()
    }
}
