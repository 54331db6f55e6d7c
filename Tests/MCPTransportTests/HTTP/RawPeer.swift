import NIOCore
import NIOPosix

/// A TCP connection without any notion of HTTP, to say what no well-behaved peer would.
///
/// For one task at a time: it keeps what it has read and not yet returned.
final class RawPeer {
    /// Reserved for a service that nobody runs (tcpmux, RFC 1078), and out of reach for those without privileges.
    static let deadPort = 1

    private let channel: any Channel
    private var incoming: AsyncThrowingStream<ByteBuffer, any Error>.Iterator
    private var unread = ""

    private init(_ channel: any Channel, _ incoming: AsyncThrowingStream<ByteBuffer, any Error>) {
        self.channel = channel
        self.incoming = incoming.makeAsyncIterator()
    }

    static func connect(host: String = "127.0.0.1", port: Int) async throws -> RawPeer {
        let (stream, continuation) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Feed(continuation))
                }
            }
            .connect(host: host, port: port).get()
        return RawPeer(channel, stream)
    }

    /// Connected, and never reading anything.
    static func connectDeaf(port: Int) async throws -> RawPeer {
        let (stream, _) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .connect(host: "127.0.0.1", port: port).get()
        return RawPeer(channel, stream)
    }

    func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text)).get()
    }

    /// Reads on until `text` has come; returns all up to its end.
    func read(through text: String) async throws -> String {
        while true {
            if let end = unread.utf8.firstRange(of: Array(text.utf8))?.upperBound {
                let taken = String(unread[..<end])
                unread = String(unread[end...])
                return taken
            }
            guard let bytes = try await incoming.next() else { return unread + "<end>" }
            unread += String(buffer: bytes)
        }
    }

    func readToEnd() async throws -> String {
        while let bytes = try await incoming.next() { unread += String(buffer: bytes) }
        defer { unread = "" }
        return unread
    }

    func close() async throws { try await channel.close().get() }

    private final class Feed: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let continuation: AsyncThrowingStream<ByteBuffer, any Error>.Continuation

        init(_ continuation: AsyncThrowingStream<ByteBuffer, any Error>.Continuation) {
            self.continuation = continuation
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            continuation.yield(unwrapInboundIn(data))
        }

        func channelInactive(context: ChannelHandlerContext) { continuation.finish() }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            continuation.finish(throwing: error)
        }
    }
}

/// A TCP server that plays back what a script says to each connection, one answer per piece of bytes that
/// comes.
final class RawServer: Sendable {
    enum Act: Sendable {
        case send(String)
        case close
        case sendThenClose(String)
    }

    let port: Int
    private let channel: any Channel

    static func start(_ script: [[Act]]) async throws -> RawServer {
        let connections = Counter()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let index = connections.next()
                    let acts = script.indices.contains(index) ? script[index] : []
                    try channel.pipeline.syncOperations.addHandler(Player(acts))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return RawServer(channel)
    }

    private init(_ channel: any Channel) {
        self.channel = channel
        port = channel.localAddress?.port ?? 0
    }

    func stop() async { try? await channel.close().get() }

    private final class Player: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private var acts: ArraySlice<Act>

        init(_ acts: [Act]) { self.acts = acts[...] }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch acts.popFirst() {
            case .send(let text): context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
            case .close: context.close(promise: nil)
            case .sendThenClose(let text):
                let channel = context.channel
                channel.writeAndFlush(ByteBuffer(string: text)).whenComplete { _ in
                    channel.close(promise: nil)
                }
            case nil: break
            }
        }
    }
}
