import HTTPWire
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// How a client checks whom it talks to: the system's roots and more, TLS 1.2 at least, full verification.
///
/// Reading the roots takes milliseconds and blocks, so that it is done on first use, away from the event
/// loops.
final class HTTPClientTLS: Sendable {
    /// The roots could not be read.
    struct ContextError: Error, CustomStringConvertible {
        let paths: [String]
        let reason: String

        var description: String {
            let where_ =
                paths.isEmpty ? "of the system" : "of the system and of \(paths.joined(separator: ", "))"
            return "the root certificates \(where_) cannot be read: \(reason)"
        }
    }

    private let rootPaths: [String]
    /// The file of the one certificate that is believed, whatever name it has.
    private let pinned: String?
    /// The authority and the certificate of one backend's own.
    private let identity: ClientIdentity?
    private let cached = Mutex<NIOSSLContext?>(nil)

    init(additionalRoots rootPaths: [String], pinned: String? = nil, identity: ClientIdentity? = nil) {
        self.rootPaths = rootPaths
        self.pinned = pinned
        self.identity = identity
    }

    func context(on loop: any EventLoop) -> EventLoopFuture<NIOSSLContext> {
        if let identity {
            // Files may have changed, which is looked at for each connection.
            return NIOThreadPool.singleton.runIfActive(eventLoop: loop) { try identity.context() }
        }
        if let context = cached.withLock({ $0 }) { return loop.makeSucceededFuture(context) }
        return NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
            let context = try self.make()
            self.cached.withLock { $0 = context }
            return context
        }
    }

    /// Has keys of the vault opened anew.
    func renew() { identity?.renew() }

    /// An address is no name to be indicated (RFC 6066 §3); without one the certificate must hold the
    /// address.
    func handler(_ context: NIOSSLContext, for origin: HTTPURL.Origin) throws -> NIOSSLClientHandler {
        if let pinned {
            // Read for each connection: the file is renewed while the client lives.
            let own = try NIOSSLCertificate.fromPEMFile(pinned).first
            return try NIOSSLClientHandler(context: context, serverHostname: nil) { shown, decided in
                decided.succeed(own != nil && shown.first == own ? .certificateVerified : .failed)
            }
        }
        let name = origin.authority.isAddress ? nil : origin.host
        return try NIOSSLClientHandler(context: context, serverHostname: name)
    }

    private func make() throws(ContextError) -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        configuration.additionalTrustRoots = rootPaths.map { .file($0) }
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw ContextError(paths: rootPaths, reason: "\(error)")
        }
    }
}
