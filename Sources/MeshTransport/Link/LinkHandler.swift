import Catalog
import Mesh
import NIOCore
import NIOSSL
import NIOTLS

/// One end of a link, behind TLS: greets, watches for silence, passes the mesh's own frames to the core's owner
/// in their order, and gives streams to the ``StreamMultiplexer``.
///
/// Decides nothing about the mesh. Never leaves its loop.
final class LinkHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case handshaking
        case greeting
        case up
        case over
    }

    /// Bytes that may pile up in front of a socket that takes none: a peer that asks and does not read the
    /// answers may cost so much, then its link.
    private static let stalledBytesMax = 2 * StreamMultiplexer.waitingBytesMax
    /// Questions without an answer yet; each is a person who waits.
    static let pingsMax = 64
    private static let measureEveryTicks = 20  // 2 s: what routes are weighed by moves slowly

    let setup: LinkSetup
    private(set) var backlog: Backlog?
    private(set) weak var owner: (any LinkOwner)?
    private var phase = Phase.handshaking
    private var context: ChannelHandlerContext?
    private var decoder = FrameDecoder()
    private var silence: SilenceWatch
    private var handshakeTimer: Scheduled<Void>?
    private var ticker: RepeatedTask?
    private var ticks = 0
    private var heldRead = false
    private var isReading = false
    private var stalledBytes = 0
    private var outgoing = LinkPress()
    private var needsFlush = false
    private var downReason: LinkError?
    /// A better link to the same peer stands: no new calls, and goodbye when the old ones are done.
    var retiresBy: Instant?
    /// Whether what comes is let drop, as if nobody had read it; only tests set it.
    var isDeaf = false
    /// Whether there ever was a connection; if not, whoever dialled says why.
    private(set) var wasActive = false
    /// Called once, when the greeting is over, well or badly.
    var whenGreeted: (() -> Void)?
    private(set) var roundTrip: Duration?
    /// Who waits for the answers to our pings.
    private(set) var pings: [UInt64: (_ isAnswered: Bool) -> Void] = [:]
    private var pingsSent: UInt64 = 0
    private(set) var upSince: Instant?
    private(set) var streams: StreamMultiplexer?
    let paramsBudget = ParamsBudget()
    /// Calls like those that came before.
    var knownCalls = KnownCalls()

    init(_ setup: LinkSetup, owner: any LinkOwner) {
        self.setup = setup
        self.owner = owner
        silence = SilenceWatch(at: setup.now())
    }

    /// The peer's, while the link is up.
    private(set) var hello: Hello?
    var peer: NodeID? { hello?.node }
    /// Whether it is listed and documents spread over it. The others carry calls, and what each end tells the other alone.
    var isStanding: Bool { setup.circuit == nil && (setup.openedByMe || hello?.isForCalls != true) }
    /// Of the protocol that both ends speak.
    private(set) var version = ProtocolVersion.spoken.lowerBound
    var channel: (any Channel)? { context?.channel }

    // MARK: What the owner orders

    /// Sends an encoded frame of the mesh's own.
    func send(_ frame: [UInt8]) {
        guard case .up = phase else { return }
        setup.tally.gossiped(sent: frame.count)
        write(frame)
        flushSoon()
    }

    /// Has the peer answer, over however many relays the link runs.
    ///
    /// - Parameter ended: called when the answer is here, or the link is gone.
    /// - Returns: whether the peer was asked.
    func ping(_ ended: @escaping (_ isAnswered: Bool) -> Void) -> Bool {
        guard let hello, hello.features & Hello.answersPings != 0, pings.count < Self.pingsMax else {
            return false
        }
        pingsSent += 1
        pings[pingsSent] = ended
        write(.ping(pingsSent))
        flushSoon()
        return true
    }

    private func resumeReading() {
        guard heldRead else { return }
        heldRead = false
        context?.read()
    }

    /// Says why, lets what is queued leave, closes.
    func sayGoodbye(_ reason: GoodbyeReason, _ text: String) {
        guard let context else { return }
        if case .over = phase { return }
        write(.goodbye(reason, text: text))
        end(.goodbye(reason, text), context)
    }

    // MARK: ChannelHandler

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        wasActive = context.channel.isActive
        let loop = context.eventLoop
        let bound = NIOLoopBound(self, eventLoop: loop)
        backlog = Backlog { loop.execute { bound.value.resumeReading() } }
        // A peer who connects and then says nothing costs us a socket for so long and no longer.
        handshakeTimer = context.eventLoop.assumeIsolated().scheduleTask(in: .init(LinkTimes.handshakeMax)) {
            [weak self] in self?.handshakeTooSlow()
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        over(.closed)
        self.context = nil
        backlog = nil  // it holds us
    }

    func channelActive(context: ChannelHandlerContext) {
        wasActive = true
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        over(.closed)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let name)? = event as? TLSUserEvent { handshakeDone(name, context) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(describe(error), context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isDeaf { return }
        isReading = true
        silence.heard()
        let bytes = unwrapInboundIn(data)
        setup.tally.received(bytes.readableBytes)
        bytes.withUnsafeReadableBytes { decoder.append($0) }
        do {
            while let frame = try decoder.next() {
                if case .over = phase { return }
                try receive(frame, context)
            }
        } catch let error as LinkError {
            refuse(error, context)
        } catch {
            refuse(.violation(String(describing: error)), context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flushIfNeeded()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { streams?.pump() }
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if backlog?.shouldPause() == true {
            heldRead = true
        } else {
            context.read()
        }
    }

    // MARK: Phases

    private func handshakeDone(_ name: String?, _ context: ChannelHandlerContext) {
        guard case .handshaking = phase else { return }
        guard name == MeshProtocol.link else { return end(.refused(.wrongProtocol(name)), context) }
        guard case .success(.member)? = setup.verdict.outcome else {
            return end(.refused(.guestOutsideJoin), context)
        }
        phase = .greeting
        write(.hello(setup.hello))
        flush()
    }

    private func receive(_ frame: Frame, _ context: ChannelHandlerContext) throws {
        switch (phase, frame) {
        case (.greeting, .hello(let theirs)):
            try greet(theirs, context)
        case (.greeting, .goodbye(let reason, let text)), (.up, .goodbye(let reason, let text)):
            end(.goodbye(reason, text), context)
        case (.up, .heartbeat):
            break  // its bytes were what it had to say
        case (.up, .ping(let number)):
            write(.pong(number))
            flushSoon()
        case (.up, .pong(let number)):
            pings.removeValue(forKey: number)?(true)
        case (.up, _) where frame.isForCore:
            setup.tally.gossiped(received: decoder.frameByteCount)
            if owner?.control(frame, from: self) != true { throw LinkError.overloaded }
        case (.up, .open), (.up, .data), (.up, .end), (.up, .reset), (.up, .credit):
            setup.tally.streamFrameReceived()
            try streams?.receive(frame)
        default:
            throw LinkError.violation("a frame that does not belong here")
        }
    }

    private func greet(_ theirs: Hello, _ context: ChannelHandlerContext) throws {
        guard case .success(.member(let proved, _))? = setup.verdict.outcome, proved == theirs.node else {
            throw LinkError.violation("the hello names another node than the certificate")
        }
        guard let version = setup.hello.version(with: theirs) else {
            throw LinkError.versionsApart(
                ours: setup.hello.versions, peer: theirs.node, theirs: theirs.versions,
                software: theirs.software)
        }
        greetingOver()
        phase = .up
        hello = theirs
        self.version = version
        upSince = setup.now()
        setup.tally.linkOpened()
        silence = SilenceWatch(at: setup.now())
        streams = StreamMultiplexer(on: self, dialled: setup.openedByMe)
        let every = TimeAmount(SilenceWatch.tickEvery)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        ticker = context.eventLoop.scheduleRepeatedTask(initialDelay: every, delay: every) { _ in
            bound.value.tick()
        }
        owner?.linkUp(self)
    }

    private func greetingOver() {
        handshakeTimer?.cancel()
        whenGreeted?()
        whenGreeted = nil
    }

    // MARK: Time

    private func handshakeTooSlow() {
        guard let context else { return }
        if case .up = phase { return }
        end(.handshakeTooSlow, context)
    }

    private func tick() {
        guard let context, case .up = phase else { return }
        ticks += 1
        // While we do not read, silence is ours.
        if heldRead { silence.heard() }
        switch silence.tick(at: setup.now()) {
        case .quiet: break
        case .sendHeartbeat:
            write(.heartbeat)
            flush()
        case .down:
            return end(.silent(for: SilenceWatch.tickEvery * SilenceWatch.downAfterTicks), context)
        }
        if ticks % Self.measureEveryTicks == 1 { measure(context) }
    }

    /// A circuit has no socket of its own, and is not weighed.
    private func measure(_ context: ChannelHandlerContext) {
        guard let socket = context.channel as? any SocketOptionProvider else { return }
        KernelRoundTrip.read(socket).assumeIsolated().whenSuccess { [weak self] measured in
            guard let self, let roundTrip = measured.roundTrip else { return }
            self.roundTrip = roundTrip
            owner?.measured(roundTrip, on: self)
        }
    }

    // MARK: Writing and ending

    func write(_ frame: Frame) { write { frame.encode(to: &$0) } }

    private func write(_ bytes: [UInt8]) { write { $0.put(fixed: bytes) } }

    func write(_ put: (inout CanonicalEncoder) -> Void) {
        guard let context, stalledBytes <= Self.stalledBytesMax else { return }
        silence.sent()
        let count = outgoing.put(put)
        stalledBytes = context.channel.isWritable ? 0 : stalledBytes + count
        guard stalledBytes <= Self.stalledBytesMax else {
            outgoing.drop()
            return endSoon(.overloaded)
        }
        setup.tally.sent(count)
        if outgoing.isFull { handOn(context) }
    }

    private func handOn(_ context: ChannelHandlerContext) {
        if let frames = outgoing.take() { context.write(wrapOutboundOut(frames), promise: nil) }
    }

    private func flush() {
        guard let context else { return }
        needsFlush = false
        handOn(context)
        context.flush()
    }

    /// One flush for all that is written in one turn of the loop: each costs a TLS record and a system call.
    func flushSoon() {
        guard !needsFlush else { return }
        needsFlush = true
        guard !isReading else { return }  // `channelReadComplete` will
        context?.eventLoop.assumeIsolated().execute { [weak self] in self?.flushIfNeeded() }
    }

    private func flushIfNeeded() {
        if needsFlush { flush() }
    }

    private func refuse(_ error: LinkError, _ context: ChannelHandlerContext) {
        switch error {
        case .versionsApart: write(.goodbye(.noCommonVersion, text: error.description))
        default: write(.goodbye(.protocolError, text: error.description))
        }
        end(error, context)
    }

    /// Ends the link: what is queued may still leave, but from now on it is down for everybody here.
    private func end(_ why: LinkError, _ context: ChannelHandlerContext) {
        if downReason == nil { downReason = why }
        flush()
        context.close(promise: nil)
        over(why)
    }

    /// Ends the link in the loop's next turn: whoever is writing now still holds one of its streams.
    private func endSoon(_ why: LinkError) {
        guard downReason == nil else { return }
        downReason = why
        context?.eventLoop.assumeIsolated().execute { [weak self] in
            guard let self, let context else { return }
            end(why, context)
        }
    }

    private func over(_ why: LinkError) {
        if case .over = phase { return }
        greetingOver()
        ticker?.cancel()
        let reason = downReason ?? setup.verdict.refusal.map { .refused($0) } ?? why
        // First out of the owner's lists: whoever hears of a broken call and tries again must not come back here.
        owner?.linkDown(self, reason)
        phase = .over
        hello = nil
        let unanswered = pings.values
        pings = [:]
        for ended in unanswered { ended(false) }
        streams?.fail()
    }

    private func describe(_ error: any Error) -> LinkError {
        if let refusal = setup.verdict.refusal { return .refused(refusal) }
        if let error = error as? LinkError { return error }
        guard case .handshaking = phase else { return .closed }
        return LinkError(ofHandshake: error)
    }
}
