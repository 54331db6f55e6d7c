import Glibc
package import NIOSSL
import Synchronization

/// The certificate of a listener, from files, taken anew when they change.
///
/// Connections that are open keep what they began with; each new one gets the newest. Files that are wrong change nothing: a half-written
/// certificate does not close the door.
package final class ListenerTLS: Sendable {
    package struct Files: Hashable, Sendable {
        /// PEM: the certificate, then those that lead from it to its root.
        package var certificate: String
        /// PEM, without a passphrase.
        package var key: String
        /// PEM: whose clients' certificates are believed; `nil`: clients are not asked for any.
        package var clientCA: String?

        package init(certificate: String, key: String, clientCA: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientCA = clientCA
        }

        var paths: [String] { [certificate, key] + (clientCA.map { [$0] } ?? []) }
    }

    /// A file that cannot be used, and why.
    package struct Trouble: Error, Hashable, Sendable, CustomStringConvertible {
        package let path: String
        package let reason: String

        package var description: String { "\(path): \(reason)" }
    }

    package enum Change: Hashable, Sendable {
        case none
        case renewed
        /// What was in use stays.
        case failed(Trouble)
    }

    private struct State {
        var context: NIOSSLContext
        var stamps: [FileStamp?]
    }

    private let files: Files
    private let state: Mutex<State>

    /// Reads the files; that blocks, so it is not for event loops.
    package init(_ files: Files) throws(Trouble) {
        self.files = files
        let stamps = files.paths.map { FileStamp($0) }
        state = Mutex(State(context: try Self.context(files), stamps: stamps))
    }

    /// For `HTTPListener`, at each new connection.
    package var source: @Sendable () -> NIOSSLContext {
        { [self] in state.withLock { $0.context } }
    }

    /// Looks whether the files have changed, and takes them if they have. To be called now and then; blocks as files do.
    package func refresh() -> Change {
        let stamps = files.paths.map { FileStamp($0) }
        guard stamps != state.withLock({ $0.stamps }) else { return .none }
        do throws(Trouble) {
            let context = try Self.context(files)
            state.withLock { $0 = State(context: context, stamps: stamps) }
            return .renewed
        } catch {
            // Not again for the same files: one word about each mistake.
            state.withLock { $0.stamps = stamps }
            return .failed(error)
        }
    }

    private static func context(_ files: Files) throws(Trouble) -> NIOSSLContext {
        let chain: [NIOSSLCertificate] = try read(files.certificate) { try NIOSSLCertificate.fromPEMFile($0) }
        guard !chain.isEmpty else {
            throw Trouble(path: files.certificate, reason: "there is no certificate in it")
        }
        let key: NIOSSLPrivateKey = try read(files.key) { try NIOSSLPrivateKey(file: $0, format: .pem) }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        // Whoever does not say good-bye in time does not hold a descriptor for it.
        configuration.shutdownTimeout = .seconds(2)
        if let path = files.clientCA {
            let roots: [NIOSSLCertificate] = try read(path) { try NIOSSLCertificate.fromPEMFile($0) }
            guard !roots.isEmpty else { throw Trouble(path: path, reason: "there is no certificate in it") }
            configuration.trustRoots = .certificates(roots)
            // Whoever shows none may still have a key or a token; whoever shows a bad one is cut off.
            configuration.certificateVerification = .optionalVerification
        }
        return try read(files.certificate) { _ in try NIOSSLContext(configuration: configuration) }
    }

    private static func read<Value>(_ path: String, _ body: (String) throws -> Value) throws(Trouble) -> Value
    {
        guard access(path, R_OK) == 0 else {
            throw Trouble(path: path, reason: String(cString: strerror(errno)))
        }
        do {
            return try body(path)
        } catch {
            throw Trouble(path: path, reason: "it cannot be used: \(error)")
        }
    }
}
