import HTTPWire
import MCPTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A client that asks about addresses before it goes there.
@Suite(.timeLimit(.minutes(3)))
struct AddressWatchTests {
    private final class Asked: Sendable {
        let list = Mutex<[(bytes: [UInt8], host: String)]>([])
    }

    private static func withServer(
        resolve: AddressWatch.Resolve? = nil,
        refuse: @escaping @Sendable (_ bytes: [UInt8], _ host: String) -> String?,
        _ body: (HTTPClient, _ port: Int, _ asked: Asked, _ hits: @escaping @Sendable () -> Int) async throws
            -> Void
    ) async throws {
        let count = SharedCount()
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: MultiThreadedEventLoopGroup.singleton,
            hosts: HostPolicy(names: ["rebound.example", "both.example"])
        ) { exchange in
            count.value.withLock { $0 += 1 }
            exchange.respond(status: 200, body: Array("here".utf8))
        }
        let asked = Asked()
        var limits = HTTPClientLimits()
        limits.idleLife = .zero  // each request by a connection of its own
        limits.connectTimeout = .seconds(40)  // a busy machine takes its time, and no test is about this
        let client = HTTPClient(
            group: MultiThreadedEventLoopGroup.singleton, limits: limits,
            watch: AddressWatch(resolve: resolve ?? { try SystemResolver.addresses(of: $0, port: $1) }) {
                question in
                asked.list.withLock { $0.append((question.bytes, question.host)) }
                return refuse(question.bytes, question.host)
            })
        let result: Result<Void, any Error>
        do {
            result = .success(
                try await body(client, listener.address.port, asked) { count.value.withLock { $0 } })
        } catch {
            result = .failure(error)
        }
        await client.shutdown()
        await listener.close()
        try result.get()
    }

    private final class SharedCount: Sendable {
        let value = Mutex(0)
    }

    @Test(arguments: ["127.0.0.1", "localhost"])
    func `what a name leads to is asked about before anything is sent`(host: String) async throws {
        try await Self.withServer(refuse: { _, host in "not to \(host)" }) { client, port, asked, hits in
            let error = await #expect(throws: HTTPClientError.self) {
                try await client.collect(
                    HTTPClientRequest(HTTPURL("http://\(host):\(port)/"), timeout: .seconds(20)))
            }
            #expect(error?.cause == .addressRefused("not to \(host)") && error?.notSent == true)
            // A name may lead to several, and each is asked about.
            #expect(Set(asked.list.withLock { $0.map(\.host) }) == [host])
            #expect(hits() == 0)
        }
    }

    @Test func `the address that was asked about is the one that is gone to, for each connection anew`()
        async throws
    {
        let answers = SharedCount()
        // A name that leads elsewhere the second time: the first answer binds nobody.
        try await Self.withServer(
            refuse: { _, _ in
                answers.value.withLock { count in
                    count += 1
                    return count == 1 ? nil : "no longer"
                }
            }
        ) { client, port, asked, hits in
            let request = HTTPClientRequest(try HTTPURL("http://127.0.0.1:\(port)/"), timeout: .seconds(20))
            #expect(try await client.collect(request).head.status == 200)
            #expect(asked.list.withLock { $0.first?.bytes } == [127, 0, 0, 1])
            let error = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(error?.cause == .addressRefused("no longer"))
            #expect(hits() == 1)
        }
    }

    @Test
    func
        `a name is resolved once, and the connection goes to what was asked about, whatever it leads to next`()
        async throws
    {
        let looks = SharedCount()
        // DNS rebinding: allowed when it is asked about, and the next answer leads elsewhere.
        let resolve: AddressWatch.Resolve = { _, port in
            let look = looks.value.withLock { count in
                count += 1
                return count
            }
            return [try SocketAddress(ipAddress: look == 1 ? "127.0.0.1" : "127.0.0.66", port: port)]
        }
        try await Self.withServer(
            resolve: resolve, refuse: { bytes, _ in bytes == [127, 0, 0, 66] ? "not to 127.0.0.66" : nil }
        ) { client, port, _, hits in
            let request = HTTPClientRequest(
                try HTTPURL("http://rebound.example:\(port)/"), timeout: .seconds(20))
            #expect(try await client.collect(request).head.status == 200)
            #expect(looks.value.withLock { $0 } == 1 && hits() == 1)
            let error = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(error?.cause == .addressRefused("not to 127.0.0.66") && error?.notSent == true)
            #expect(hits() == 1)
        }
    }

    @Test func `of several addresses only those are gone to that may be`() async throws {
        let resolve: AddressWatch.Resolve = { _, port in
            [
                try SocketAddress(ipAddress: "127.0.0.66", port: port),
                try SocketAddress(ipAddress: "127.0.0.1", port: port),
            ]
        }
        try await Self.withServer(
            resolve: resolve, refuse: { bytes, _ in bytes == [127, 0, 0, 66] ? "no" : nil }
        ) { client, port, asked, hits in
            let request = HTTPClientRequest(
                try HTTPURL("http://both.example:\(port)/"), timeout: .seconds(20))
            #expect(try await client.collect(request).head.status == 200)
            #expect(asked.list.withLock { $0.count } == 2 && hits() == 1)
        }
    }

    @Test func `of a name's addresses the first that answers is taken, whatever became of those before it`()
        async throws
    {
        let resolve: AddressWatch.Resolve = { _, port in
            try ["127.0.0.66", "127.0.0.67", "127.0.0.1"].map {
                try SocketAddress(ipAddress: $0, port: port)
            }
        }
        try await Self.withServer(resolve: resolve, refuse: { _, _ in nil }) { client, port, _, hits in
            let request = HTTPClientRequest(
                try HTTPURL("http://both.example:\(port)/"), timeout: .seconds(20))
            for turn in 1...3 {
                #expect(try await client.collect(request).head.status == 200)
                #expect(hits() == turn)
            }
        }
    }

    @Test func `a name that does not resolve is told as such`() async throws {
        try await Self.withServer(refuse: { _, _ in nil }) { client, _, _, _ in
            let error = await #expect(throws: HTTPClientError.self) {
                try await client.collect(
                    HTTPClientRequest(HTTPURL("http://no-such-name.invalid/"), timeout: .seconds(20)))
            }
            #expect(error?.notSent == true)
        }
    }
}
