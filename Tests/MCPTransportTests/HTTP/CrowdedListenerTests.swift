import HTTPWire
import MCPTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

private let get = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"

/// Clients that are a burden to the others.
@Suite(.timeLimit(.minutes(3)))
struct CrowdedListenerTests {
    private static let echo: @Sendable (HTTPExchange) -> Void = { exchange in
        exchange.respond(status: 200, body: Array("\(exchange.method) \(exchange.path) ".utf8))
    }

    @Test(arguments: [
        "", "GET /slow HTTP/1.1\r\nHost:", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
    ])
    func `whoever opens all connections and asks for nothing keeps nobody out`(sent: String) async throws {
        var limits = HTTPLimits.standard
        limits.connectionsMax = 4
        try await Bench.run(limits: limits, handler: Self.echo) { bench in
            let known = try await RawPeer.connect(port: bench.port)
            try await known.send(get)
            _ = try await known.read(through: "GET /a ")
            var crowd: [RawPeer] = []
            for _ in 0..<20 {
                let peer = try await RawPeer.connect(port: bench.port)
                if !sent.isEmpty { try? await peer.send(sent) }
                crowd.append(peer)
            }
            // One that has asked before stays, and one that comes now is let in.
            try await known.send(get)
            #expect(try await known.read(through: "GET /a ").hasPrefix("HTTP/1.1 200 "))
            let new = try await RawPeer.connect(port: bench.port)
            try await new.send(get)
            #expect(try await new.read(through: "GET /a ").hasPrefix("HTTP/1.1 200 "))
            // The oldest of the others made room.
            _ = try? await crowd[0].readToEnd()
        }
    }

    @Test func `a client that sends ahead gets an answer made when it has taken the one before`() async throws
    {
        let (count, size) = (48, 1 << 20)
        let made = Mutex(0)
        let handler: @Sendable (HTTPExchange) -> Void = { exchange in
            made.withLock { $0 += 1 }
            exchange.respond(status: 200, body: [UInt8](repeating: UInt8(ascii: "x"), count: size))
        }
        try await Bench.run(handler: handler) { bench in
            let peer = try await SlowPeer.connect(
                to: bench.port, asking: String(repeating: get, count: count))
            // What the kernel's buffers take is asked for; then no more.
            let before = try await Self.settled(made)
            #expect(before < count, "all answers were made")
            try await peer.read(atLeast: count * size)
            #expect(made.withLock(\.self) == count)
            try await peer.close()
        }
    }

    @Test func `a sender is held back for a client that reads slowly, and all of a long stream comes`()
        async throws
    {
        let (pieces, size) = (40, 1 << 20)
        let sent = Mutex(0)
        let port = Mutex(0)
        let client = HTTPClient(group: MultiThreadedEventLoopGroup.singleton)
        let handler: @Sendable (HTTPExchange) -> Void = { exchange in
            exchange.startStream(status: 200)
            if exchange.path == "/source" {
                send(to: exchange, left: pieces)
            } else if let url = try? HTTPURL("http://127.0.0.1:\(port.withLock(\.self))/source") {
                _ = client.send(HTTPClientRequest(url, timeout: .seconds(120))) { event in
                    switch event {
                    case .head: break
                    case .body(let bytes): exchange.write(bytes)
                    case .end, .failed: exchange.end()
                    }
                }
            }
        }
        @Sendable func send(to exchange: HTTPExchange, left: Int) {
            guard left > 0 else { return exchange.end() }
            if exchange.isWritable {
                sent.withLock { $0 += 1 }
                exchange.write([UInt8](repeating: UInt8(ascii: "x"), count: size))
                return exchange.eventLoop.execute { send(to: exchange, left: left - 1) }
            }
            exchange.eventLoop.scheduleTask(in: .milliseconds(1)) { send(to: exchange, left: left) }
        }
        try await Bench.run(handler: handler) { bench in
            port.withLock { $0 = bench.port }
            let peer = try await SlowPeer.connect(
                to: bench.port, asking: "GET /through HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let before = try await Self.settled(sent)
            #expect(before < pieces, "the sender was not held back")
            try await peer.read(atLeast: pieces * size)
            try await peer.close()
        }
        await client.shutdown()
    }

    /// A count once it has been the same for a while.
    private static func settled(_ count: borrowing Mutex<Int>) async throws -> Int {
        var (before, quiet) = (0, 0)
        while quiet < 20 {
            // That it stays as it is cannot be awaited otherwise.
            try await Task.sleep(for: .milliseconds(25))
            let now = count.withLock(\.self)
            quiet = now == before && now > 0 ? quiet + 1 : 0
            before = now
        }
        return before
    }
}

/// A client that asks, and reads nothing until it is told to.
private struct SlowPeer {
    private let channel: any Channel
    private let counted: CountedBytes

    static func connect(to port: Int, asking text: String) async throws -> SlowPeer {
        let counted = CountedBytes()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelInitializer { channel in channel.pipeline.addHandler(counted) }
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: text)).get()
        return SlowPeer(channel: channel, counted: counted)
    }

    func read(atLeast size: Int) async throws {
        try await channel.setOption(.autoRead, value: true).get()
        channel.read()
        let end = ContinuousClock.now + .seconds(60)
        while counted.count < size, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(10))  // a condition with a deadline
        }
        #expect(counted.count >= size)
    }

    func close() async throws { try await channel.close().get() }

    private final class CountedBytes: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let total = Mutex(0)
        var count: Int { total.withLock(\.self) }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data).readableBytes
            total.withLock { $0 += bytes }
        }
    }
}
