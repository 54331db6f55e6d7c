import Catalog
import Mesh
import NIOCore
import NIOSSL
import NIOTLS

extension MeshHub {
    var hasRoomForGuest: Bool { guestsHere < Self.guestsMax && !isStopping }

    /// Takes one of the few places for guests, for as long as the channel is open.
    func seatGuest(on channel: any Channel) {
        guestsHere += 1
        channel.closeFuture.assumeIsolated().whenComplete { [weak self] _ in self?.guestsHere -= 1 }
    }

    /// Puts the issuer's desk at the end of a channel, behind the TLS that the joiner opens with it.
    func admit(on channel: any Channel, after neighbour: (any ChannelHandler)?) throws {
        let verdict = HandshakeVerdict()
        let desk = DeskHandler(
            id: GuestID(number: nextGuest), hub: self, ownLeaf: setup.tls.leafHash)
        nextGuest += 1
        let position: ChannelPipeline.SynchronousOperations.Position = neighbour.map { .after($0) } ?? .last
        try channel.pipeline.syncOperations.addHandlers(
            [setup.tls.accepting(verdict), desk], position: position)
    }
}

/// A guest at the door: hears whom it wants to speak to, and leads it there.
final class GuestHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let hub: MeshHub
    private var decoder = JoinMessageDecoder()
    private var timer: Scheduled<Void>?
    /// To the issuer, when that is another node.
    private var circuit: LinkStream?
    private var bytes = 0
    private var isDone = false

    init(hub: MeshHub) { self.hub = hub }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(LinkTimes.guestMax)) {
            context.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { circuit?.close() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        circuit?.close()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The outer TLS's; the inner one fires its own further down.
        if event is TLSUserEvent { return }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let arrived = unwrapInboundIn(data)
        bytes += arrived.readableBytes
        guard bytes <= RelayedCircuit.joinBytesMax else { return context.close(promise: nil) }
        if let circuit { return circuit.send(Array(arrived.readableBytesView), kind: 0, isLast: false) }
        guard !isDone else { return context.fireChannelRead(data) }
        decoder.append(arrived.readableBytesView)
        do {
            guard let message = try decoder.next() else { return }
            guard case .knock(let mesh, let issuer) = message else {
                return refuse(.badRequest, "", context)
            }
            try lead(to: issuer, of: mesh, context)
        } catch {
            refuse(.badRequest, "\(error)", context)
        }
    }

    private func lead(to issuer: NodeID, of mesh: MeshID, _ context: ChannelHandlerContext) throws {
        guard mesh == hub.setup.mesh else { return refuse(.otherMesh, "", context) }
        if issuer == hub.setup.me {
            guard hub.setup.isIssuer else { return refuse(.notIssuer, "", context) }
            try hub.admit(on: context.channel, after: self)
            try send(.enter, context)
            isDone = true
            passOnRest(context)
        } else {
            let path: [NodeID]
            if case .reachable(let known)? = hub.board.node(issuer)?.reachability {
                path = known
            } else if hub.directLink(to: issuer) != nil {
                path = [issuer]
            } else {
                return refuse(.notIssuer, "", context)
            }
            let stream = try hub.openCircuitStream(.join, path: path)
            try send(.enter, context)
            join(stream, context)
        }
    }

    private func join(_ stream: LinkStream, _ context: ChannelHandlerContext) {
        circuit = stream
        stream.reader = GuestCircuit(context)
        let rest = decoder.takeRest()
        if !rest.isEmpty { stream.send(rest, kind: 0, isLast: false) }
    }

    private func passOnRest(_ context: ChannelHandlerContext) {
        let rest = decoder.takeRest()
        if !rest.isEmpty { context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: rest))) }
    }

    private func send(_ message: JoinMessage, _ context: ChannelHandlerContext) throws(WireError) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: try message.encoded())), promise: nil)
    }

    private func refuse(_ refusal: JoinRefusal, _ text: String, _ context: ChannelHandlerContext) {
        hub.setup.log.notice("guest refused", metadata: ["mesh.reason": "\(refusal)"])
        try? send(.refusal(refusal, text: text), context)
        context.close(promise: nil)
    }
}

/// What comes back to a guest through its circuit.
private final class GuestCircuit: StreamReader {
    private let context: ChannelHandlerContext

    init(_ context: ChannelHandlerContext) { self.context = context }

    func received(_ chunk: StreamChunk, on stream: LinkStream) {
        stream.consumed(chunk.bytes.count)
        context.writeAndFlush(NIOAny(ByteBuffer(bytes: chunk.bytes)), promise: nil)
    }

    func receivedEnd(of stream: LinkStream) { context.close(promise: nil) }
    func broke(_ why: StreamBreak, of stream: LinkStream) { context.close(promise: nil) }
}

/// The issuer's end of one join, behind the TLS that reaches from joiner to issuer. What is said goes to the
/// owner of the ``JoinLedger``; it decides.
final class DeskHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let id: GuestID
    private let hub: MeshHub
    private let ownLeaf: ContentHash
    private var decoder = JoinMessageDecoder()
    private var context: ChannelHandlerContext?
    private var timer: Scheduled<Void>?
    private var hasArrived = false

    init(id: GuestID, hub: MeshHub, ownLeaf: ContentHash) {
        self.id = id
        self.hub = hub
        self.ownLeaf = ownLeaf
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(LinkTimes.guestMax)) {
            context.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let name)? = event as? TLSUserEvent else { return }
        guard name == MeshProtocol.join else { return context.close(promise: nil) }
        hasArrived = true
        hub.guests[id] = self
        hub.offer(.guest(id, .arrived(ownLeaf: ownLeaf)))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(unwrapInboundIn(data).readableBytesView)
        do {
            while let message = try decoder.next() { hub.offer(.guest(id, .said(message))) }
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func send(_ message: JoinMessage) {
        guard let bytes = try? message.encoded() else { return close() }
        context?.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
    }

    func close() { context?.close(promise: nil) }

    private func leave() {
        timer?.cancel()
        guard hasArrived else { return }
        hasArrived = false
        context = nil
        hub.guests[id] = nil
        hub.offer(.guest(id, .gone))
    }
}
