import HTTPWire
import Logging
import MCPTransport
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A listener on loopback and a client, for the time of one test.
struct Bench {
    let listener: HTTPListener
    let client: HTTPClient

    var port: Int { listener.address.port }

    func url(_ path: String = "/", scheme: String = "http") throws -> HTTPURL {
        try HTTPURL("\(scheme)://127.0.0.1:\(port)\(path)")
    }

    func get(_ path: String = "/", timeout: Duration = .seconds(40)) async throws -> (
        head: HTTPResponseHead, body: String
    ) {
        let (head, body) = try await client.collect(HTTPClientRequest(url(path), timeout: timeout))
        return (head, String(decoding: body, as: UTF8.self))
    }

    static func run(
        host: String = "127.0.0.1", limits: HTTPLimits = .standard, hosts: HostPolicy = HostPolicy(),
        clientLimits: HTTPClientLimits = .standard, tls: (@Sendable () -> NIOSSLContext)? = nil,
        roots: [String] = [], handler: @escaping @Sendable (HTTPExchange) -> Void,
        _ body: (Bench) async throws -> Void
    ) async throws {
        var limits = limits
        if limits.drainTimeout == HTTPLimits.standard.drainTimeout {
            limits.drainTimeout = .milliseconds(200)
        }
        var clientLimits = clientLimits
        if clientLimits.connectTimeout == HTTPClientLimits.standard.connectTimeout {
            // A busy machine takes its time, and no test is about this.
            clientLimits.connectTimeout = .seconds(40)
        }
        let group = MultiThreadedEventLoopGroup.singleton
        let listener = try await HTTPListener.bind(
            ListenAddress(host: host, port: 0), group: group, limits: limits, hosts: hosts, tls: tls,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, handler: handler)
        let client = HTTPClient(group: group, limits: clientLimits, additionalRoots: roots)
        let result: Result<Void, any Error>
        do {
            try await body(Bench(listener: listener, client: client))
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await client.shutdown()
        await listener.close()
        try result.get()
    }
}

/// What several threads leave for a test to look at or wait for.
final class Signal<Value: Sendable>: Sendable {
    private let stream: AsyncStream<Value>
    private let continuation: AsyncStream<Value>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func send(_ value: Value) { continuation.yield(value) }

    /// The next value, whenever it comes; `nil` if the test was cancelled.
    func next() async -> Value? {
        var iterator = stream.makeAsyncIterator()
        return await iterator.next()
    }
}

final class Counter: Sendable {
    private let count = Mutex(0)

    /// 0, 1, 2, …
    func next() -> Int {
        count.withLock { count in
            defer { count += 1 }
            return count
        }
    }

    var value: Int { count.withLock { $0 } }
}
