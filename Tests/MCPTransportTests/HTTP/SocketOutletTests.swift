import Glibc
import MartletTestKit
import NIOCore
import NIOEmbedded
import NIOPosix
import Testing

@testable import MCPTransport

struct SocketOutletTests {
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func `bytes leave in the order in which they were added, whoever sends them`(seed: UInt64) async throws {
        let pair = try await OutletPair.open(roomInSocket: 4_096)
        var random = SplitMix64(seed: seed)
        var sent = random.bytes(200_000)
        try await pair.send([sent])
        let rest = await pair.passedByChannel
        #expect(rest > 0 && rest < sent.count, "the socket has room for some of it")
        for _ in 0..<25 {
            // One short piece is the kernel's at once; a long one, or several, are partly or wholly the channel's.
            let pieces = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                random.bytes(random.chance(0.2) ? Int.random(in: 1...200_000, using: &random) : 100)
            }
            sent += pieces.joined()
            try await pair.send(pieces)
        }
        try await eventually("all \(sent.count) bytes are there", within: .seconds(40)) {
            try await pair.received().count >= sent.count
        }
        #expect(try await pair.received() == sent)
        try await pair.close()
    }

    @Test func `a message that the socket has room for is not the channel's`() async throws {
        let pair = try await OutletPair.open()
        for number in 1...3 {
            try await pair.send([Array("message \(number)".utf8)])
            try await eventually("it is there") { try await pair.received().count == 9 * number }
        }
        #expect(await pair.passedByChannel == 0)
        try await pair.close()
    }

    @Test func `what the kernel refuses is the channel's to fail with`() async throws {
        let pair = try await OutletPair.open()
        try await pair.closeOtherEnd()
        // The first is answered with a reset, which the second meets.
        try await eventually("the channel noticed", every: .milliseconds(2)) {
            if await pair.isClosed { return true }
            try await pair.send([[1]])
            return false
        }
        try await pair.close()
    }

    /// The system gives a descriptor's number to the next that asks for one.
    @Test func `nothing is sent to whoever has the number of a closed socket`() async throws {
        try await eventually("the number was to be had again", within: .seconds(40)) {
            let pair = try await OutletPair.open()
            let heard = try await pair.sendAfterClose()
            try await pair.close()
            if let heard { #expect(heard == []) }
            return heard != nil
        }
    }

    /// The channel says that it is writable again in the midst of a flush, and the next request is answered then and there.
    @Test func `an answer may be written while the one before is being given to the channel`() async throws {
        let handler: @Sendable (HTTPExchange) -> Void = { exchange in
            guard exchange.path == "/large" else {
                return exchange.respond(status: 200, body: Array("next".utf8))
            }
            exchange.eventLoop.execute {
                let shared = ByteBuffer(repeating: UInt8(ascii: "x"), count: 200_000)
                exchange.respond(status: 200, headers: [], body: HTTPBody([], shared))
            }
        }
        try await Bench.run(handler: handler) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send(
                "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\nGET /next HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try await peer.read(through: "next").count > 200_000)
            try await peer.close()
        }
    }

    @Test func `a channel without a socket gets everything`() throws {
        let channel = EmbeddedChannel(handler: OutletHandler())
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let handler = try channel.pipeline.syncOperations.handler(type: OutletHandler.self)
        handler.send([[1, 2], [3]])
        #expect(try channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(bytes: [1, 2]))
        #expect(try channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(bytes: [3]))
        _ = try channel.finish()
    }
}

/// Writes by an outlet, as a connection does.
private final class OutletHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private(set) var context: ChannelHandlerContext?
    private var outlet = SocketOutlet()

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outlet = SocketOutlet(plain: context.channel)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func add(_ piece: [UInt8]) {
        guard let context else { return }
        outlet.add(ByteBuffer(bytes: piece), context)
    }

    func flush() {
        guard let context else { return }
        outlet.flush(context)
    }

    func send(_ pieces: [[UInt8]]) {
        for piece in pieces { add(piece) }
        flush()
    }
}

/// Counts the bytes that come by.
private final class ByteCount: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    private(set) var written = 0
    private(set) var read: [UInt8] = []

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        written += unwrapOutboundIn(data).readableBytes
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        read += unwrapInboundIn(data).readableBytesView
    }
}

/// Two ends of a connection on loopback; the near one writes by an outlet.
private actor OutletPair {
    private let listener: any Channel
    private let near: any Channel
    private let far: any Channel

    private init(_ listener: any Channel, near: any Channel, far: any Channel) {
        (self.listener, self.near, self.far) = (listener, near, far)
    }

    /// - Parameter roomInSocket: bytes that the near end's socket has room for; `nil`: as the system likes.
    static func open(roomInSocket: Int? = nil) async throws -> OutletPair {
        let group = MultiThreadedEventLoopGroup.singleton
        let accepted = Signal<any Channel>()
        let listener = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ByteCount())
                    accepted.send(channel)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let near = try await ClientBootstrap(group: group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            // So that the channel learns of the other end's going by what it writes alone.
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let roomInSocket {
                        try channel.syncOptions?.setOption(
                            .socketOption(.so_sndbuf), value: SocketOptionValue(roomInSocket))
                    }
                    try channel.pipeline.syncOperations.addHandlers([ByteCount(), OutletHandler()])
                }
            }
            .connect(host: "127.0.0.1", port: listener.localAddress?.port ?? 0).get()
        guard let far = await accepted.next() else { throw TestFailure("nobody was accepted") }
        return OutletPair(listener, near: near, far: far)
    }

    var passedByChannel: Int {
        get async { (try? await ask(near, ByteCount.self) { $0.written }) ?? 0 }
    }

    var isClosed: Bool { !near.isActive }

    func received() async throws -> [UInt8] { try await ask(far, ByteCount.self) { $0.read } }

    func send(_ pieces: [[UInt8]]) async throws {
        try await ask(near, OutletHandler.self) { $0.send(pieces) }
    }

    func closeOtherEnd() async throws { try await far.close().get() }

    /// Adds a byte, closes the channel and flushes, when another socket has the number of the channel's.
    ///
    /// - Returns: what the other end of that socket heard; `nil` where somebody else had the number first.
    func sendAfterClose() async throws -> [UInt8]? {
        try await ask(near, OutletHandler.self) { handler -> [UInt8]? in
            guard let context = handler.context else { return nil }
            let number = try context.pipeline.syncOperations.withUnsafeTransportIfAvailable {
                (number: NIOBSDSocket.Handle) in number
            }
            handler.add([1])
            context.close(promise: nil)
            var ends: [CInt] = [0, 0]
            guard let number, socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
                return nil
            }
            defer { for end in ends { Glibc.close(end) } }
            let taken = fcntl(ends[0], F_DUPFD_CLOEXEC, number)
            defer { if taken >= 0, taken != ends[0] { Glibc.close(taken) } }
            // A pair made in this moment may have the number itself.
            guard taken == number || ends[0] == number else { return nil }
            handler.flush()
            var heard = [UInt8](repeating: 0, count: 16)
            let count = recv(ends[1], &heard, heard.count, Int32(MSG_DONTWAIT))
            return Array(heard.prefix(max(0, count)))
        }
    }

    func close() async throws {
        try? await near.close().get()
        try? await far.close().get()
        try await listener.close().get()
    }

    private nonisolated func ask<Handler: ChannelHandler & SendableMetatype, Answer: Sendable>(
        _ channel: any Channel, _ type: Handler.Type,
        _ question: @escaping @Sendable (Handler) throws -> Answer
    ) async throws -> Answer {
        try await channel.eventLoop.submit {
            try question(channel.pipeline.syncOperations.handler(type: type))
        }.get()
    }
}
