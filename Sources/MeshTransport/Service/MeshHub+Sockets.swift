import Catalog
import Mesh
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

extension MeshHub {
    /// Dials; the outcome reaches the core as a link or a failed dial.
    func dial(_ address: String, expecting: NodeID?) {
        loop.preconditionInEventLoop()
        guard !isStopping else { return }
        guard let target = MeshAddress(address) else {
            offer(
                .event(
                    .dialFailed(
                        address: address, expecting: expecting, .unreachable("\(address) is no host:port"))))
            return
        }
        let bound = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(LinkTimes.connectMax))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.tcpOption(.thinLinearTimeouts), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try bound.value.outfit(channel, dialled: address, expecting: expecting)
                }
            }
            .connect(host: target.host, port: target.port)
            .assumeIsolated()
            .whenFailure { [weak self] error in
                self?.offer(
                    .event(
                        .dialFailed(
                            address: address, expecting: expecting, .unreachable(connectProblem(error)))))
            }
    }

    func outfit(
        _ channel: any Channel, dialled address: String, expecting: NodeID?, circuit: [NodeID]? = nil
    ) throws {
        let verdict = HandshakeVerdict()
        let tls = try setup.tls.dialling(expecting, verdict)
        let link = LinkHandler(
            linkSetup(
                openedByMe: true, address: address, expecting: expecting, circuit: circuit,
                verdict: verdict),
            owner: self)
        try channel.pipeline.syncOperations.addHandlers([tls, link])
        keep(channel)
    }

    /// Opens the mesh port.
    ///
    /// - Returns: the listening channel; its local address has the real port.
    static func listen(_ address: MeshAddress, hub: MeshHub) -> EventLoopFuture<any Channel> {
        ServerBootstrap(group: hub.loop)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.tcpOption(.thinLinearTimeouts), value: 1)
            .childChannelInitializer { channel in
                // Parent and children share the mesh's loop.
                channel.eventLoop.makeCompletedFuture { try hub.receive(channel) }
            }
            .bind(host: address.host, port: address.port)
    }

    private func receive(_ channel: any Channel) throws {
        guard beginHandshake() else { throw LinkError.overloaded }
        let verdict = HandshakeVerdict()
        try channel.pipeline.syncOperations.addHandlers([
            setup.tls.accepting(verdict), Doorkeeper(hub: self, verdict: verdict),
        ])
        keep(channel)
    }
}

/// What a failed connect comes down to, in a few words.
func connectProblem(_ error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        error.connectionErrors.first.map { connectProblem($0.error) }
            ?? "the name \(error.host) leads nowhere"
    case let error as IOError: error.description
    case ChannelError.connectTimeout: "no answer in \(LinkTimes.connectMax)"
    default: String(describing: error)
    }
}

/// Waits behind TLS until it is known what the other end speaks, and shows it to the right room.
final class Doorkeeper: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let hub: MeshHub
    private let verdict: HandshakeVerdict
    private var timer: Scheduled<Void>?
    private var isDone = false

    init(hub: MeshHub, verdict: HandshakeVerdict) {
        self.hub = hub
        self.verdict = verdict
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(LinkTimes.handshakeMax)) {
            context.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { finish() }

    func channelInactive(context: ChannelHandlerContext) {
        finish()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let name)? = event as? TLSUserEvent, !isDone else {
            return context.fireUserInboundEventTriggered(event)
        }
        finish()
        do {
            try show(name, context)
            context.fireUserInboundEventTriggered(event)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        hub.setup.log.info(
            "connection refused",
            metadata: ["mesh.reason": "\(verdict.refusal.map { "\($0)" } ?? "\(error)")"])
        context.close(promise: nil)
    }

    private func show(_ name: String?, _ context: ChannelHandlerContext) throws {
        let pipeline = context.pipeline.syncOperations
        switch (name, verdict.outcome) {
        case (MeshProtocol.link?, .success(.member)?):
            let link = LinkHandler(
                hub.linkSetup(
                    openedByMe: false, address: nil, expecting: nil, circuit: nil, verdict: verdict),
                owner: hub)
            try pipeline.addHandler(link, position: .after(self))
        case (MeshProtocol.join?, .success?):
            guard hub.hasRoomForGuest else {
                let busy = try JoinMessage.refusal(.busy, text: "").encoded()
                context.writeAndFlush(NIOAny(ByteBuffer(bytes: busy)), promise: nil)
                throw LinkError.overloaded
            }
            hub.seatGuest(on: context.channel)
            try pipeline.addHandler(GuestHandler(hub: hub), position: .after(self))
        default:
            throw LinkError.refused(.guestOutsideJoin)
        }
    }

    private func finish() {
        guard !isDone else { return }
        isDone = true
        timer?.cancel()
        hub.endHandshake()
    }
}
