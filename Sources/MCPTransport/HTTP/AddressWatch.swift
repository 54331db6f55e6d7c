import HTTPWire
package import NIOCore
import NIOPosix
import Synchronization

/// Has a client ask about an address before it connects to it.
///
/// A name is resolved once for each connection, each address that it leads to is asked about, and the connection goes to one of those that
/// may be gone to: a name that leads elsewhere a moment later (DNS rebinding) changes nothing. Redirects are followed by nobody here.
package struct AddressWatch: Sendable {
    struct Refusal: Error {
        let reason: String
    }

    /// What a connection is to be opened to.
    package struct Question: Hashable, Sendable {
        /// The address's, 4 or 16, in the order of the wire.
        package var bytes: [UInt8]
        /// As the URL names it; an IPv6 address without its brackets.
        package var host: String
        package var port: Int

        package init(bytes: [UInt8], host: String, port: Int) {
            self.bytes = bytes
            self.host = host
            self.port = port
        }
    }

    /// All addresses of a name, the preferred first; blocks. Throws where there are none.
    package typealias Resolve = @Sendable (_ host: String, _ port: Int) throws -> [SocketAddress]

    /// Why not to go there; `nil`: go.
    private let objection: @Sendable (Question) -> String?
    private let lookUps: LookUps

    /// - Parameter resolve: `nil`: as the system does.
    package init(resolve: Resolve? = nil, objection: @escaping @Sendable (Question) -> String?) {
        self.objection = objection
        lookUps = resolve.map { LookUps($0) } ?? .system
    }

    /// The address, where the origin spells one and it may be gone to; `nil` where it is a name.
    func literal(_ origin: HTTPURL.Origin) throws -> SocketAddress? {
        guard let address = origin.authority.address(defaultPort: origin.port) else { return nil }
        if let refusal = refusal(of: address, origin.host, origin.port) { throw refusal }
        return address
    }

    /// What a bootstrap asks for the addresses of a name.
    func resolver(on loop: any EventLoop) -> any Resolver & Sendable {
        WatchedResolver { host, port in
            lookUps.addresses(of: host, port, on: loop).flatMapThrowing { found in
                let refusals = found.map { refusal(of: $0, host, port) }
                let allowed = zip(found, refusals).filter { $0.1 == nil }.map(\.0)
                if allowed.isEmpty, let first = refusals.compactMap({ $0 }).first { throw first }
                return allowed
            }
        }
    }

    private func refusal(of address: SocketAddress, _ host: String, _ port: Int) -> Refusal? {
        guard let bytes = address.ipBytes else { return Refusal(reason: "\(host) leads to no IP address") }
        return objection(Question(bytes: bytes, host: host, port: port)).map { Refusal(reason: $0) }
    }
}

/// Answers both questions of a bootstrap, for addresses of IPv4 and of IPv6, from one look-up.
private final class WatchedResolver: Resolver, Sendable {
    private let find: @Sendable (String, Int) -> EventLoopFuture<[SocketAddress]>
    /// The one look-up, once somebody has asked.
    private let found = Mutex<EventLoopFuture<[SocketAddress]>?>(nil)

    init(find: @escaping @Sendable (String, Int) -> EventLoopFuture<[SocketAddress]>) { self.find = find }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        addresses(of: host, port).map { $0.filter { $0.protocol == .inet6 } }
    }

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        addresses(of: host, port).map { $0.filter { $0.protocol == .inet } }
    }

    private func addresses(of host: String, _ port: Int) -> EventLoopFuture<[SocketAddress]> {
        found.withLock { found in
            if let found { return found }
            let begun = find(host, port)
            found = begun
            return begun
        }
    }

    /// A look-up that has begun cannot be ended; its answer is heard by nobody then.
    func cancelQueries() {}
}

extension SocketAddress {
    /// Of an IPv4 or IPv6 address, in the order of the wire.
    fileprivate var ipBytes: [UInt8]? {
        switch self {
        case .v4(let address): withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
        case .v6(let address): withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
        case .unixDomainSocket: nil
        }
    }
}
