package import Catalog
import Crypto
import FoundationEssentials
import NIOCore
package import NIOSSL
import Synchronization

/// What the handshake found out about the other end, kept for the handlers behind it.
///
/// The TLS library only says that verification failed; this says why.
package final class HandshakeVerdict: Sendable {
    private let state = Mutex<Result<PeerIdentity, PeerRefusal>?>(nil)

    package init() {}

    package var outcome: Result<PeerIdentity, PeerRefusal>? { state.withLock { $0 } }

    /// Why the peer was refused, if it was.
    package var refusal: PeerRefusal? {
        if case .failure(let refusal)? = outcome { refusal } else { nil }
    }

    fileprivate func settle(_ outcome: Result<PeerIdentity, PeerRefusal>) {
        state.withLock { $0 = outcome }
    }
}

/// The TLS side of links: contexts of this node's present certificate, and the check of the peer's.
///
/// TLS 1.3 only. The context is swapped when the leaf is renewed: new connections use the new one, those that
/// are up live on.
package final class LinkTLS: Sendable {
    private struct Contexts {
        var listening: NIOSSLContext
        var dialling: NIOSSLContext
        var leafHash: ContentHash
    }

    private let contexts: Mutex<Contexts>
    package let verifier: PeerVerifier

    package init(credentials: NodeCredentials, verifier: PeerVerifier) throws {
        self.verifier = verifier
        contexts = Mutex(try Self.contexts(for: credentials))
    }

    /// From now on new connections show these.
    package func replace(_ credentials: NodeCredentials) throws {
        let fresh = try Self.contexts(for: credentials)
        contexts.withLock { $0 = fresh }
    }

    /// The handler for a connection that somebody opened to us.
    package func accepting(_ verdict: HandshakeVerdict) -> NIOSSLServerHandler {
        let context = contexts.withLock { $0.listening }
        let verifier = verifier
        return NIOSSLServerHandler(context: context) { presented, promise in
            Self.verify(presented, with: verifier, expecting: nil, guestsWelcome: true, verdict, promise)
        }
    }

    /// Hash of the leaf that new connections show.
    package var leafHash: ContentHash { contexts.withLock { $0.leafHash } }

    /// The handler for a connection that we opened, to `expected` if we know whom we dial.
    package func dialling(_ expected: NodeID?, _ verdict: HandshakeVerdict) throws -> NIOSSLClientHandler {
        let context = contexts.withLock { $0.dialling }
        let verifier = verifier
        return try NIOSSLClientHandler(context: context, serverHostname: nil) { presented, promise in
            Self.verify(
                presented, with: verifier, expecting: expected, guestsWelcome: false, verdict, promise)
        }
    }

    /// A guest's handler: an unnamed certificate, and only the join protocol.
    static func joining(
        as key: P256.Signing.PrivateKey, verifier: PeerVerifier, expecting issuer: NodeID?,
        _ verdict: HandshakeVerdict
    ) throws -> NIOSSLClientHandler {
        let certificate = try DERCertificate.guest(key: key, at: verifier.clock.now)
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateChain = [
            .certificate(try NIOSSLCertificate(bytes: certificate.bytes, format: .der))
        ]
        configuration.privateKey = .privateKey(
            try NIOSSLPrivateKey(bytes: Array(key.pemRepresentation.utf8), format: .pem))
        try harden(&configuration, protocols: [MeshProtocol.join])
        return try NIOSSLClientHandler(
            context: NIOSSLContext(configuration: configuration), serverHostname: nil
        ) { presented, promise in
            Self.verify(presented, with: verifier, expecting: issuer, guestsWelcome: false, verdict, promise)
        }
    }

    private static func contexts(for credentials: NodeCredentials) throws -> Contexts {
        let key = NIOSSLPrivateKeySource.privateKey(
            try NIOSSLPrivateKey(bytes: Array(credentials.leafKey.pemRepresentation.utf8), format: .pem))
        // The root goes along: a joiner holds no more than its fingerprint.
        let chain = try (credentials.chain + [credentials.root]).map {
            NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: $0, format: .der))
        }
        let root = NIOSSLTrustRoots.certificates([
            try NIOSSLCertificate(bytes: credentials.root, format: .der)
        ])
        var listening = TLSConfiguration.makeServerConfigurationWithMTLS(
            certificateChain: chain, privateKey: key, trustRoots: root)
        try harden(&listening, protocols: [MeshProtocol.link, MeshProtocol.join])
        var dialling = TLSConfiguration.makeClientConfiguration()
        dialling.certificateChain = chain
        dialling.privateKey = key
        dialling.trustRoots = root
        try harden(&dialling, protocols: [MeshProtocol.link])
        return Contexts(
            listening: try NIOSSLContext(configuration: listening),
            dialling: try NIOSSLContext(configuration: dialling), leafHash: credentials.leafHash)
    }

    private static func harden(_ configuration: inout TLSConfiguration, protocols: [String]) throws {
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = protocols
        // A name in the certificate is a SPIFFE id, which the verifier checks; host names mean nothing here.
        configuration.certificateVerification = .noHostnameVerification
        configuration.shutdownTimeout = .milliseconds(500)
    }

    private static func verify(
        _ presented: [NIOSSLCertificate], with verifier: PeerVerifier, expecting expected: NodeID?,
        guestsWelcome: Bool, _ verdict: HandshakeVerdict,
        _ promise: EventLoopPromise<NIOSSLVerificationResultWithMetadata>
    ) {
        promise.completeWithTask {
            do throws(PeerRefusal) {
                let bytes: [[UInt8]]
                do {
                    bytes = try presented.map { try $0.toDERBytes() }
                } catch {
                    throw .unreadableCertificate(String(describing: error))
                }
                let identity = try await verifier.verify(
                    bytes, expecting: expected, guestsWelcome: guestsWelcome)
                verdict.settle(.success(identity))
                return .certificateVerified(VerificationMetadata(nil))
            } catch {
                verdict.settle(.failure(error))
                return .failed
            }
        }
    }
}
