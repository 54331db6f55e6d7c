import HTTPWire
package import NIOCore

/// Sends requests over kept-alive connections, each loop with its own.
///
/// A request from one of the group's loops stays on that loop, connection, events and all. Redirects are not
/// followed and nothing is ever sent twice, but for what a server refused with 401 and another credential is there
/// (``HTTPClientRequest/again``): a connection that turns out to be closed before the first byte
/// was written is replaced, every other failure is the caller's to judge by ``HTTPClientError/notSent``.
package final class HTTPClient: Sendable {
    private struct LoopPool: Sendable {
        let loop: any EventLoop
        /// Filled by the loop itself on first use.
        let pool: NIOLoopBoundBox<HTTPClientPool?>
    }

    /// The most that ``collect(_:bodyBytesMax:)`` gathers unless told otherwise.
    package static let collectedBytesMax = 64 * 1024 * 1024

    private let group: any EventLoopGroup
    private let limits: HTTPClientLimits
    private let tls: HTTPClientTLS
    private let watch: AddressWatch?
    private let pools: [ObjectIdentifier: LoopPool]

    /// - Parameters:
    ///   - additionalRoots: paths of PEM files with certificates to trust besides the system's.
    ///   - pinned: the path of a PEM file whose first certificate is the only one that is believed, whatever names stand in it: for
    ///     a listener of this very host.
    ///   - identity: the authority that is believed and the certificate that is shown, of one backend's own; `nil`: the system's roots,
    ///     and none.
    ///   - watch: asked about the address of each connection before it is opened; `nil`: any will do.
    package init(
        group: any EventLoopGroup, limits: HTTPClientLimits = .standard, additionalRoots: [String] = [],
        pinned: String? = nil, identity: ClientIdentity? = nil, watch: AddressWatch? = nil
    ) {
        self.group = group
        self.limits = limits
        tls = HTTPClientTLS(additionalRoots: additionalRoots, pinned: pinned, identity: identity)
        self.watch = watch
        var pools: [ObjectIdentifier: LoopPool] = [:]
        for loop in group.makeIterator() {
            pools[ObjectIdentifier(loop)] = LoopPool(loop: loop, pool: .makeEmptyBox(eventLoop: loop))
        }
        self.pools = pools
    }

    /// Sends a request.
    ///
    /// - Parameter sink: called with each event on the connection's loop; must not block. The pieces of a
    ///   body come as fast as the server sends them: whoever keeps them needs a bound.
    package func send(
        _ request: HTTPClientRequest, _ sink: @escaping @Sendable (HTTPClientEvent) -> Void
    ) -> HTTPClientHandle {
        guard let again = request.again else { return sendOnce(request, sink) }
        let second = SecondCredential(sink)
        let first = LateHandle()
        first.hold(
            sendOnce(request) { [weak self] event in
                second.take(
                    event, again: { self == nil ? nil : again() }, giveUp: { self?.giveUp(first) }
                ) { other, sink in
                    self?.send(other, sink) ?? HTTPClientHandle {}
                }
            })
        return HTTPClientHandle { if second.cancel() { first.cancel() } }
    }

    /// Ends a request the rest of whose answer is nobody's: a server that leaves it open must not hold a connection by that. One whose
    /// answer is whole with what has come so far leaves its connection to others.
    func giveUp(_ running: LateHandle) { group.any().execute { running.cancel() } }

    private func sendOnce(
        _ request: HTTPClientRequest, _ sink: @escaping @Sendable (HTTPClientEvent) -> Void
    ) -> HTTPClientHandle {
        let loop = group.any()
        guard let place = pools[ObjectIdentifier(loop)] else {
            sink(.failed(HTTPClientError(.shutDown, origin: request.url.origin, notSent: true)))
            return HTTPClientHandle {}
        }
        let running = NIOLoopBoundBox.makeEmptyBox(valueType: HTTPTransaction.self, eventLoop: loop)
        let start: @Sendable () -> Void = {
            let transaction = HTTPTransaction(request, on: loop, sink)
            running.value = transaction
            self.pool(at: place).submit(transaction)
        }
        let cancel: @Sendable () -> Void = { running.value?.cancel() }
        if loop.inEventLoop { start() } else { loop.execute(start) }
        return HTTPClientHandle { if loop.inEventLoop { cancel() } else { loop.execute(cancel) } }
    }

    /// Sends a request whose bytes are ready; on one of the group's loops, over a connection of that loop.
    ///
    /// - Parameters:
    ///   - ready: the request as it goes over the wire.
    ///   - request: the same; without a second credential.
    ///   - patience: after which time without the last event `user` is told so, once.
    /// - Returns: `nil` where there is no such loop here: nothing was sent.
    func send(
        ready: ByteBuffer, _ request: SentRequest, on loop: any EventLoop, patience: Duration,
        for user: any HTTPClientUser
    ) -> HTTPClientHandle? {
        guard let place = pools[ObjectIdentifier(loop)], loop.inEventLoop else { return nil }
        let transaction = HTTPTransaction(ready: ready, request, on: loop, patience: patience, for: user)
        pool(at: place).submit(transaction)
        return HTTPClientHandle(NIOLoopBound(transaction, eventLoop: loop), on: loop)
    }

    /// On the loop of the place.
    private func pool(at place: LoopPool) -> HTTPClientPool {
        if let known = place.pool.value { return known }
        let made = HTTPClientPool(on: place.loop, limits: limits, tls: tls, watch: watch)
        place.pool.value = made
        return made
    }

    /// Takes keys that come from the vault anew, for connections from now on.
    func renewTLS() { tls.renew() }

    /// Connections open now, on all loops, busy or kept.
    package func connectionCount() async -> Int {
        var count = 0
        for place in pools.values {
            count += (try? await place.loop.submit { place.pool.value?.connectionCount ?? 0 }.get()) ?? 0
        }
        return count
    }

    /// Fails what runs, closes all connections and waits for that. What is sent afterwards fails.
    package func shutdown() async {
        for place in pools.values {
            let closed = place.loop.flatSubmit { self.pool(at: place).shutDown() }
            try? await closed.get()
        }
    }
}
