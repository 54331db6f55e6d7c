import JSONSlice
import NIOCore
import NIOPosix

/// One message a line over pipes or a socket, as on stdio.
final class LineChannel: Sendable {
    private let channel: any Channel

    init(_ channel: any Channel) { self.channel = channel }

    /// Takes two descriptors over.
    static func open(
        input: CInt, output: CInt, hear: @escaping @Sendable ([UInt8]?) -> Void
    ) async throws -> LineChannel {
        let channel = try await NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LineReader(hear))
                }
            }
            .takingOwnershipOfDescriptors(input: input, output: output).get()
        return LineChannel(channel)
    }

    func say(_ message: JSON) {
        channel.writeAndFlush(ByteBuffer(bytes: Array(message.onOneLine.bytes) + [0x0A]), promise: nil)
    }

    func close() { channel.close(promise: nil) }
}

/// Cuts lines; `nil` is the end.
final class LineReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let hear: @Sendable ([UInt8]?) -> Void
    private var bytes: [UInt8] = []

    init(_ hear: @escaping @Sendable ([UInt8]?) -> Void) { self.hear = hear }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytes += Array(buffer: unwrapInboundIn(data))
        while let end = bytes.firstIndex(of: 0x0A) {
            let line = Array(bytes[..<end])
            bytes.removeSubrange(...end)
            if !line.isEmpty { hear(line) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) { hear(nil) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// The far end of a child's pipes: programs that copy their standard input and output to a loopback port, so that what
/// they would say is said in this process.
final class ChildServer: Sendable {
    let port: Int
    private let channel: any Channel
    private let open: OpenChannels

    private init(_ channel: any Channel, _ open: OpenChannels) {
        self.channel = channel
        self.open = open
        port = channel.localAddress?.port ?? 0
    }

    /// - Parameter begin: called for each new child; returns what hears its lines.
    static func start(
        _ begin: @escaping @Sendable (LineChannel) -> @Sendable ([UInt8]?) -> Void
    ) async throws -> ChildServer {
        let open = OpenChannels()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    open.insert(channel)
                    let hear = begin(LineChannel(channel))
                    try channel.pipeline.syncOperations.addHandler(LineReader(hear))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ChildServer(channel, open)
    }

    func stop() async {
        try? await channel.close().get()
        open.closeAll()
    }

    /// The program: bash connects, one `cat` for each direction; when its input closes, it ends.
    static let command = "bash"
    var arguments: [String] {
        ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port); cat <&3 & cat >&3; kill $!"]
    }
}
