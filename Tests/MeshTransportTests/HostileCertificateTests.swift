import Catalog
import Crypto
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Testing

@testable import MeshTransport

/// Certificates that somebody made to be taken for a node of the mesh.
@Suite(.timeLimit(.minutes(1)))
struct HostileCertificateTests {
    private let now = Date()
    private let mesh: MeshOfOne
    private let key = P256.Signing.PrivateKey()
    private let node = NodeID(high: 7, low: 7)

    init() throws { mesh = try MeshOfOne.founded(at: now) }

    private func verify(_ leaf: DERCertificate, _ between: DERCertificate? = nil) async throws -> PeerIdentity
    {
        let now = now
        let verifier = PeerVerifier(
            anchor: .root(mesh.root.certificate), me: nil, floor: .distantPast, now: { now })
        return try await verifier.verify(
            [leaf.bytes, (between ?? mesh.issuer.intermediate).bytes], expecting: nil, guestsWelcome: false)
    }

    private func leaf(
        uris: [String]? = nil, from: Date? = nil, for life: TimeInterval = 3_600,
        role: DERCertificate.Use = .endEntity, issuer: DERCertificate? = nil,
        issuerKey: P256.Signing.PrivateKey? = nil
    ) throws -> DERCertificate {
        try DERCertificate.sign(
            subject: "x", uris: uris ?? [SPIFFEName.node(node, of: mesh.root.mesh).description],
            key: key.publicKey, from: from ?? now, for: life, role: role,
            issuer: (issuer ?? mesh.issuer.intermediate).parsed, issuerKey: issuerKey ?? mesh.issuer.key)
    }

    @Test func `one name of the mesh, signed by its issuer and in its time, is taken`() async throws {
        let good = try leaf()
        #expect(try await verify(good) == .member(node, leaf: good.fingerprint))
    }

    @Test(arguments: ["none", "two", "beside another", "an authority's", "of another mesh", "of the web"])
    func `any other name than one of this mesh's nodes is refused`(which: String) async throws {
        let own = SPIFFEName.node(node, of: mesh.root.mesh).description
        let other = SPIFFEName.node(NodeID(high: 8, low: 8), of: mesh.root.mesh).description
        let foreign = try MeshOfOne.founded(at: now).root.mesh
        let names: [String: [String]] = [
            "none": [], "two": [own, other], "beside another": [own, "https://example.com"],
            "an authority's": [SPIFFEName.authority(of: mesh.root.mesh).description],
            "of another mesh": [SPIFFEName.node(node, of: foreign).description],
            "of the web": ["https://example.com"],
        ]
        let uris = try #require(names[which])
        let bad = try leaf(uris: uris)
        await #expect(throws: PeerRefusal.noSingleName) { try await verify(bad) }
    }

    @Test func `an authority is no leaf, whatever its name`() async throws {
        let bad = try leaf(role: .authority(pathLength: 0))
        await #expect(throws: PeerRefusal.notForThisUse) { try await verify(bad) }
    }

    @Test func `what another key signed in the issuer's name is refused`() async throws {
        let bad = try leaf(issuerKey: P256.Signing.PrivateKey())
        await #expect(throws: PeerRefusal.notOfThisMesh(mesh.root.mesh)) { try await verify(bad) }
        // The right names, of an issuer that the root did not certify.
        let own = P256.Signing.PrivateKey()
        let intermediate = try DERCertificate.sign(
            subject: "y", spiffe: .authority(of: mesh.root.mesh), key: own.publicKey, from: now, for: 3_600,
            role: .authority(pathLength: 0), issuer: mesh.root.certificate.parsed, issuerKey: own)
        let below = try leaf(issuer: intermediate, issuerKey: own)
        await #expect(throws: PeerRefusal.notOfThisMesh(mesh.root.mesh)) {
            try await verify(below, intermediate)
        }
    }

    @Test func `before and after its time a leaf is refused, with the offset`() async throws {
        let day: TimeInterval = 86_400
        for bad in [
            try leaf(from: now.addingTimeInterval(day + CertificateLife.clockSkew)),
            try leaf(from: now.addingTimeInterval(-2 * day), for: day),
        ] {
            let refusal = await #expect(throws: PeerRefusal.self) { try await verify(bad) }
            guard case .outsideItsTime(let offset)? = refusal else {
                Issue.record("refused for another reason: \(String(describing: refusal))")
                continue
            }
            #expect(offset > .seconds(86_390) && offset < .seconds(86_410))
        }
    }

    @Test func `an issuer's certificate that ran out takes its leaves with it`() async throws {
        let own = P256.Signing.PrivateKey()
        let past = try DERCertificate.sign(
            subject: "y", spiffe: .authority(of: mesh.root.mesh), key: own.publicKey,
            from: now.addingTimeInterval(-7_200), for: 3_600, role: .authority(pathLength: 0),
            issuer: mesh.root.certificate.parsed, issuerKey: mesh.root.key)
        let below = try leaf(issuer: past, issuerKey: own)
        let refusal = await #expect(throws: PeerRefusal.self) { try await verify(below, past) }
        guard case .outsideItsTime? = refusal else {
            Issue.record("refused for another reason: \(String(describing: refusal))")
            return
        }
    }

    @Test func `no leaf outlives the certificate of its issuer, and none is made after that`() throws {
        let end = mesh.issuer.intermediate.notAfter
        let late = try mesh.issuer.issueLeaf(
            for: node, key: key.publicKey, at: end.addingTimeInterval(-86_400))
        #expect(abs(try DERCertificate(late[0]).notAfter.timeIntervalSince(end)) < 2)
        #expect(throws: CertificateError.self) {
            try mesh.issuer.issueLeaf(for: node, key: key.publicKey, at: end.addingTimeInterval(1))
        }
    }

    @Test(arguments: [TLSVersion.tlsv12, .tlsv13])
    func `a link speaks TLS 1.3 and nothing older`(version: TLSVersion) async throws {
        let now = now
        let tls = try LinkTLS(
            credentials: mesh.credentials,
            verifier: PeerVerifier(
                anchor: .root(mesh.root.certificate), me: nil, floor: .distantPast, now: { now }))
        let verdict = HandshakeVerdict()
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try await ServerBootstrap(group: group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(tls.accepting(verdict))
            }
        }.bind(host: "127.0.0.1", port: 0).get()
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.maximumTLSVersion = version
        configuration.certificateVerification = .none
        configuration.applicationProtocols = [MeshProtocol.link]
        configuration.certificateChain = try mesh.credentials.chain.map {
            .certificate(try NIOSSLCertificate(bytes: $0, format: .der))
        }
        configuration.privateKey = .privateKey(
            try NIOSSLPrivateKey(bytes: Array(mesh.credentials.leafKey.pemRepresentation.utf8), format: .pem))
        let context = try NIOSSLContext(configuration: configuration)
        let port = try #require(server.localAddress?.port)
        let shaken = group.next().makePromise(of: Void.self)
        let client = try await ClientBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers(
                    NIOSSLClientHandler(context: context, serverHostname: nil), Handshake(shaken))
            }
        }.connect(host: "127.0.0.1", port: port).get()
        let isShaken = (try? await shaken.futureResult.get()) != nil
        #expect(isShaken == (version == .tlsv13))
        if version == .tlsv12 { #expect(verdict.outcome == nil) }
        try? await client.close()
        try? await server.close()
    }

    /// Tells whether the handshake came to its end.
    private final class Handshake: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let done: EventLoopPromise<Void>
        private var isOver = false

        init(_ done: EventLoopPromise<Void>) { self.done = done }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard case .handshakeCompleted? = event as? TLSUserEvent, !isOver else { return }
            isOver = true
            done.succeed()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(error) }
        func channelInactive(context: ChannelHandlerContext) { fail(ChannelError.eof) }

        private func fail(_ error: any Error) {
            guard !isOver else { return }
            isOver = true
            done.fail(error)
        }
    }
}
