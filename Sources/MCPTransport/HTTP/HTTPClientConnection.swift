import HTTPWire
import NIOCore
import NIOSSL
import NIOTLS

/// The client's end of one connection: one request at a time. Lives on its channel's loop.
final class HTTPClientConnection: ChannelInboundHandler, FlushRound.Member {
    typealias InboundIn = ByteBuffer

    let place: PooledOrigin
    private let limits: HTTPClientLimits
    /// As long as it is open: each holds the other.
    private var pool: HTTPClientPool?
    private var decoder: HTTPResponseDecoder
    private var transaction: HTTPTransaction?
    private var context: ChannelHandlerContext?
    private var outlet = SocketOutlet()
    private var round: FlushRound?
    /// Whether a request was written that ``round`` has not given to the kernel yet.
    private var awaitsRound = false
    private var deadline: MovingDeadline?
    /// Until when it may be used again.
    private var idleUntil = NIODeadline.distantFuture
    private var hasHead = false
    private var requestsStarted = 0
    /// Whether the request under way is more than a socket takes at once for sure.
    private var isLong = false
    /// Of an answer that is a stream of events.
    private var pace: EventPace?
    /// Ends the rest in which nothing is read.
    private var waking: Scheduled<Void>?
    private var lastError: (any Error)?
    /// Closing may take a while (TLS says good-bye); from its start nothing may be sent any more.
    private var isClosing = false

    /// Kept when requests can be sent: with the connection or, where there is TLS, with its handshake. Made and broken with its channel.
    private var ready: EventLoopPromise<Void>?
    private let usesTLS: Bool

    init(to place: PooledOrigin, limits: HTTPClientLimits, pool: HTTPClientPool) {
        self.place = place
        self.limits = limits
        self.pool = pool
        usesTLS = place.origin.scheme == .https
        decoder = HTTPResponseDecoder(limits: limits.message)
    }

    // MARK: For the pool

    var isAlive: Bool { !isClosing && context?.channel.isActive == true }

    /// When requests can be sent; fails where they never can. Only once it has a channel.
    var whenReady: EventLoopFuture<Void> {
        get throws {
            guard let ready else { throw ChannelError.eof }
            return ready.futureResult
        }
    }

    /// Whether a request may be sent on it now.
    var isUsable: Bool { isAlive && transaction == nil && decoder.isIdle && idleUntil > .now() }

    /// Sends the request, head and body in one write.
    ///
    /// Only while it ``isUsable``.
    func start(_ next: HTTPTransaction) {
        guard isAlive, let context else { return next.fail(.connectionLost("it was closed")) }
        transaction = next
        next.run(on: self)
        hasHead = false
        requestsStarted += 1
        idleUntil = .distantFuture
        decoder.expectResponse(to: next.request.method)
        let headDue = next.request.headTimeout.map { NIODeadline.now() + TimeAmount($0) }
        deadline?.move(to: [headDue, next.nextDue].compactMap { $0 }.min())
        next.noteWritten()
        let buffer = next.ready ?? encoded(next.request, in: context)
        isLong = buffer.readableBytes > Self.shortBytes
        awaitsRound = true
        outlet.add(buffer, context)
        round?.add(self)
    }

    private func encoded(_ request: HTTPClientRequest, in context: ChannelHandlerContext) -> ByteBuffer {
        var buffer = context.channel.allocator.buffer(capacity: Self.headRoom + request.body.count)
        request.head.encode(framing: request.framing, into: &buffer)
        buffer.writeBytes(request.body)
        return buffer
    }

    func flush() {
        awaitsRound = false
        if let context { outlet.flush(context) }
    }

    /// Lets it wait for the next request.
    func park() {
        idleUntil = .now() + TimeAmount(limits.idleLife)
        deadline?.move(to: idleUntil)
    }

    /// For good. A request under way fails, if it has not before.
    func close() {
        isClosing = true
        context?.close(promise: nil)
    }

    /// Has `body` called, on the loop, when the connection is gone; at once if it is.
    func whenClosed(_ body: @escaping () -> Void) {
        guard let context else { return body() }
        context.channel.closeFuture.assumeIsolated().whenComplete { _ in body() }
    }

    func failAndClose(_ cause: HTTPClientError.Cause) {
        let failing = transaction
        transaction = nil
        close()
        failing?.fail(cause)
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if !usesTLS { outlet = SocketOutlet(plain: context.channel) }
        round = FlushRound.on(context.eventLoop)
        ready = context.eventLoop.makePromise()
        deadline = MovingDeadline(on: context.eventLoop) { self.deadlinePassed() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.stop()
        waking?.cancel()
        self.context = nil
        pool = nil
        becomeReady(.failure(lastError ?? ChannelError.eof))
    }

    func channelActive(context: ChannelHandlerContext) {
        if isClosing { return context.close(promise: nil) }  // given up on while it was being opened
        if !usesTLS { becomeReady(.success(())) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { becomeReady(.success(())) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.feed(unwrapInboundIn(data))
        takeWhole()
        do throws(HTTPWireError) {
            while let part = try decoder.next() { take(part) }
        } catch {
            return failAndClose(.badResponse(error))
        }
        if pace != nil { keepPace() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.stop()
        if let transaction {
            self.transaction = nil
            end(transaction)
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        lastError = error
        becomeReady(.failure(error))
        close()
    }

    /// Only the first one counts.
    private func becomeReady(_ result: Result<Void, any Error>) { ready?.completeWith(result) }

    // MARK: Responses

    /// Room for a request line and the fields that most requests have.
    private static let headRoom = 512
    /// Every socket has room for so much when it is idle.
    private static let shortBytes = 4_096

    /// Takes an answer that is all there, in one step where that can be done.
    private func takeWhole() {
        guard let transaction, transaction.takesWhole, let (head, body) = decoder.nextJSON() else { return }
        leave()
        transaction.finish(head, body)
    }

    /// The answer is over: the connection is the next request's, or nobody's.
    private func leave() {
        transaction = nil
        deadline?.move(to: nil)
        if decoder.isReusable, !isStillSending, isAlive, let pool {
            pool.takeBack(self)
        } else {
            close()
        }
    }

    private func take(_ part: HTTPResponseDecoder.Part) {
        guard let transaction else { return }
        switch part {
        case .head(let head):
            hasHead = true
            deadline?.move(to: transaction.nextDue)
            if decoder.mayBring(EventPace.unpacedBytes), head.headers.isMediaType("text/event-stream") {
                pace = EventPace()
            }
            transaction.deliver(.head(head))
        case .body(let bytes):
            pace?.hear(bytes.readableBytesView)
            transaction.deliver(.body(Array(bytes.readableBytesView)))
        case .end:
            if pace != nil { forgetPace() }
            leave()
            transaction.finish(.end)
        }
    }

    // MARK: Streams of events

    private func keepPace() {
        if pace?.endRead() != nil { readAsPaced() }
        if pace?.isStorm == true { rest() }
    }

    private func readAsPaced() {
        let reads: any RecvByteBufferAllocator =
            pace?.isStorm == true ? SmallReads() : AdaptiveRecvByteBufferAllocator()
        try? context?.channel.syncOptions?.setOption(.recvAllocator, value: reads)
    }

    private func rest() {
        guard let context, waking == nil else { return }
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        waking = context.eventLoop.assumeIsolated().scheduleTask(in: EventPace.rest) { self.wake() }
    }

    private func wake() {
        waking?.cancel()
        waking = nil
        try? context?.channel.syncOptions?.setOption(.autoRead, value: true)
    }

    /// The next answer begins as any does.
    private func forgetPace() {
        if waking != nil { wake() }
        let wasStorm = pace?.isStorm == true
        pace = nil
        if wasStorm { readAsPaced() }
    }

    /// An answer can come before the request is wholly out; then the rest of it is still in the way of the next.
    private var isStillSending: Bool {
        if awaitsRound { return true }
        return isLong && context?.channel.waitingBytes ?? 0 > 0
    }

    /// The connection is gone, and with it what the request still waited for.
    private func end(_ transaction: HTTPTransaction) {
        do throws(HTTPWireError) {
            if try decoder.finish() != nil { return transaction.finish(.end) }
        } catch {
            if case .cutOff = error, !hasHead {
                if let lastError, !Self.isEndOfStream(lastError) {
                    return transaction.fail(.connectionLost("\(lastError)"))
                }
                return transaction.fail(.closedBeforeAnswer(reused: requestsStarted > 1))
            }
            return transaction.fail(lastError.map { .connectionLost("\($0)") } ?? .badResponse(error))
        }
        transaction.fail(.connectionLost("it was closed"))
    }

    private static func isEndOfStream(_ error: any Error) -> Bool {
        let code = (error as? IOError)?.errnoCode
        return code == LibC.connectionReset || code == LibC.brokenPipe
            || (error as? NIOSSLError) == .uncleanShutdown
    }

    private func deadlinePassed() {
        guard let transaction else { return close() }  // idle for long enough
        if transaction.losePatience() {
            if let still = self.transaction { deadline?.move(to: still.nextDue) }
            return
        }
        if let timeout = transaction.request.timeout, let due = transaction.due, due <= .now() {
            failAndClose(.timedOut(after: timeout))
        } else {
            failAndClose(.headTimedOut(after: transaction.request.headTimeout ?? .zero))
        }
    }
}
