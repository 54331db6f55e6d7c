import HTTPWire
import NIOCore
import NIOPosix
import NIOSSL

/// What a pool has of one origin: its connections, and the requests that wait for one.
final class PooledOrigin {
    let origin: HTTPURL.Origin
    /// The last one was used last.
    fileprivate var idle: [HTTPClientConnection] = []
    /// Open or opening.
    fileprivate var connections = 0
    fileprivate var opening = 0
    fileprivate var waiting = CircularBuffer<HTTPTransaction>()

    init(_ origin: HTTPURL.Origin) { self.origin = origin }

    fileprivate var isUnused: Bool { connections == 0 && waiting.isEmpty }
}

/// The connections of one event loop, by origin. Lives on that loop.
///
/// The most recently used connection is taken first, so that those that are too many grow old and close.
final class HTTPClientPool {
    private let loop: any EventLoop
    private let limits: HTTPClientLimits
    private let tls: HTTPClientTLS
    private let watch: AddressWatch?
    private var origins: [HTTPURL.Origin: PooledOrigin] = [:]
    /// That of the last request: most are for the same one, and to compare two origins takes less than to hash one.
    private var last: PooledOrigin?
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
        let place = place(of: transaction.request.url.origin)
        while let connection = place.idle.popLast() {
            if connection.isUsable { return connection.start(transaction) }
            connection.close()  // its place is given back when it is gone
        }
        guard place.waiting.count < limits.waitingPerOriginMax else {
            return transaction.fail(.tooManyWaiting(max: limits.waitingPerOriginMax))
        }
        place.waiting.append(transaction)
        transaction.wait(in: self, atMost: limits.waitMax)
        openIfNeeded(to: place)
    }

    private func place(of origin: HTTPURL.Origin) -> PooledOrigin {
        if let last, last.origin == origin { return last }
        if let known = origins[origin] {
            last = known
            return known
        }
        let made = PooledOrigin(origin)
        origins[origin] = made
        last = made
        return made
    }

    /// The transaction no longer waits.
    func forget(_ transaction: HTTPTransaction) {
        origins[transaction.request.url.origin]?.waiting.removeAll { $0 === transaction }
    }

    /// A connection that has done its work and can do more.
    func takeBack(_ connection: HTTPClientConnection) {
        guard closed == nil else { return connection.close() }
        if let next = connection.place.waiting.popFirst() {
            connection.start(next)
        } else {
            connection.park()
            connection.place.idle.append(connection)
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
        for place in origins.values { place.waiting.removeAll() }
        for connection in open.values { connection.failAndClose(.shutDown) }
        checkClosed()
        return promise.futureResult
    }

    // MARK: Opening

    /// Opens a connection for each request that waits and has none coming, as far as the bound allows.
    private func openIfNeeded(to place: PooledOrigin) {
        guard closed == nil, place.opening < place.waiting.count,
            place.connections < limits.connectionsPerOriginMax
        else { return }
        place.connections += 1
        place.opening += 1
        connect(to: place).assumeIsolated().whenComplete { result in
            place.opening -= 1
            switch result {
            case .success(let connection): self.opened(connection.value)
            case .failure(let error): self.openingFailed(to: place, error)
            }
        }
    }

    private func opened(_ connection: HTTPClientConnection) {
        guard connection.isAlive else { return openingFailed(to: connection.place, ChannelError.eof) }
        open[ObjectIdentifier(connection)] = connection
        connection.whenClosed {
            connection.place.idle.removeAll { $0 === connection }
            self.gone(connection)
        }
        takeBack(connection)
    }

    private func openingFailed(to place: PooledOrigin, _ error: any Error) {
        place.connections -= 1
        // One attempt failed, so one request does: the oldest, which has waited for it.
        place.waiting.popFirst()?.fail(cause(of: error))
        after(losingOneOf: place)
    }

    private func gone(_ connection: HTTPClientConnection) {
        guard open.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        connection.place.connections -= 1
        after(losingOneOf: connection.place)
    }

    private func after(losingOneOf place: PooledOrigin) {
        openIfNeeded(to: place)
        if place.isUnused, origins[place.origin] === place {
            origins[place.origin] = nil
            if last === place { last = nil }
        }
        checkClosed()
    }

    private func checkClosed() {
        if let closed, origins.values.allSatisfy({ $0.connections == 0 }) { closed.succeed() }
    }

    /// Name, TCP and TLS, all within ``HTTPClientLimits/connectTimeout``.
    private func connect(to pooled: PooledOrigin) -> EventLoopFuture<NIOLoopBound<HTTPClientConnection>> {
        let timeout = TimeAmount(limits.connectTimeout)
        let isLate = NIOLoopBoundBox(false, eventLoop: loop)
        let connected = NIOLoopBoundBox<HTTPClientConnection?>(nil, eventLoop: loop)
        let opened = loop.makePromise(of: NIOLoopBound<HTTPClientConnection>.self)
        let timer = loop.assumeIsolated().scheduleTask(in: timeout) {
            isLate.value = true
            opened.fail(ChannelError.connectTimeout(timeout))
            connected.value?.close()
        }
        channel(to: pooled, within: timeout).flatMap { [loop] channel -> EventLoopFuture<Void> in
            do {
                // That of the channel which won: each address that was tried has had one of its own.
                let connection = try channel.pipeline.syncOperations.handler(type: HTTPClientConnection.self)
                connected.value = connection
                if isLate.value { connection.close() }
                return try connection.whenReady
            } catch {
                return loop.makeFailedFuture(error)
            }
        }.assumeIsolated().whenComplete { [loop] result in
            timer.cancel()
            switch (result, connected.value) {
            case (.failure(let error), _): opened.fail(error)
            case (.success, let connection?): opened.succeed(NIOLoopBound(connection, eventLoop: loop))
            case (.success, nil): opened.fail(ChannelError.eof)
            }
        }
        return opened.futureResult
    }

    /// A channel to the first of the origin's addresses that takes one.
    private func channel(to pooled: PooledOrigin, within timeout: TimeAmount) -> EventLoopFuture<any Channel>
    {
        let origin = pooled.origin
        let makeConnection = NIOLoopBound(
            { HTTPClientConnection(to: pooled, limits: self.limits, pool: self) }, eventLoop: loop)
        let context: EventLoopFuture<NIOSSLContext?> =
            origin.scheme == .https
            ? tls.context(on: loop).map { $0 } : loop.makeSucceededFuture(nil)
        return context.flatMap { [loop, tls, watch] context -> EventLoopFuture<any Channel> in
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
                        try channel.pipeline.syncOperations.addHandler(makeConnection.value())
                    }
                }
            if let place { return bootstrap.connect(to: place) }
            return bootstrap.connect(host: origin.host, port: origin.port)
        }
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
