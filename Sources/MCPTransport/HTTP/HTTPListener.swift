package import FoundationEssentials
package import Logging
package import NIOCore
import NIOPosix
package import NIOSSL
import Synchronization

/// One listening socket and all connections that came in by it.
package final class HTTPListener: Sendable {
    /// Where it really listens: port 0 has become the port that the system chose.
    package let address: ListenAddress

    private let channel: any Channel
    private let connections: HTTPConnections
    private let drainTimeout: Duration

    /// How many clients the kernel lets wait for us to accept them.
    private static let backlog: Int32 = 1024
    /// What a connection reads at once at first, and keeps from its first request on: one of a few hundred bytes fits, and where more come at
    /// once more is read at once.
    private static let firstReadBytes = 1024
    /// What it reads at once at most.
    private static let readBytesMax = 64 * 1024

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - hosts: the names that are ours; the bound address is added to them.
    ///   - tls: asked at each new connection, so that a certificate can be exchanged while the listener runs;
    ///     `nil` is plain HTTP.
    ///   - now: by which the certificates of clients run out.
    ///   - handler: called on the connection's loop with each request; must not block.
    /// - Throws: ``ListenError``.
    package static func bind(
        _ address: ListenAddress, group: any EventLoopGroup, limits: HTTPLimits = .standard,
        hosts: HostPolicy = HostPolicy(), tls: (@Sendable () -> NIOSSLContext)? = nil,
        log: Logger = Logger(label: "martlet.http"), now: @escaping @Sendable () -> Date = { Date() },
        handler: @escaping @Sendable (HTTPExchange) -> Void
    ) async throws(ListenError) -> HTTPListener {
        let connections = HTTPConnections(max: limits.connectionsMax)
        let hosts = hosts.including(address)
        let setup = HTTPServerSetup(
            limits: limits, hosts: hosts, budget: BodyBudget(max: limits.bodyBytesOpenMax),
            connections: connections, isSecure: tls != nil,
            log: log, now: now, handler: handler)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 64, initial: firstReadBytes, maximum: readBytesMax)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let admission = connections.add(channel)
                    let number: UInt64? =
                        switch admission {
                        case .admitted(let number): number
                        case .tooMany: nil
                        case .farTooMany: throw ChannelError.eof  // which closes it
                        }
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls()))
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        HTTPServerConnection(
                            setup, number: number ?? 0,
                            refusedAtOnce: number == nil ? .tooManyConnections : nil))
                }
            }
        do {
            let socket = try await socketAddress(of: address)
            let channel = try await bootstrap.bind(to: socket).get()
            return HTTPListener(
                channel, connections,
                ListenAddress(host: address.host, port: channel.localAddress?.port ?? address.port),
                drainTimeout: limits.drainTimeout)
        } catch {
            throw ListenError(error, at: address)
        }
    }

    private init(
        _ channel: any Channel, _ connections: HTTPConnections, _ address: ListenAddress,
        drainTimeout: Duration
    ) {
        self.channel = channel
        self.connections = connections
        self.address = address
        self.drainTimeout = drainTimeout
    }

    /// Connections that are open now.
    package var connectionCount: Int { connections.count }

    /// Accepts nobody any more, closes idle connections, and waits until the others have been answered, at
    /// most ``HTTPLimits/drainTimeout``; what then still runs is cut off. May be called more than once.
    package func close() async {
        try? await channel.close().get()
        await connections.drain(within: drainTimeout, on: channel.eventLoop)
    }

    /// Resolves names off the event loops, since that blocks.
    private static func socketAddress(of address: ListenAddress) async throws -> SocketAddress {
        if let literal = try? SocketAddress(ipAddress: address.host, port: address.port) { return literal }
        return try await NIOThreadPool.singleton.runIfActive {
            try SocketAddress.makeAddressResolvingHost(address.host, port: address.port)
        }
    }
}
