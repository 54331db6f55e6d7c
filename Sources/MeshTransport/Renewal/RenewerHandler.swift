package import Catalog
import Crypto
package import Mesh
package import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// Runs the `Renewer` of the core inside the TLS with the issuer.
final class RenewerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: RenewalRequest
    private let signer: Signer
    private let verdict: HandshakeVerdict
    private let outcome: EventLoopPromise<RenewalGrant>
    private var renewer: Renewer?
    private var decoder = JoinMessageDecoder()
    private var timer: Scheduled<Void>?

    init(
        _ request: RenewalRequest, by signer: Signer, verdict: HandshakeVerdict,
        outcome: EventLoopPromise<RenewalGrant>
    ) {
        self.request = request
        self.signer = signer
        self.verdict = verdict
        self.outcome = outcome
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(LinkTimes.guestMax)) {
            [outcome] in
            outcome.fail(LinkError.handshakeTooSlow)
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        outcome.fail(verdict.refusal.map { LinkError.refused($0) } ?? LinkError.closed)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted? = event as? TLSUserEvent else { return }
        guard case .success(.member(_, let leaf))? = verdict.outcome else {
            return errorCaught(context: context, error: LinkError.refused(.noCertificate))
        }
        var random = SystemRandomNumberGenerator()
        let renewer = Renewer(request, issuerLeaf: leaf, by: signer, using: &random)
        self.renewer = renewer
        send(renewer.opening, context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(unwrapInboundIn(data).readableBytesView)
        do {
            while let message = try decoder.next() {
                switch try renewer?.receive(message) {
                case .send(let answer)?: send(answer, context)
                case .renewed(let grant)?:
                    outcome.succeed(grant)
                    context.close(promise: nil)
                case nil: throw JoinError.unexpectedMessage
                }
            }
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        outcome.fail(verdict.refusal.map { LinkError.refused($0) } ?? error)
        context.close(promise: nil)
    }

    private func send(_ message: JoinMessage, _ context: ChannelHandlerContext) {
        do {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: try message.encoded())), promise: nil)
        } catch {
            errorCaught(context: context, error: error)
        }
    }
}

/// Asks an issuer for a renewal as a guest, from outside.
package enum MeshDoor {
    /// - Parameters:
    ///   - address: of any node of the mesh; it leads on to the issuer.
    ///   - verifier: knows the mesh's root.
    package static func ask(
        _ request: RenewalRequest, of issuer: NodeID, at address: String, by signer: Signer,
        verifier: PeerVerifier, loop: any EventLoop
    ) async throws -> RenewalGrant {
        guard let target = MeshAddress(address) else { throw DoorProblem(why: "it is no host:port") }
        let outcome = loop.makePromise(of: RenewalGrant.self)
        do {
            let channel = try await ClientBootstrap(group: loop)
                .connectTimeout(TimeAmount(LinkTimes.connectMax))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let key = P256.Signing.PrivateKey()
                        let verdict = HandshakeVerdict()
                        let outer = try LinkTLS.joining(
                            as: key, verifier: verifier, expecting: nil, verdict)
                        let knocker = KnockHandler(
                            mesh: request.enrolment.mesh, issuer: issuer, verifier: verifier, guestKey: key,
                            verdict: verdict, fail: { outcome.fail($0) },
                            inner: { RenewerHandler(request, by: signer, verdict: $0, outcome: outcome) })
                        try channel.pipeline.syncOperations.addHandlers([outer, knocker])
                    }
                }
                .connect(host: target.host, port: target.port).get()
            defer { channel.close(promise: nil) }
            return try await outcome.futureResult.get()
        } catch {
            outcome.fail(error)  // nobody else may be left to settle it
            throw error
        }
    }
}

extension MeshHub {
    /// Asks an issuer over this node's own links.
    ///
    /// - Parameter path: ids to cross, the issuer last.
    func ask(
        _ request: RenewalRequest, along path: [NodeID], by signer: Signer
    ) -> EventLoopFuture<RenewalGrant> {
        loop.preconditionInEventLoop()
        let outcome = loop.makePromise(of: RenewalGrant.self)
        do {
            let stream = try openCircuitStream(.join, path: path)
            let channel = CircuitChannel(over: stream, parent: nil, eventLoop: loop)
            keep(channel)
            let verdict = HandshakeVerdict()
            let tls = try LinkTLS.joining(
                as: P256.Signing.PrivateKey(), verifier: setup.tls.verifier, expecting: path.last, verdict)
            try channel.pipeline.syncOperations.addHandlers([
                tls, RenewerHandler(request, by: signer, verdict: verdict, outcome: outcome),
            ])
            channel.activate()
        } catch {
            outcome.fail(error)
        }
        return outcome.futureResult
    }
}
