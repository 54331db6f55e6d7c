import NIOCore
import NIOPosix
import Synchronization

/// A small HTTP/1.1 server of the tests' own.
final class RawHTTPServer: Sendable {
    let port: Int
    private let channel: any Channel
    private let open: OpenChannels

    private init(_ channel: any Channel, _ open: OpenChannels) {
        self.channel = channel
        self.open = open
        port = channel.localAddress?.port ?? 0
    }

    /// - Parameter handle: called on an event loop, once for each request.
    static func start(_ handle: @escaping @Sendable (RawExchange) -> Void) async throws -> RawHTTPServer {
        let open = OpenChannels()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    open.insert(channel)
                    try channel.pipeline.syncOperations.addHandler(RequestReader(handle))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return RawHTTPServer(channel, open)
    }

    func stop() async {
        try? await channel.close().get()
        open.closeAll()
    }

    private final class RequestReader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let handle: @Sendable (RawExchange) -> Void
        private var bytes: [UInt8] = []
        private var head: RawHead?
        private var current: RawExchange?

        init(_ handle: @escaping @Sendable (RawExchange) -> Void) { self.handle = handle }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes += Array(buffer: unwrapInboundIn(data))
            guard current?.isOver ?? true else { return }
            if head == nil { head = RawHead.take(from: &bytes) }
            guard let head else { return }
            let length = head.first("content-length").flatMap { Int($0) } ?? 0
            guard bytes.count >= length else { return }
            let exchange = RawExchange(head, Array(bytes[..<length]), context.channel)
            bytes.removeSubrange(..<length)
            self.head = nil
            current = exchange
            handle(exchange)
        }

        func channelInactive(context: ChannelHandlerContext) { current?.closed() }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

/// Connections to be closed with their server.
final class OpenChannels: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    func insert(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        channels.withLock { $0[id] = channel }
        channel.closeFuture.whenComplete { [weak self] _ in
            _ = self?.channels.withLock { $0.removeValue(forKey: id) }
        }
    }

    func closeAll() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) }
    }
}

/// One request at a ``RawHTTPServer``, and the way to answer it; from any thread.
final class RawExchange: Sendable {
    private struct State: Sendable {
        var isStreaming = false
        var isOver = false
        var onClose: (@Sendable () -> Void)?
    }

    let method: String
    let path: String
    let head: RawHead
    let body: [UInt8]
    private let channel: any Channel
    private let state = Mutex(State())

    init(_ head: RawHead, _ body: [UInt8], _ channel: any Channel) {
        method = head.start.first ?? ""
        path = head.start.dropFirst().first ?? ""
        self.head = head
        self.body = body
        self.channel = channel
    }

    var isOver: Bool { state.withLock { $0.isOver } }

    func respond(_ status: Int, headers: [(String, String)] = [], body: [UInt8] = []) {
        guard markOver() else { return }
        write(
            "HTTP/1.1 \(status) So\r\n" + Self.lines(headers) + "Content-Length: \(body.count)\r\n\r\n", body)
    }

    /// Writes to the stream of events, which begins with the first.
    func stream(_ bytes: [UInt8], headers: [(String, String)] = []) {
        let (isOver, isFirst) = state.withLock { state in
            defer { state.isStreaming = true }
            return (state.isOver, !state.isStreaming)
        }
        guard !isOver else { return }
        let head =
            "HTTP/1.1 200 So\r\n" + Self.lines(headers)
            + "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        let chunk = Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + Array("\r\n".utf8)
        write(isFirst ? head : "", bytes.isEmpty ? [] : chunk)
    }

    var isStreaming: Bool { state.withLock { $0.isStreaming } }

    /// Ends the stream.
    func end() {
        if markOver() { write("0\r\n\r\n", []) }
    }

    /// Called if the other side goes before the answer was complete.
    func onClose(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onClose = body } }

    func closed() {
        let told = state.withLock { state in
            defer { state.isOver = true }
            return state.isOver ? nil : state.onClose
        }
        told?()
    }

    private func markOver() -> Bool {
        state.withLock { state in
            defer { state.isOver = true }
            return !state.isOver
        }
    }

    private func write(_ text: String, _ bytes: [UInt8]) {
        channel.writeAndFlush(ByteBuffer(bytes: Array(text.utf8) + bytes), promise: nil)
    }

    private static func lines(_ headers: [(String, String)]) -> String {
        headers.map { "\($0.0): \($0.1)\r\n" }.joined()
    }
}
