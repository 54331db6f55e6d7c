import NIOCore

/// Where the bytes of a connection leave.
///
/// What is written in one turn of the loop is held until ``flush(_:)``. Where that is one piece, as with nearly every message, the kernel
/// is given it here, in one system call; the channel gets only what the socket has no room for, and all of several pieces. From then on
/// everything goes by the channel until it has nothing left, so bytes keep their order. The channel alone watches the socket, closes it
/// and says what was wrong with it. On the channel's loop only.
///
/// An object, and not a value of its connection: what is given to the channel can lead back here before that returns.
final class SocketOutlet {
    /// `nil` where something stands between: TLS.
    private let descriptor: CInt?
    /// What the kernel shall be given and the channel does not know of.
    private var held: ByteBuffer?
    private var channelHasSome = false

    /// Of a channel in whose pipeline nothing looks at what is written.
    init(plain channel: any Channel) {
        descriptor = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable {
            (descriptor: NIOBSDSocket.Handle) in descriptor
        }
    }

    /// Everything goes by the channel.
    init() { descriptor = nil }

    func add(_ piece: ByteBuffer, _ context: ChannelHandlerContext) {
        if held == nil, descriptor != nil, !channelHasSome || context.channel.waitingBytes == 0 {
            channelHasSome = false
            held = piece
        } else {
            handOver(context)
            give(piece, context)
        }
    }

    func flush(_ context: ChannelHandlerContext) {
        // Until it is active there is nobody to send to, and from its end on the number is not ours.
        if let descriptor, context.channel.isActive, var piece = held.take() {
            piece.moveReaderIndex(
                forwardBy: piece.withUnsafeReadableBytes { LibC.put($0, intoSocket: descriptor) })
            guard piece.readableBytes > 0 else { return }
            held = piece
        }
        handOver(context)
        context.flush()
    }

    private func handOver(_ context: ChannelHandlerContext) {
        if let piece = held.take() { give(piece, context) }
    }

    private func give(_ piece: ByteBuffer, _ context: ChannelHandlerContext) {
        channelHasSome = true
        context.write(NIOAny(piece), promise: nil)
    }
}
