import Mesh
import NIOCore
import Synchronization

/// One stream of a link, dressed as a NIO channel, so that the very same pipeline that runs over TCP (TLS,
/// frames, link) runs end to end through relays, which see only what the inner TLS lets them see.
///
/// It lives on the loop of the link that carries it. Bytes go out as far as the stream's credit reaches and
/// are reported unwritable beyond ``writeBufferMax``; bytes that came in are credited back once the pipeline
/// has taken them, so a slow reader at one end slows the writer at the other, however many relays lie between.
///
/// `@unchecked Sendable`: everything mutable is touched on `eventLoop` only (each entry point of `ChannelCore`
/// is called there by contract), except the two flags that NIO reads from anywhere, which are atomics.
final class CircuitChannel: Channel, ChannelCore, StreamReader, @unchecked Sendable {
    /// Bytes that may wait for credit before the channel calls itself unwritable.
    static let writeBufferMax = 128 * 1024

    let allocator = ByteBufferAllocator()
    let eventLoop: any EventLoop
    let parent: (any Channel)?
    private let stream: LinkStream
    private let closePromise: EventLoopPromise<Void>
    private let active = Atomic<Bool>(false)
    private let writable = Atomic<Bool>(true)

    /// Set once in `init`, where it needs `self`. It lets go of this channel when its handlers are removed.
    private var handlers: ChannelPipeline!
    private var isOpen = true
    private var autoRead = true
    private var allowsHalfClosure = false
    private var readPending = false
    private var inputEnded = false
    private var arrived: CircularBuffer<ByteBuffer> = []
    private var unflushed: [(ByteBuffer, EventLoopPromise<Void>?)] = []

    /// - Parameter stream: open at both ends; the channel becomes its only reader and writer.
    init(over stream: LinkStream, parent: (any Channel)?, eventLoop: any EventLoop) {
        self.stream = stream
        self.parent = parent
        self.eventLoop = eventLoop
        closePromise = eventLoop.makePromise()
        handlers = ChannelPipeline(channel: self)
    }

    /// Starts the flow of events; handlers must be in place.
    func activate() {
        eventLoop.preconditionInEventLoop()
        stream.reader = self
        register0(promise: nil)
        active.store(true, ordering: .relaxed)
        pipeline.fireChannelActive()
        if autoRead { pipeline.read() }
    }

    // MARK: What arrives

    func received(_ chunk: StreamChunk, on stream: LinkStream) {
        guard !chunk.bytes.isEmpty else { return }
        arrived.append(ByteBuffer(bytes: chunk.bytes))
        deliver()
    }

    func receivedEnd(of stream: LinkStream) {
        inputEnded = true
        deliver()
    }

    func broke(_ why: StreamBreak, of stream: LinkStream) {
        guard isOpen else { return }
        let error = LinkError.circuitBroken(why.description)
        pipeline.fireErrorCaught(error)
        guard isOpen else { return }
        close0(error: error, mode: .all, promise: nil)
    }

    func drained(_ count: Int, of stream: LinkStream) { updateWritability() }

    private func deliver() {
        guard isOpen, active.load(ordering: .relaxed) else { return }
        while readPending, !arrived.isEmpty {
            readPending = false
            var count = 0
            while let bytes = arrived.popFirst() {
                count += bytes.readableBytes
                pipeline.fireChannelRead(bytes)
                guard isOpen else { return }
            }
            pipeline.fireChannelReadComplete()
            stream.consumed(count)
            guard isOpen else { return }
            if autoRead { pipeline.read() }
        }
        guard inputEnded, arrived.isEmpty else { return }
        inputEnded = false
        if allowsHalfClosure {
            pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        } else {
            close0(error: ChannelError.eof, mode: .all, promise: nil)
        }
    }

    // MARK: ChannelCore

    func localAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func remoteAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }

    func register0(promise: EventLoopPromise<Void>?) {
        promise?.succeed(())
        pipeline.fireChannelRegistered()
    }

    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) { register0(promise: promise) }

    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard isOpen else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        unflushed.append((unwrapData(data), promise))
    }

    func flush0() {
        guard isOpen else { return }
        let batch = unflushed
        unflushed.removeAll(keepingCapacity: true)
        for (bytes, promise) in batch {
            stream.send(Array(bytes.readableBytesView), kind: 0, isLast: false)
            // As with a socket, written means: taken over by the layer below.
            promise?.succeed(())
        }
        updateWritability()
    }

    func read0() {
        guard isOpen, !readPending else { return }
        readPending = true
        guard !arrived.isEmpty else { return }
        // Not from within a handler's own call to `read`: it would see the bytes before its call returns.
        let channel = self
        eventLoop.execute { channel.deliver() }
    }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard isOpen else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        switch mode {
        case .input:
            promise?.fail(ChannelError.operationUnsupported)
            return
        case .output:
            flush0()
            stream.finish()
            promise?.succeed(())
            return
        case .all:
            break
        }
        isOpen = false
        let wasActive = active.exchange(false, ordering: .relaxed)
        for (_, pending) in unflushed { pending?.fail(error) }
        unflushed.removeAll()
        arrived.removeAll()
        stream.close()
        promise?.succeed(())
        if wasActive { pipeline.fireChannelInactive() }
        pipeline.fireChannelUnregistered()
        // Handlers may still be on the stack; they are let go when it has unwound.
        let channel = self
        eventLoop.execute {
            channel.removeHandlers(pipeline: channel.pipeline)
            channel.closePromise.succeed(())
        }
    }

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func channelRead0(_ data: NIOAny) {}
    func errorCaught0(error: any Error) {}

    private func updateWritability() {
        guard isOpen else { return }
        let now = stream.bytesWaiting < Self.writeBufferMax
        guard writable.exchange(now, ordering: .relaxed) != now else { return }
        pipeline.fireChannelWritabilityChanged()
    }

    // MARK: Channel

    var pipeline: ChannelPipeline { handlers }
    var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }
    var localAddress: SocketAddress? { nil }
    var remoteAddress: SocketAddress? { nil }
    var isWritable: Bool { writable.load(ordering: .relaxed) }
    var isActive: Bool { active.load(ordering: .relaxed) }
    // swift-format-ignore: NoLeadingUnderscores
    var _channelCore: any ChannelCore { self }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        let channel = self
        return eventLoop.submit {
            switch (option, value) {
            case (is ChannelOptions.Types.AutoReadOption, let on as Bool):
                channel.autoRead = on
                if on { channel.pipeline.read() }
            case (is ChannelOptions.Types.AllowRemoteHalfClosureOption, let on as Bool):
                channel.allowsHalfClosure = on
            default:
                throw ChannelError.operationUnsupported
            }
        }
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        let channel = self
        return eventLoop.submit {
            let value: Any =
                switch option {
                case is ChannelOptions.Types.AutoReadOption: channel.autoRead
                case is ChannelOptions.Types.AllowRemoteHalfClosureOption: channel.allowsHalfClosure
                default: throw ChannelError.operationUnsupported
                }
            guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
            return value
        }
    }
}
