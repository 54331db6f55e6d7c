import HTTPWire
import Logging
import NIOCore
import NIOSSL
import NIOTLS

/// The server's end of one connection: reads requests one after another and writes their answers.
///
/// Requests that a client sends ahead wait as bytes in the decoder, up to ``HTTPLimits/pipelinedBytesMax``;
/// then nothing is read until the request before them is answered. So answers keep their order by
/// construction. Lives on its channel's loop.
final class HTTPServerConnection: ChannelDuplexHandler, FlushRound.Member {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let setup: HTTPServerSetup
    private let number: UInt64
    private let refusedAtOnce: HTTPRefusal?
    private var peer: PeerCertificate?

    private var decoder: HTTPRequestDecoder
    private var phase = HTTPServerPhase.head
    let exchange = OpenExchange()
    private var body = GatheredBody()
    /// Bytes of the request in hand that the budget was asked for.
    private var bodyBytesHeld = 0
    private var serial: UInt64 = 0
    /// The exchange during which the connection was lost, for those who ask late.
    var lostSerial: UInt64?

    var context: ChannelHandlerContext?
    private var localAddress: String?
    /// From the first request on.
    private var place: ClientPlace?
    private var deadline: MovingDeadline?
    private var waitsFor = HTTPServerWait.nothing
    /// What had not been taken by the client when a deadline last passed.
    private var waitingBytesBefore = 0
    private var isAdvancing = false
    /// Whether something was written that ``round`` has not given to the kernel yet.
    private var awaitsRound = false
    private var outlet = SocketOutlet()
    private var round: FlushRound?
    private var readIsHeldBack = false
    var isDraining = false
    var heads = DatedHeads()

    /// - Parameters:
    ///   - number: in the order in which connections come.
    ///   - refusedAtOnce: what a client is told that should not have connected.
    init(_ setup: HTTPServerSetup, number: UInt64, refusedAtOnce: HTTPRefusal? = nil) {
        self.setup = setup
        self.number = number
        self.refusedAtOnce = refusedAtOnce
        decoder = HTTPRequestDecoder(limits: setup.limits.message)
    }

    var limits: HTTPLimits { setup.limits }
    var log: Logger { setup.log }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if !setup.isSecure { outlet = SocketOutlet(plain: context.channel) }
        round = FlushRound.on(context.eventLoop)
        deadline = MovingDeadline(on: context.eventLoop) { self.deadlinePassed() }
        if context.channel.isActive { begin() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.stop()
        self.context = nil
        place = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.stop()
        lose()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if case .lingering(let left) = phase {
            guard left > bytes.readableBytes else { return close() }
            phase = .lingering(bytesLeft: left - bytes.readableBytes)
            return
        }
        decoder.feed(bytes)
        advance()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, case .head = phase { advance() }
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        let isBusy =
            switch phase {
            case .exchange: true
            case .head: answersWait
            case .body, .lingering, .closed: false
            }
        if isBusy, decoder.bufferedBytes >= limits.pipelinedBytesMax {
            readIsHeldBack = true
        } else {
            context.read()
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent {
            let shown = try? context.channel.pipeline.syncOperations.nioSSL_peerCertificate()
            peer = (try? shown?.toDERBytes()).flatMap { PeerCertificate(der: $0) }
        }
        if event is HTTPConnections.MakesRoom { lose() }
        if event is ChannelShouldQuiesceEvent {
            isDraining = true
            if case .head = phase, decoder.isBetweenRequests { closeAfter(ByteBuffer()) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        log.debug("connection failed", metadata: ["error": "\(error)"])
        close()
    }

    private func begin() {
        localAddress = context?.channel.localAddress?.plainIPAddress
        wait(for: .head)
        if let refusedAtOnce { refuse(refusedAtOnce) }
    }

    // MARK: Requests

    /// Takes all that the decoder can give and the phase allows. A handler that answers at once comes back
    /// here: the flag makes that a turn of the loop instead of a deeper call, however many requests were sent
    /// ahead.
    private func advance() {
        guard !isAdvancing else { return }
        isAdvancing = true
        defer { isAdvancing = false }
        do throws(HTTPWireError) {
            while takesRequests, let part = try decoder.next() { try take(part) }
        } catch {
            refuse(HTTPRefusal(error, names: limits.names))
        }
        settle()
    }

    private var takesRequests: Bool {
        switch phase {
        case .head: !answersWait
        case .body: true
        case .exchange, .lingering, .closed: false
        }
    }

    /// Whether the client has not taken the last answer yet. Until then there is no next one: whoever sends requests ahead and never reads
    /// would make us hold the answers to all of them.
    private var answersWait: Bool { context?.channel.isWritable == false }

    private func take(_ part: consuming HTTPRequestDecoder.Part) throws(HTTPWireError) {
        switch consume part {
        case .head(let head):
            if let known = decoder.knownHead?.note.withLock({ $0 as? CheckedHead }) {
                phase = .body(known)
            } else {
                try check(head)
            }
        case .body(let bytes):
            guard setup.budget.take(bytes.readableBytes) else { return refuse(.tooManyBytes) }
            bodyBytesHeld += bytes.readableBytes
            body.append(bytes.readableBytesView)
        case .end:
            // Otherwise of a request that was refused by its head.
            if case .body(let head) = phase { handOver(head) }
        }
    }

    private func check(_ head: HTTPRequestHead) throws(HTTPWireError) {
        let target = try HTTPTarget(head.target, method: head.method)
        if let refusal = setup.hosts.refusal(of: head, target: target, localAddress: localAddress) {
            return refuse(refusal)
        }
        let checked = CheckedHead(head, target)
        phase = .body(checked)
        guard head.headers.contains("expect"), head.version == .v1_1 else {
            decoder.knownHead?.note.withLock { $0 = checked }
            return
        }
        guard head.expectsContinue else { return refuse(.unknownExpectation) }
        if decoder.awaitsBody, decoder.bufferedBytes == 0 { sendContinue() }
    }

    private func handOver(_ head: CheckedHead) {
        guard let context else { return }
        if let peer, peer.notAfter < setup.now() { return refuse(.certificateIsOver) }
        serial += 1
        if serial == 1 { setup.connections.noteRequest(of: context.channel) }
        wait(for: .nothing)
        phase = .exchange
        exchange.begin(head, serial: serial)
        let body = body.take()
        let place = place ?? firstPlace(context.channel)
        setup.handler(HTTPExchange(head, body: body, serial: serial, at: place))
    }

    private func firstPlace(_ channel: any Channel) -> ClientPlace {
        let found = ClientPlace(self, channel, isSecure: setup.isSecure, peer: peer)
        place = found
        return found
    }

    /// Deadline and reading as the phase now wants them.
    private func settle() {
        switch phase {
        case .head: wait(for: decoder.isBetweenRequests || answersWait ? .nextRequest : .head)
        case .body: wait(for: .body)
        case .exchange: wait(for: .nothing)
        case .lingering, .closed: break
        }
        if readIsHeldBack, let context {
            readIsHeldBack = false
            read(context: context)
        }
    }

    // MARK: Writing

    /// Room for a status line and the fields that most answers have.
    static let headRoom = 256
    /// Room for a chunk's size and line ends.
    static let chunkRoom = 24

    func head(
        _ status: Int, _ headers: [(String, String)], _ framing: HTTPBodyFraming,
        _ persistence: HTTPPersistence, roomFor count: Int
    ) -> ByteBuffer {
        var buffer = context?.channel.allocator.buffer(capacity: Self.headRoom + count) ?? ByteBuffer()
        heads.write(status, headers, framing, persistence, into: &buffer)
        return buffer
    }

    private func sendContinue() { send(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")) }

    /// Writes the last bytes of an answer, and goes on to the next request or closes.
    func finish(with buffer: ByteBuffer, _ persistence: HTTPPersistence) {
        guard persistence != .close else { return closeAfter(buffer) }
        letGo()
        phase = .head
        if buffer.readableBytes > 0 { send(buffer) }
        advance()
    }

    func refuse(_ refusal: HTTPRefusal) {
        log.debug("request refused", metadata: ["status": "\(refusal.status)", "why": "\(refusal.error)"])
        let body = refusal.body
        let headers = [("content-type", "application/json")]
        var buffer = head(refusal.status, headers, .length(body.count), .close, roomFor: body.count)
        buffer.writeBytes(body)
        closeAfter(buffer)
    }

    /// Writes, closes our side, and reads on for a while: a socket closed with bytes unread resets the
    /// connection, and the client would lose what we just told it.
    private func closeAfter(_ buffer: ByteBuffer) {
        letGo()
        guard let context else { return }
        phase = .lingering(bytesLeft: limits.lingerBytesMax)
        if awaitsRound { flush() }
        guard case .lingering = phase else { return }  // it broke over that
        wait(for: .lastWrite)
        settle()
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { [weak self] _ in
            self?.wait(for: .linger)
            self?.context?.close(mode: .output, promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: written)
    }

    /// What goes to the kernel at the end of a turn of the loop. More goes at once: whether the client takes it decides what is done next.
    private static let shortBytes = 64 * 1024

    /// Writes.
    func send(_ buffer: ByteBuffer) {
        guard let context else { return }
        let isShort = buffer.readableBytes <= Self.shortBytes
        outlet.add(buffer, context)
        guard isShort, context.channel.isWritable else { return flush() }
        if !awaitsRound {
            awaitsRound = true
            round?.add(self)
        }
    }

    func flush() {
        awaitsRound = false
        if let context { outlet.flush(context) }
    }

    // MARK: Time, and the end

    private func wait(for next: HTTPServerWait) {
        guard next != waitsFor else { return }
        waitsFor = next
        deadline?.move(to: setup.patience.time(for: next, of: number).map { .now() + $0 })
    }

    private func deadlinePassed() {
        let passed = waitsFor
        waitsFor = .nothing
        switch passed {
        case .nothing: break
        case .head: refuse(.tooSlow("head", after: limits.headTimeout))
        case .body: refuse(.tooSlow("body", after: limits.bodyTimeout))
        case .nextRequest, .lastWrite:
            let waiting = context?.channel.waitingBytes ?? 0
            defer { waitingBytesBefore = waiting }
            // A client on a slow line that still takes our last answer is not idle.
            if waiting > 0, waiting != waitingBytesBefore { return wait(for: passed) }
            close()
        case .linger: close()
        }
    }

    func close() {
        lose()
        // What was answered before is the client's, however the connection ends.
        if awaitsRound { flush() }
        context?.close(promise: nil)
    }

    /// Of the request in hand.
    private func letGo() {
        exchange.end()
        giveBack()
    }

    private func giveBack() {
        setup.budget.giveBack(bodyBytesHeld)
        bodyBytesHeld = 0
        body = GatheredBody()
    }

    private func lose() {
        giveBack()
        let before = phase
        phase = .closed
        guard case .exchange = before else { return }
        lostSerial = exchange.serial
        exchange.close()
    }
}
