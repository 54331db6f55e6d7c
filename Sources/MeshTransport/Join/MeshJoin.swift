import Crypto
package import FoundationEssentials
package import Logging
import Mesh
package import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// The joining node's side of admission, over real connections.
package enum MeshJoin {
    /// Between two rounds over all addresses.
    private static let roundPause = Duration.seconds(1)
    /// Addresses tried in all; a segment full of strangers must not keep us busy for ever.
    private static let addressesMax = 64

    /// Tries the token's addresses, then those found meanwhile, until one lets us in, the issuer says no, or
    /// patience ends.
    ///
    /// - Parameters:
    ///   - found: addresses of nodes of that mesh seen on the segment by now; asked again each round.
    ///   - patience: how long to go on when nobody answers.
    package static func join(
        _ attempt: JoinAttempt, found: @Sendable () -> [String] = { [] }, patience: Duration = .seconds(30),
        floor: Date = .distantPast, group: any EventLoopGroup, log: Logger
    ) async throws -> JoinedCredentials {
        let clock = ContinuousClock()
        let end = clock.now + patience
        var tried: [String: String] = [:]
        while true {
            let addresses = (attempt.token.addresses + found()).filter {
                tried[$0] != nil || tried.count < addressesMax
            }
            for address in addresses {
                do throws(AttemptProblem) {
                    return try await once(attempt, at: address, floor: floor, loop: group.next())
                } catch {
                    switch error {
                    case .final(let failure): throw failure
                    case .elsewhere(let why):
                        tried[address] = why
                        log.info(
                            "no way in", metadata: ["mesh.address": "\(address)", "mesh.reason": "\(why)"])
                    }
                }
            }
            guard clock.now + roundPause < end else {
                throw JoinFailure.nobodyReachable(
                    tried.sorted { $0.key < $1.key }.map { JoinFailure.Tried(address: $0.key, why: $0.value) }
                )
            }
            try await Task.sleep(for: roundPause)
        }
    }

    /// What one address came to: the end of the whole join, or reason to try another.
    enum AttemptProblem: Error {
        case final(JoinFailure)
        case elsewhere(String)
    }

    private static func once(
        _ attempt: JoinAttempt, at address: String, floor: Date, loop: any EventLoop
    ) async throws(AttemptProblem) -> JoinedCredentials {
        guard let target = MeshAddress(address) else { throw .elsewhere("it is no host:port") }
        let outcome = loop.makePromise(of: JoinGrant.self)
        do {
            let channel = try await ClientBootstrap(group: loop)
                .connectTimeout(TimeAmount(LinkTimes.connectMax))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try outfit(channel, attempt, floor, outcome) }
                }
                .connect(host: target.host, port: target.port).get()
            defer { channel.close(promise: nil) }
            let grant = try await outcome.futureResult.get()
            let credentials = try NodeCredentials(
                nodeKey: attempt.nodeKey, leafKey: attempt.leafKey, chain: grant.chain,
                root: grant.rootCertificate)
            guard credentials.trust.rootFingerprint == attempt.token.rootFingerprint else {
                throw JoinError.notAsPromised("a root certificate")
            }
            return JoinedCredentials(
                credentials: credentials, enrolment: grant.enrolment, address: address)
        } catch {
            outcome.fail(error)  // nobody else may be left to settle it
            throw problem(error)
        }
    }

    static func problem(_ error: any Error) -> AttemptProblem {
        switch error {
        // Only the issuer, proved by the TLS inside, has the last word.
        case let problem as DoorProblem: .elsewhere(problem.why)
        case JoinError.refused(let refusal, let text):
            switch refusal {
            // The node that answered is not the one to say no; another may know the way, or the next round.
            case .notIssuer, .busy, .otherMesh: .elsewhere(text.isEmpty ? "\(refusal)" : text)
            default: .final(.refused(refusal, text: text))
            }
        case let error as JoinError: .final(.notTrusted(error.description))
        case let error as CertificateError: .final(.ourSide(error))
        case let error as LinkError: .elsewhere(error.description)
        default: .elsewhere(connectProblem(error))
        }
    }

    private static func outfit(
        _ channel: any Channel, _ attempt: JoinAttempt, _ floor: Date, _ outcome: EventLoopPromise<JoinGrant>
    ) throws {
        let verifier = PeerVerifier(
            anchor: .fingerprint(attempt.token.rootFingerprint, mesh: attempt.token.mesh), me: nil,
            floor: floor)
        let guestKey = P256.Signing.PrivateKey()
        let verdict = HandshakeVerdict()
        let outer = try LinkTLS.joining(as: guestKey, verifier: verifier, expecting: nil, verdict)
        let knocker = KnockHandler(
            mesh: attempt.token.mesh, issuer: attempt.token.issuer, verifier: verifier, guestKey: guestKey,
            verdict: verdict, fail: { outcome.fail($0) },
            inner: { JoinerHandler(attempt: attempt, verdict: $0, outcome: outcome) })
        try channel.pipeline.syncOperations.addHandlers([outer, knocker])
    }
}

/// Runs the `Joiner` of the core inside the TLS with the issuer.
private final class JoinerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let attempt: JoinAttempt
    private let verdict: HandshakeVerdict
    private let outcome: EventLoopPromise<JoinGrant>
    private var joiner: Joiner?
    private var decoder = JoinMessageDecoder()

    init(attempt: JoinAttempt, verdict: HandshakeVerdict, outcome: EventLoopPromise<JoinGrant>) {
        self.attempt = attempt
        self.verdict = verdict
        self.outcome = outcome
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted? = event as? TLSUserEvent else { return }
        guard case .success(.member(_, let leaf))? = verdict.outcome else {
            return errorCaught(context: context, error: LinkError.refused(.noCertificate))
        }
        var random = SystemRandomNumberGenerator()
        let joiner = Joiner(
            token: attempt.token, request: attempt.request, issuerLeaf: leaf, checker: .real, using: &random)
        self.joiner = joiner
        send(joiner.opening, context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(unwrapInboundIn(data).readableBytesView)
        do {
            while let message = try decoder.next() {
                switch try joiner?.receive(message) {
                case .send(let answer)?: send(answer, context)
                case .joined(let grant, _)?: outcome.succeed(grant)
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
