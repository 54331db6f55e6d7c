import Catalog
import Crypto
import Mesh
import NIOCore
import NIOSSL
import NIOTLS

/// What whoever answered at an address said or did, before the issuer was reached.
struct DoorProblem: Error, CustomStringConvertible {
    let why: String

    var description: String { why }
}

/// Tells whoever answers whom we want to speak to, then makes room for the TLS to them.
final class KnockHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let mesh: MeshID
    private let issuer: NodeID
    private let verifier: PeerVerifier
    private let guestKey: P256.Signing.PrivateKey
    private let verdict: HandshakeVerdict
    private let fail: (any Error) -> Void
    private let inner: (HandshakeVerdict) -> any ChannelHandler
    private var decoder = JoinMessageDecoder()
    private var timer: Scheduled<Void>?
    private var isThrough = false

    /// - Parameters:
    ///   - fail: told when the door stays closed.
    ///   - inner: makes the handler that speaks with the issuer, behind the TLS to it.
    init(
        mesh: MeshID, issuer: NodeID, verifier: PeerVerifier, guestKey: P256.Signing.PrivateKey,
        verdict: HandshakeVerdict, fail: @escaping (any Error) -> Void,
        inner: @escaping (HandshakeVerdict) -> any ChannelHandler
    ) {
        self.mesh = mesh
        self.issuer = issuer
        self.verifier = verifier
        self.guestKey = guestKey
        self.verdict = verdict
        self.fail = fail
        self.inner = inner
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(LinkTimes.guestMax)) {
            [fail] in
            fail(LinkError.handshakeTooSlow)
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        fail(verdict.refusal.map { LinkError.refused($0) } ?? LinkError.closed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(verdict.refusal.map { LinkError.refused($0) } ?? LinkError(ofHandshake: error))
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let name)? = event as? TLSUserEvent else { return }
        guard name == MeshProtocol.join else {
            return errorCaught(context: context, error: LinkError.refused(.wrongProtocol(name)))
        }
        do {
            let knock = JoinMessage.knock(mesh: mesh, issuer: issuer)
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: try knock.encoded())), promise: nil)
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isThrough else { return context.fireChannelRead(data) }
        decoder.append(unwrapInboundIn(data).readableBytesView)
        do {
            switch try decoder.next() {
            case nil: return
            case .enter: try enter(context)
            case .refusal(let refusal, let text): throw JoinError.refused(refusal, text: text)
            default: throw JoinError.unexpectedMessage
            }
        } catch {
            fail(DoorProblem(why: "\(error)"))
            context.close(promise: nil)
        }
    }

    private func enter(_ context: ChannelHandlerContext) throws {
        isThrough = true
        let verdict = HandshakeVerdict()
        let tls = try LinkTLS.joining(as: guestKey, verifier: verifier, expecting: issuer, verdict)
        try context.pipeline.syncOperations.addHandlers([tls, inner(verdict)], position: .after(self))
        let rest = decoder.takeRest()
        if !rest.isEmpty { context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: rest))) }
    }
}
