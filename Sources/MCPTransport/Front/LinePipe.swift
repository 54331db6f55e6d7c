package import NIOCore
import NIOPosix
import Synchronization

/// Lines in and lines out over a pair of descriptors, on one event loop.
///
/// Used by the front of a process that is somebody's child, and by the back that has children.
package final class LinePipe: Sendable {
    /// When lines are read that come in.
    package enum ReadsOn: Sendable {
        case always
        /// Only while what is to be written goes out: a client that does not read asks for no more.
        case whileWritesGoOut
    }

    private let channel: any Channel
    private let backlogMax: Int
    private let outlet: Mutex<Outlet>

    private init(_ channel: any Channel, backlogMax: Int, writingAtOnceTo descriptor: CInt?) {
        self.channel = channel
        self.backlogMax = backlogMax
        outlet = Mutex(Outlet(descriptor))
    }

    package var loop: any EventLoop { channel.eventLoop }

    /// Takes the descriptors over and begins to read.
    ///
    /// - Parameters:
    ///   - lineBytesMax: see ``LineSplitter``.
    ///   - backlogMax: bytes that may wait to be written; over it the pipe is closed, since nobody reads.
    ///   - readsOn: `.always` where the other side may write before it reads on.
    ///   - writesAtOnce: whether a line goes out on the thread that writes it, as long as nothing waits: without a change to the loop.
    ///   - onOpen: called once, before the first line is.
    ///   - onLine: called on the loop, in order.
    ///   - onEnd: called once on the loop, when the other side has closed or the pipe was closed.
    package static func open(
        input: CInt?, output: CInt?, on group: any EventLoopGroup, lineBytesMax: Int, backlogMax: Int,
        readsOn: ReadsOn = .always, writesAtOnce: Bool = false,
        onOpen: @escaping @Sendable (LinePipe) -> Void = { _ in },
        onLine: @escaping @Sendable (LineSplitter.Line) -> Void, onEnd: @escaping @Sendable () -> Void
    ) async throws -> LinePipe {
        let opened = Mutex<LinePipe?>(nil)
        let bootstrap = NIOPipeBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipe = LinePipe(
                        channel, backlogMax: backlogMax, writingAtOnceTo: writesAtOnce ? output : nil)
                    channel.closeFuture.whenComplete { _ in pipe.outlet.withLock { $0.close() } }
                    opened.withLock { $0 = pipe }
                    onOpen(pipe)
                    try channel.pipeline.syncOperations.addHandler(
                        LineHandler(bytesMax: lineBytesMax, readsOn: readsOn, onLine: onLine, onEnd: onEnd))
                }
            }
        _ =
            switch (input, output) {
            case (let input?, let output?):
                try await bootstrap.takingOwnershipOfDescriptors(input: input, output: output).get()
            case (let input?, nil):
                try await bootstrap.takingOwnershipOfDescriptor(input: input).get()
            case (nil, let output?):
                try await bootstrap.takingOwnershipOfDescriptor(output: output).get()
            case (nil, nil):
                throw ChannelError.operationUnsupported
            }
        guard let pipe = opened.withLock({ $0 }) else { throw ChannelError.inappropriateOperationForState }
        return pipe
    }

    /// Writes one line; `bytes` hold no line feed. From any thread.
    package func write(_ bytes: some Collection<UInt8>) {
        let line = Array(bytes) + CollectionOfOne(UInt8(ascii: "\n"))
        let (isFirst, isOver) = outlet.withLock { outlet in
            (outlet.put(line), outlet.backlog > backlogMax)
        }
        if isOver { return close() }
        if isFirst { loop.execute { self.flush() } }
    }

    /// Gives the channel what waits; on the loop.
    private func flush() {
        let bytes = outlet.withLock { $0.takeWaiting() }
        guard !bytes.isEmpty else { return }
        channel.writeAndFlush(channel.allocator.buffer(bytes: bytes)).whenComplete { [self] _ in
            outlet.withLock { $0.backlog -= bytes.count }
        }
    }

    /// Closes both directions. From any thread, more than once.
    package func close() {
        outlet.withLock { $0.close() }
        channel.close(promise: nil)
    }

    /// Ends what is written, so that the other side reads to an end; goes on reading.
    package func closeOutput() {
        outlet.withLock { $0.close() }
        loop.execute {
            self.flush()
            self.channel.close(mode: .output, promise: nil)
        }
    }

    /// Closes once everything written so far has gone out, or cannot.
    package func closeAfterWrites() {
        loop.execute {
            self.flush()
            self.channel.writeAndFlush(self.channel.allocator.buffer(capacity: 0)).whenComplete { _ in
                self.close()
            }
        }
    }

    package func closed() async { try? await channel.closeFuture.get() }
}

/// What goes out of a pipe, in the order in which it was put.
private struct Outlet: ~Copyable {
    /// Bytes that are not written yet, whoever has them.
    var backlog = 0
    /// Those of them that the channel has not been given.
    private var waiting: [UInt8] = []
    /// Whether nothing is taken any more; what waits still goes out.
    private var isClosed = false
    /// Of this alone, whatever becomes of the channel's: a number that is closed may be another's at once. `nil`: all goes by the channel.
    private var descriptor: CInt?

    init(_ output: CInt?) { descriptor = output.flatMap { LibC.duplicate($0) } }

    /// Writes as much of a line as goes out without waiting, if nothing waits before it; the rest waits.
    ///
    /// - Returns: whether something waits now, and nothing did.
    mutating func put(_ line: [UInt8]) -> Bool {
        guard !isClosed else { return false }
        let written = if backlog == 0, let descriptor { LibC.put(line, into: descriptor) } else { 0 }
        guard written < line.count else { return false }
        defer {
            waiting += line[written...]
            backlog += line.count - written
        }
        return waiting.isEmpty
    }

    mutating func takeWaiting() -> [UInt8] {
        defer { waiting = [] }
        return waiting
    }

    /// The other side reads to an end only when nobody can write any more.
    mutating func close() {
        isClosed = true
        descriptor.map { LibC.letGo(of: $0) }
        descriptor = nil
    }

    deinit { descriptor.map { LibC.letGo(of: $0) } }
}

/// Feeds a ``LineSplitter``.
private final class LineHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var splitter: LineSplitter
    private let readsOn: LinePipe.ReadsOn
    private let onLine: @Sendable (LineSplitter.Line) -> Void
    private let onEnd: @Sendable () -> Void

    init(
        bytesMax: Int, readsOn: LinePipe.ReadsOn, onLine: @escaping @Sendable (LineSplitter.Line) -> Void,
        onEnd: @escaping @Sendable () -> Void
    ) {
        self.splitter = LineSplitter(bytesMax: bytesMax)
        self.readsOn = readsOn
        self.onLine = onLine
        self.onEnd = onEnd
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        for line in splitter.take(unwrapInboundIn(data).readableBytesView) { onLine(line) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if readsOn == .whileWritesGoOut {
            context.channel.setOption(.autoRead, value: context.channel.isWritable).whenFailure { _ in }
        }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let rest = splitter.finish() { onLine(rest) }
        onEnd()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
