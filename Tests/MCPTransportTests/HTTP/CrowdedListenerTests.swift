import HTTPWire
import MCPTransport
import MartletTestKit
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
        "", "GET /slow HTTP/1.1\r\nHost:", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
    ])
    func `whoever opens all connections and asks for nothing keeps nobody out`(sent: String) async throws {
        let limits = {
            var limits = HTTPLimits.standard
            limits.connectionsMax = 12
            return limits
        }()
        try await Bench.run(limits: limits, handler: Self.echo) { bench in
            let known = try await RawPeer.connect(port: bench.port)
            try await known.send(get)
            _ = try await known.read(through: "GET /a ")
            var crowd: [RawPeer] = []
            for _ in 0..<40 {
                let peer = try await RawPeer.connect(port: bench.port)
                if !sent.isEmpty { try? await peer.send(sent) }
                crowd.append(peer)
            }
            // One that has asked before stays, and one that comes now is let in.
            try await known.send(get)
            #expect(try await known.read(through: "GET /a ").hasPrefix("HTTP/1.1 200 "))
            // Until those who made room are gone they hold descriptors, of which there are only so many.
            try await eventually("a new one is let in", within: .seconds(40)) {
                do {
                    let new = try await RawPeer.connect(port: bench.port)
                    try await new.send(get)
                    return try await new.read(through: "GET /a ").hasPrefix("HTTP/1.1 200 ")
                } catch {
                    throw TestRefusal("\(error)")
                }
            }
            // The oldest of the others made room: nothing comes any more, and that at once.
            let rest = try? await crowd[0].readToEnd()
            #expect(rest?.isEmpty ?? true)
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
            let before = try await Self.settled { made.withLock(\.self) }
            #expect(before < count, "all answers were made")
            try await peer.read(atLeast: count * size)
            #expect(made.withLock(\.self) == count)
            try await peer.close()
        }
    }

    @Test func `where all have asked, each of those who come besides is told so`() async throws {
        var limits = HTTPLimits.standard
        limits.connectionsMax = 40
        try await Bench.run(limits: limits, handler: Self.echo) { bench in
            var known: [RawPeer] = []
            for _ in 0..<40 {
                let peer = try await RawPeer.connect(port: bench.port)
                try await peer.send(get)
                _ = try await peer.read(through: "GET /a ")
                known.append(peer)
            }
            var besides: [RawPeer] = []
            for _ in 0..<10 { besides.append(try await RawPeer.connect(port: bench.port)) }
            for peer in besides { #expect(try await peer.readToEnd().hasPrefix("HTTP/1.1 503 ")) }
            try await known[0].send(get)
            #expect(try await known[0].read(through: "GET /a ").hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func `while a request is answered, what its client sends ahead stays with the client`() async throws
    {
        let (count, size) = (24, 1 << 20)
        let post =
            "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(size)\r\n\r\n"
            + String(repeating: "x", count: size)
        let held = Mutex<HTTPExchange?>(nil)
        let answered = Mutex(0)
        let handler: @Sendable (HTTPExchange) -> Void = { exchange in
            let isFirst = answered.withLock { answered in
                answered += 1
                return answered == 1
            }
            if isFirst { held.withLock { $0 = exchange } } else { exchange.respond(status: 204) }
        }
        try await Bench.run(handler: handler) { bench in
            let peer = try await SlowPeer.connect(to: bench.port)
            peer.begin(String(repeating: post, count: count))
            try await eventually("the first has come", within: .seconds(40)) {
                held.withLock { $0 != nil }
            }
            let left = try await Self.settled(atLeast: 0) { await peer.unsentBytes }
            #expect(left > 0, "all was taken in")
            held.withLock { $0.take() }?.respond(status: 204)
            try await eventually("all are answered", within: .seconds(40)) {
                answered.withLock(\.self) == count
            }
            try await peer.close()
        }
    }

    /// A count once it has been the same for a while.
    private static func settled(atLeast least: Int = 1, _ count: () async -> Int) async throws -> Int {
        var (before, quiet) = (0, 0)
        while quiet < 20 {
            // That it stays as it is cannot be awaited otherwise.
            try await Task.sleep(for: .milliseconds(25))
            let now = await count()
            quiet = now == before && now >= least ? quiet + 1 : 0
            before = now
        }
        return before
    }
}

/// A client that asks, and reads nothing until it is told to.
private struct SlowPeer {
    private let channel: any Channel
    private let counted: CountedBytes

    static func connect(to port: Int, asking text: String = "") async throws -> SlowPeer {
        let counted = CountedBytes()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelInitializer { channel in channel.pipeline.addHandler(counted) }
            .connect(host: "127.0.0.1", port: port).get()
        let peer = SlowPeer(channel: channel, counted: counted)
        try await peer.ask(text)
        return peer
    }

    /// Returns when the kernel has all of it.
    func ask(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)).get() }

    /// Asks without waiting for the kernel.
    func begin(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }

    /// What the kernel has not taken yet of what it asks.
    var unsentBytes: Int {
        get async { (try? await channel.getOption(.bufferedWritableBytes).get()) ?? 0 }
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
