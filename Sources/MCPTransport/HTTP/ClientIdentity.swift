import Glibc
import NIOSSL
import Synchronization

/// Whom one backend's client believes, and what it shows of itself: an authority's file in place of the system's roots, a certificate
/// with its key.
///
/// Files are taken anew when they change; files that are wrong change nothing once there was something right.
package final class ClientIdentity: Sendable {
    package struct Source: Hashable, Sendable {
        package enum Key: Hashable, Sendable {
            /// PEM, without a passphrase.
            case file(String)
            /// The name of a secret that holds such a PEM text.
            case secret(String)
        }

        /// PEM: the only authorities that are believed; `nil`: the system's.
        package var authority: String?
        /// PEM: the certificate, then those that lead to its root; `nil`: none is shown.
        package var certificate: String?
        package var key: Key?

        package init(authority: String?, certificate: String?, key: Key?) {
            self.authority = authority
            self.certificate = certificate
            self.key = key
        }

        var paths: [String] {
            var paths = [authority, certificate].compactMap { $0 }
            if case .file(let path)? = key { paths.append(path) }
            return paths
        }
    }

    /// Names settings, not paths: a server's reason is told to other nodes.
    struct Trouble: Error, Hashable, Sendable, CustomStringConvertible {
        let description: String
        /// With paths and what the system says, for this node's log.
        var detail: String?
        /// Where a secret is the trouble and no file.
        var credential: CredentialTrouble.Kind?

        var logged: String { detail.map { "\(description) (\($0))" } ?? description }
        var cause: HTTPClientError.Cause {
            credential.map { .credential(CredentialTrouble($0, description)) } ?? .tls(description)
        }
    }

    /// A file of a server's `tls`, by its setting.
    private enum Part: String {
        case authority = "servers.NAME.tls.ca"
        case certificate = "servers.NAME.tls.certificate"
        case key = "servers.NAME.tls.key"
    }

    private struct State: Sendable {
        var context: NIOSSLContext?
        var stamps: [FileStamp?] = []
    }

    private let source: Source
    private let secrets: @Sendable (String) throws -> [UInt8]
    private let formers: FormerSecrets
    private let told: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - secrets: opens a secret for one use.
    ///   - formers: of a key that is rotated: goes with the certificate until its file is replaced.
    ///   - told: what is wrong with files that have changed, once for each change.
    package init(
        _ source: Source, secrets: @escaping @Sendable (String) throws -> [UInt8],
        formers: FormerSecrets = .none,
        told: @escaping @Sendable (String) -> Void
    ) {
        self.source = source
        self.secrets = secrets
        self.formers = formers
        self.told = told
    }

    /// Has everything read anew for the next connection.
    func renew() { state.withLock { $0 = State() } }

    /// For a connection that is about to be opened. Reads files, so it is not for event loops.
    func context() throws(Trouble) -> NIOSSLContext {
        let stamps = source.paths.map { FileStamp($0) }
        let former = state.withLock { ($0.context, $0.stamps) }
        if let context = former.0, former.1 == stamps { return context }
        do throws(Trouble) {
            let (context, isFormer) = try make()
            // Whether the former key may be used is asked for each connection.
            if !isFormer { state.withLock { $0 = State(context: context, stamps: stamps) } }
            return context
        } catch {
            guard let context = former.0 else {
                if former.1 != stamps {
                    state.withLock { $0.stamps = stamps }
                    told(error.logged)
                }
                throw error
            }
            state.withLock { $0.stamps = stamps }
            told(error.logged)
            return context
        }
    }

    /// - Returns: also whether it has the key before, which is live for a while only.
    private func make() throws(Trouble) -> (NIOSSLContext, isFormer: Bool) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        if let path = source.authority {
            configuration.trustRoots = .certificates(try Self.certificates(in: path, .authority))
        }
        if let path = source.certificate, let key = source.key {
            configuration.certificateChain = try Self.certificates(in: path, .certificate).map {
                .certificate($0)
            }
            do throws(Trouble) {
                configuration.privateKey = .privateKey(try self.key(key))
            } catch {
                guard let context = withFormerKey(configuration) else { throw error }
                return (context, true)
            }
        }
        do {
            return (try NIOSSLContext(configuration: configuration), false)
        } catch {
            if let context = withFormerKey(configuration) { return (context, true) }
            throw Trouble(
                description: "\(Part.certificate.rawValue) does not go with its key: \(error)",
                detail: source.certificate)
        }
    }

    private func key(_ key: Source.Key) throws(Trouble) -> NIOSSLPrivateKey {
        switch key {
        case .file(let path):
            return try Self.read(path, .key) { try NIOSSLPrivateKey(file: $0, format: .pem) }
        case .secret(let name):
            let bytes: [UInt8]
            do {
                bytes = try secrets(name)
            } catch {
                throw Trouble(
                    description: "the key of its certificate cannot be opened: \(error)",
                    credential: error is SecretNotForUse ? .refused : .sealed)
            }
            guard let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) else {
                throw Trouble(
                    description: "the secret \(name) is no private key in PEM without a passphrase",
                    credential: .refused)
            }
            return key
        }
    }

    /// By the key before, while it is live beside the current one.
    private func withFormerKey(_ configuration: TLSConfiguration) -> NIOSSLContext? {
        guard case .secret(let name)? = source.key, let bytes = try? formers.open(name),
            let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem)
        else { return nil }
        var configuration = configuration
        configuration.privateKey = .privateKey(key)
        return try? NIOSSLContext(configuration: configuration)
    }

    private static func certificates(in path: String, _ part: Part) throws(Trouble) -> [NIOSSLCertificate] {
        let found: [NIOSSLCertificate] = try read(path, part) { try NIOSSLCertificate.fromPEMFile($0) }
        guard !found.isEmpty else {
            throw Trouble(description: "there is no certificate in \(part.rawValue)", detail: path)
        }
        return found
    }

    private static func read<Value>(
        _ path: String, _ part: Part, _ body: (String) throws -> Value
    ) throws(Trouble) -> Value {
        guard access(path, R_OK) == 0 else {
            throw Trouble(
                description: "\(part.rawValue): \(String(cString: strerror(errno)))", detail: path)
        }
        do {
            return try body(path)
        } catch {
            throw Trouble(
                description: "\(part.rawValue): it cannot be used", detail: "\(path): \(error)")
        }
    }
}
