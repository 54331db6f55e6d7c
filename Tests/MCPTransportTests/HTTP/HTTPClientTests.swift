import HTTPWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite(.timeLimit(.minutes(3)))
struct HTTPClientTests {
    private static func withServer(
        _ script: [[RawServer.Act]], limits: HTTPClientLimits = .standard,
        _ body: (HTTPClient, HTTPClientRequest) async throws -> Void
    ) async throws {
        let server = try await RawServer.start(script)
        let client = HTTPClient(group: MultiThreadedEventLoopGroup.singleton.next(), limits: limits)
        let request = try HTTPClientRequest(
            HTTPURL("http://127.0.0.1:\(server.port)/"), method: "POST", body: [1], timeout: .seconds(40))
        try await body(client, request)
        await client.shutdown()
        await server.stop()
    }

    private static func expectOK(_ client: HTTPClient, _ request: HTTPClientRequest) async throws {
        let answer = try await client.collect(request)
        #expect(answer.head.status == 200)
        #expect(answer.body == Array("ok".utf8))
    }

    @Test
    func `five megabytes go both ways`() async throws {
        // Every 16-bit word in turn, so that a piece that is lost, doubled or moved shows.
        let body = (0..<5 * 1024 * 1024).map { UInt8(truncatingIfNeeded: $0 & 1 == 0 ? $0 >> 9 : $0 >> 1) }
        var limits = HTTPLimits.standard
        limits.outboundBytesMax = 8 * 1024 * 1024  // all of it is written before the loop can send any
        try await Bench.run(
            limits: limits,
            handler: { exchange in
                if exchange.path == "/stream" {
                    exchange.startStream(status: 200)
                    var rest = exchange.body[...]
                    while !rest.isEmpty {
                        exchange.write(Array(rest.prefix(100_000)))
                        rest = rest.dropFirst(100_000)
                    }
                    exchange.end()
                } else {
                    exchange.respond(status: 200, body: exchange.body)
                }
            }
        ) { bench in
            for path in ["/", "/stream"] {
                let request = try HTTPClientRequest(
                    bench.url(path), method: "POST", body: body, timeout: .seconds(40))
                let answer = try await bench.client.collect(request)
                #expect(answer.head.status == 200)
                #expect(answer.body == body)
            }
        }
    }

    @Test
    func `requests one after another share a connection`() async throws {
        let ports = Mutex<Set<Int>>([])
        try await Bench.run(handler: { exchange in
            ports.withLock { _ = $0.insert(exchange.remotePort ?? 0) }
            exchange.respond(status: 200)
        }) { bench in
            var limits = HTTPClientLimits.standard
            limits.idleLife = .seconds(60)  // longer than a busy machine may pause between two of them
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let client = HTTPClient(group: loop, limits: limits)
            for _ in 0..<20 {
                _ = try await client.collect(HTTPClientRequest(bench.url(), timeout: .seconds(40)))
            }
            await client.shutdown()
            #expect(ports.withLock { $0.count } == 1)
        }
    }

    @Test
    func `a request from a loop stays on that loop`() async throws {
        try await Bench.run(handler: { $0.respond(status: 200, body: [1]) }) { bench in
            for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() {
                let request = try HTTPClientRequest(bench.url(), timeout: .seconds(40))
                let stayed = Signal<Bool>()
                let begin: @Sendable () -> HTTPClientHandle = {
                    bench.client.send(request) { event in
                        switch event {
                        case .head, .body: if !loop.inEventLoop { stayed.send(false) }
                        case .end: stayed.send(loop.inEventLoop)
                        case .failed: stayed.send(false)
                        }
                    }
                }
                let handle = try await loop.submit(begin).get()
                #expect(await stayed.next() == true)
                handle.cancel()
            }
        }
    }

    @Test
    func `the request says what was asked for and no more`() async throws {
        try await Bench.run(handler: { exchange in
            let fields = exchange.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
            exchange.respond(
                status: 200,
                body: Array("\(exchange.method) \(exchange.target.rawQuery ?? "")\n\(fields)".utf8))
        }) { bench in
            let request = try HTTPClientRequest(
                bench.url("/a?b=%20"), method: "PUT",
                headers: [("Accept", "x"), ("HOST", "evil"), ("Content-Length", "9"), ("X", "a\r\nY: b")],
                timeout: .seconds(40))
            let answer = try await bench.client.collect(request)
            #expect(
                String(decoding: answer.body, as: UTF8.self)
                    == "PUT b=%20\nhost: 127.0.0.1:\(bench.port)\nAccept: x\nX: a  Y: b\ncontent-length: 0")
        }
    }

    @Test
    func `where nobody listens nothing was sent`() async throws {
        let client = HTTPClient(group: MultiThreadedEventLoopGroup.singleton)
        let error = await #expect(throws: HTTPClientError.self) {
            // A port of our own that we gave back could by now be another test's.
            try await client.collect(HTTPClientRequest(HTTPURL("http://127.0.0.1:\(RawPeer.deadPort)/")))
        }
        #expect(error?.notSent == true)
        #expect(error?.description.contains("refused") == true)
        await client.shutdown()
    }

    @Test
    func `where the server hangs up on a request it may have got it`() async throws {
        try await Self.withServer([[.close]]) { client, request in
            let error = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(error?.cause == .closedBeforeAnswer(reused: false))
            #expect(error?.notSent == false)
        }
    }

    @Test
    func `a kept-alive connection that closes under a request is reported, not retried`() async throws {
        // However slow the machine is, the connection is not given up for being idle.
        var limits = HTTPClientLimits.standard
        limits.idleLife = .seconds(3_600)
        try await Self.withServer([[.send(ok), .close], [.send(ok)]], limits: limits) { client, request in
            try await Self.expectOK(client, request)
            let error = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(error?.cause == .closedBeforeAnswer(reused: true))
            #expect(error?.notSent == false)
            try await Self.expectOK(client, request)
        }
    }

    @Test
    func `a connection known to be closed is replaced before anything is sent`() async throws {
        try await Self.withServer([[.sendThenClose(ok)], [.send(ok)]]) { client, request in
            try await Self.expectOK(client, request)
            while await client.connectionCount() > 0 { await Task.yield() }
            try await Self.expectOK(client, request)
        }
    }

    @Test
    func `a connection that was announced to close is not used again`() async throws {
        let closing = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        try await Self.withServer([[.send(closing)], [.send(closing)]]) { client, request in
            try await Self.expectOK(client, request)
            try await Self.expectOK(client, request)
        }
    }

    @Test
    func `an unused connection is closed before the server does it`() async throws {
        var limits = HTTPClientLimits.standard
        limits.idleLife = .milliseconds(20)
        try await Self.withServer([[.send(ok)], [.send(ok)]], limits: limits) { client, request in
            try await Self.expectOK(client, request)
            while await client.connectionCount() > 0 { await Task.yield() }
            try await Self.expectOK(client, request)
        }
    }

    @Test(
        arguments: [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                .badResponse(.repeatedContentLength)
            ),
            ("SSH-2.0-OpenSSH_9.2 is no web server\r\n", .badResponse(.badStatusLine)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", .badResponse(.cutOff)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", .badResponse(.cutOff)),
        ] as [(String, HTTPClientError.Cause)])
    func `an answer that is none says what it was`(answer: String, cause: HTTPClientError.Cause) async throws
    {
        try await Self.withServer([[.sendThenClose(answer)]]) { client, request in
            let error = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(error?.cause == cause)
            #expect(error?.notSent == false)
        }
    }

    @Test
    func `an answer without a length ends with its connection`() async throws {
        try await Self.withServer([[.sendThenClose("HTTP/1.0 200 OK\r\n\r\nall of it")]]) { client, request in
            let answer = try await client.collect(request)
            #expect(answer.body == Array("all of it".utf8))
        }
    }

    @Test
    func `patience ends at its time`() async throws {
        try await Self.withServer([[], [.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi")]]) {
            client, request in
            var request = request
            request.headTimeout = .milliseconds(50)
            let head = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(head?.cause == .headTimedOut(after: .milliseconds(50)))
            #expect(head?.notSent == false)
            request.headTimeout = .seconds(40)
            request.timeout = .milliseconds(100)
            let whole = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(whole?.cause == .timedOut(after: .milliseconds(100)))
        }
    }

    @Test
    func `more than was bargained for is refused`() async throws {
        try await Bench.run(handler: { $0.respond(status: 200, body: [UInt8](repeating: 7, count: 1000)) }) {
            bench in
            let request = try HTTPClientRequest(bench.url(), timeout: .seconds(40))
            let whole = try await bench.client.collect(request, bodyBytesMax: 1000)
            #expect(whole.body.count == 1000)
            let error = await #expect(throws: HTTPClientError.self) {
                try await bench.client.collect(request, bodyBytesMax: 999)
            }
            #expect(error?.cause == .answerTooLarge(max: 999))
        }
    }

    @Test
    func `cancelling tells the server and then the sink`() async throws {
        let exchanges = Signal<HTTPExchange>()
        let gone = Signal<Bool>()
        let last = Signal<HTTPClientError?>()
        try await Bench.run(handler: { exchange in
            exchange.onClose { gone.send(true) }
            exchanges.send(exchange)
        }) { bench in
            let handle = try bench.client.send(HTTPClientRequest(bench.url())) { event in
                switch event {
                case .failed(let error): last.send(error)
                case .end: last.send(nil)
                case .head, .body: break
                }
            }
            let exchange = try #require(await exchanges.next())
            handle.cancel()
            handle.cancel()
            #expect(await gone.next() == true)
            #expect(await last.next()??.cause == .cancelled)
            exchange.respond(status: 200)
        }
    }

    @Test
    func `cancelling a task cancels its request`() async throws {
        let exchanges = Signal<HTTPExchange>()
        try await Bench.run(handler: { exchanges.send($0) }) { bench in
            let request = try HTTPClientRequest(bench.url())
            let client = bench.client
            let task = Task { try await client.collect(request).head.status }
            let exchange = try #require(await exchanges.next())
            task.cancel()
            await #expect(throws: HTTPClientError.self) { try await task.value }
            exchange.respond(status: 200)
        }
    }

    @Test
    func `over the bound requests wait for a connection, and not for ever`() async throws {
        var limits = HTTPClientLimits.standard
        limits.connectionsPerOriginMax = 1
        limits.waitingPerOriginMax = 1
        let exchanges = Signal<HTTPExchange>()
        try await Bench.run(handler: { exchanges.send($0) }) { bench in
            let client = HTTPClient(group: MultiThreadedEventLoopGroup.singleton.next(), limits: limits)
            let request = try HTTPClientRequest(bench.url(), timeout: .seconds(40))
            let first = Task { try await client.collect(request).head.status }
            let exchange = try #require(await exchanges.next())
            // The only connection is busy.
            var impatient = request
            impatient.timeout = .milliseconds(50)
            let tooLate = await #expect(throws: HTTPClientError.self) { try await client.collect(impatient) }
            #expect(tooLate?.cause == .timedOut(after: .milliseconds(50)))
            #expect(tooLate?.notSent == true)
            let waiting = Signal<HTTPClientEvent>()
            let handle = client.send(request) { waiting.send($0) }
            let tooMany = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(tooMany?.cause == .tooManyWaiting(max: 1))
            #expect(tooMany?.notSent == true)
            exchange.respond(status: 200)
            #expect(try await first.value == 200)
            let second = try #require(await exchanges.next())
            second.respond(status: 204)
            guard case .head(let head) = await waiting.next() else {
                Issue.record("the waiting request was not served")
                return
            }
            #expect(head.status == 204)
            handle.cancel()
            await client.shutdown()
        }
    }

    @Test
    func `where all connections stay busy, that is the reason`() async throws {
        var limits = HTTPClientLimits.standard
        limits.connectionsPerOriginMax = 1
        limits.waitMax = .milliseconds(50)
        // It is to stand for as long as this takes, on the busiest machine.
        limits.idleLife = .seconds(60)
        try await Self.withServer([[.send(ok)]], limits: limits) { client, request in
            // The one connection must stand before it can be busy, and to wait for it counts, too.
            while (try? await client.collect(request)) == nil {}
            let handle = client.send(request) { _ in }  // which the script does not answer
            let error = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(error?.cause == .noFreeConnection(after: .milliseconds(50)))
            #expect(error?.notSent == true)
            handle.cancel()
        }
    }

    @Test
    func `a client that shuts down fails what runs and what comes`() async throws {
        let exchanges = Signal<HTTPExchange>()
        try await Bench.run(handler: { exchanges.send($0) }) { bench in
            let client = HTTPClient(group: MultiThreadedEventLoopGroup.singleton)
            let request = try HTTPClientRequest(bench.url())
            let failed = Signal<HTTPClientError?>()
            let handle = client.send(request) { event in
                if case .failed(let error) = event { failed.send(error) }
                if case .end = event { failed.send(nil) }
            }
            let exchange = try #require(await exchanges.next())
            await client.shutdown()
            #expect(await failed.next()??.cause == .shutDown)
            handle.cancel()
            let after = await #expect(throws: HTTPClientError.self) { try await client.collect(request) }
            #expect(after?.cause == .shutDown)
            #expect(after?.notSent == true)
            exchange.respond(status: 200)
        }
    }

    private final class Held: Sendable {}

    @Test(arguments: [false, true])
    func `whatever hears of a request is let go of after its end`(mayComeAgain: Bool) async throws {
        try await FrontRig.with { rig in
            var request = try HTTPClientRequest(
                HTTPURL(rig.url("/healthz")), method: "GET", headers: [], timeout: .seconds(20))
            if mayComeAgain { request.again = { nil } }
            let (ends, ended) = AsyncStream.makeStream(of: Void.self)
            weak var held: Held?
            do {
                let token = Held()
                held = token
                _ = FrontRig.client.send(request) { event in
                    _ = token
                    switch event {
                    case .end, .failed: ended.yield()
                    case .head, .body: break
                    }
                }
            }
            for await _ in ends { break }
            let deadline = ContinuousClock.now + .seconds(10)
            while held != nil {
                try #require(ContinuousClock.now < deadline, "it is held still")
                try await Task.sleep(for: .milliseconds(5))  // a poll with a deadline
            }
        }
    }
}
