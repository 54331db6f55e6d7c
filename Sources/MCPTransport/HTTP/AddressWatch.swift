import HTTPWire
import NIOCore
import NIOPosix

/// Has a client ask about an address before it connects to it.
///
/// A name is resolved once for each connection, what it leads to is asked about, and the connection goes to that very address: a name
/// that leads elsewhere a moment later (DNS rebinding) changes nothing. Redirects are followed by nobody here.
package struct AddressWatch: Sendable {
    struct Refusal: Error {
        let reason: String
    }

    /// Why not to go there; `nil`: go. `bytes` are the address's, 4 or 16, in the order of the wire.
    private let objection: @Sendable (_ bytes: [UInt8], _ host: String) -> String?

    package init(objection: @escaping @Sendable (_ bytes: [UInt8], _ host: String) -> String?) {
        self.objection = objection
    }

    /// Resolves off the event loop, since that blocks.
    func address(of origin: HTTPURL.Origin, on loop: any EventLoop) -> EventLoopFuture<SocketAddress> {
        let (host, port) = (origin.host, origin.port)
        let literal = origin.authority.address(defaultPort: port)
        let found: EventLoopFuture<SocketAddress> =
            if let literal {
                loop.makeSucceededFuture(literal)
            } else {
                NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
                    try SocketAddress.makeAddressResolvingHost(host, port: port)
                }
            }
        return found.flatMapThrowing { address in
            guard let bytes = address.ipBytes else { throw Refusal(reason: "\(host) leads to no IP address") }
            if let reason = objection(bytes, host) { throw Refusal(reason: reason) }
            return address
        }
    }
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
