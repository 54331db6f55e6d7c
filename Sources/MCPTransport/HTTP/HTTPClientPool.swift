import HTTPWire
import NIOCore
import NIOPosix
import NIOSSL

/// The connections of one event loop, by origin. Lives on that loop.
///
/// The most recently used connection is taken first, so that those that are too many grow old and close.
final class HTTPClientPool {
    private struct OriginState {
        /// The last one was used last.
        var idle: [HTTPClientConnection] = []
        /// Open or opening.
        var connections = 0
        var opening = 0
        var waiting = CircularBuffer<HTTPTransaction>()

        var isUnused: Bool { connections == 0 && waiting.isEmpty }
    }

    private let loop: any EventLoop
    private let limits: HTTPClientLimits
    private let tls: HTTPClientTLS
    private let watch: AddressWatch?
    private var origins: [HTTPURL.Origin: OriginState] = [:]
    private var open: [ObjectIdentifier: HTTPClientConnection] = [:]
    private var closed: EventLoopPromise<Void>?

    init(on loop: any EventLoop, limits: HTTPClientLimits, tls: HTTPClientTLS, watch: AddressWatch? = nil) {
        self.loop = loop
        self.limits = limits
        self.tls = tls
        self.watch = watch
    }

    var connectionCount: Int { open.count }

    func submit(_ transaction: HTTPTransaction) {
        guard closed == nil else { return transaction.fail(.shutDown) }
        let origin = transaction.request.url.origin
        while let connection = origins[origin]?.idle.popLast() {
            if connection.isUsable { return connection.start(transaction) }
            connection.close()  // its place is given back when it is gone
        }
        guard origins[origin, default: OriginState()].waiting.count < limits.waitingPerOriginMax else {
            return transaction.fail(.tooManyWaiting(max: limits.waitingPerOriginMax))
        }
        origins[origin, default: OriginState()].waiting.append(transaction)
        transaction.wait(in: self, atMost: limits.waitMax)
        openIfNeeded(to: origin)
    }

    /// The transaction no longer waits.
    func forget(_ transaction: HTTPTransaction) {
        origins[transaction.request.url.origin]?.waiting.removeAll { $0 === transaction }
    }

    /// A connection that has done its work and can do more.
    func takeBack(_ connection: HTTPClientConnection) {
        guard closed == nil else { return connection.close() }
        if let next = origins[connection.origin]?.waiting.popFirst() {
            connection.start(next)
        } else {
            connection.park()
            origins[connection.origin]?.idle.append(connection)
        }
    }

    /// Fails what waits, closes all connections.
    ///
    /// - Returns: when they are gone.
    func shutDown() -> EventLoopFuture<Void> {
        if let closed { return closed.futureResult }
        let promise = loop.makePromise(of: Void.self)
        closed = promise
        for transaction in origins.values.flatMap(\.waiting) { transaction.fail(.shutDown) }
        for origin in origins.keys { origins[origin]?.waiting.removeAll() }
        for connection in open.values { connection.failAndClose(.shutDown) }
        checkClosed()
        return promise.futureResult
    }

    // MARK: Opening

    /// Opens a connection for each request that waits and has none coming, as far as the bound allows.
    private func openIfNeeded(to origin: HTTPURL.Origin) {
        guard closed == nil, let state = origins[origin], state.opening < state.waiting.count,
            state.connections < limits.connectionsPerOriginMax
        else { return }
        origins[origin]?.connections += 1
        origins[origin]?.opening += 1
        connect(to: origin).assumeIsolated().whenComplete { result in
            self.origins[origin]?.opening -= 1
            switch result {
            case .success(let connection): self.opened(connection.value)
            case .failure(let error): self.openingFailed(to: origin, error)
            }
        }
    }

    private func opened(_ connection: HTTPClientConnection) {
        guard connection.isAlive else { return openingFailed(to: connection.origin, ChannelError.eof) }
        open[ObjectIdentifier(connection)] = connection
        connection.whenClosed { [weak self] in self?.gone(connection) }
        takeBack(connection)
    }

    private func openingFailed(to origin: HTTPURL.Origin, _ error: any Error) {
        origins[origin]?.connections -= 1
        // One attempt failed, so one request does: the oldest, which has waited for it.
        origins[origin]?.waiting.popFirst()?.fail(cause(of: error))
        after(losingOneOf: origin)
    }

    private func gone(_ connection: HTTPClientConnection) {
        guard open.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        origins[connection.origin]?.connections -= 1
        origins[connection.origin]?.idle.removeAll { $0 === connection }
        after(losingOneOf: connection.origin)
    }

    private func after(losingOneOf origin: HTTPURL.Origin) {
        openIfNeeded(to: origin)
        if origins[origin]?.isUnused == true { origins[origin] = nil }
        checkClosed()
    }

    private func checkClosed() {
        if let closed, origins.values.allSatisfy({ $0.connections == 0 }) { closed.succeed() }
    }

    /// Name, TCP and TLS, all within ``HTTPClientLimits/connectTimeout``.
    private func connect(to origin: HTTPURL.Origin) -> EventLoopFuture<NIOLoopBound<HTTPClientConnection>> {
        let ready = loop.makePromise(of: Void.self)
        let connection = NIOLoopBound(
            HTTPClientConnection(to: origin, limits: limits, pool: self, ready: ready), eventLoop: loop)
        let timeout = TimeAmount(limits.connectTimeout)
        let timer = loop.assumeIsolated().scheduleTask(in: timeout) {
            ready.fail(ChannelError.connectTimeout(timeout))
            connection.value.close()
        }
        let context: EventLoopFuture<NIOSSLContext?> =
            origin.scheme == .https
            ? tls.context(on: loop).map { $0 } : loop.makeSucceededFuture(nil)
        context.flatMap { [loop, tls, watch] context -> EventLoopFuture<any Channel> in
            let place: SocketAddress?
            do {
                let literal = origin.authority.address(defaultPort: origin.port)
                place = if let watch { try watch.literal(origin) } else { literal }
            } catch {
                return loop.makeFailedFuture(error)
            }
            let bootstrap = ClientBootstrap(group: loop)
                .resolver(watch?.resolver(on: loop))
                .connectTimeout(timeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                // A server that sends without pause gets its turn after the others of its loop have had theirs.
                .channelOption(.maxMessagesPerRead, value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let context {
                            try channel.pipeline.syncOperations.addHandler(
                                tls.handler(context, for: origin))
                        }
                        try channel.pipeline.syncOperations.addHandler(connection.value)
                    }
                }
            if let place { return bootstrap.connect(to: place) }
            return bootstrap.connect(host: origin.host, port: origin.port)
        }.whenFailure { ready.fail($0) }
        return ready.futureResult.map { connection }.always { _ in timer.cancel() }
    }

    private func cause(of error: any Error) -> HTTPClientError.Cause {
        switch error {
        case let error as AddressWatch.Refusal: .addressRefused(error.reason)
        case is SocketAddressError, is SocketAddressError.UnknownHost: .unknownHost
        case ChannelError.connectTimeout: .connectTimedOut(after: limits.connectTimeout)
        case let error as NIOConnectionError:
            if let refusal = (error.dnsAError ?? error.dnsAAAAError) as? AddressWatch.Refusal {
                .addressRefused(refusal.reason)
            } else if error.connectionErrors.isEmpty, error.dnsAError != nil || error.dnsAAAAError != nil {
                .unknownHost
            } else if let first = error.connectionErrors.first {
                cause(of: first.error)
            } else {
                .connectFailed("\(error)")
            }
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError: .tls("\(error)")
        case let error as HTTPClientTLS.ContextError: .tls(error.description)
        case let error as ClientIdentity.Trouble: error.cause
        case ChannelError.eof: .connectFailed("the connection was closed at once")
        case let error as IOError: .connectFailed(LibC.text(of: error.errnoCode))
        default: .connectFailed("\(error)")
        }
    }
}
