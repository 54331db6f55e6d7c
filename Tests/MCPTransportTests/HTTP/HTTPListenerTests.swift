import HTTPWire
import MCPTransport
import NIOCore
import NIOPosix
import Testing

private let echo: @Sendable (HTTPExchange) -> Void = { exchange in
    exchange.respond(
        status: 200, headers: [("content-type", "text/plain")],
        body: Array("\(exchange.method) \(exchange.path) ".utf8) + exchange.body)
}

private let get = "GET /a HTTP/1.1\r\nHost: localhost\r\n"

@Suite(.timeLimit(.minutes(3)))
struct HTTPListenerTests {
    @Test
    func `a request gets its answer, and the connection the next one`() async throws {
        try await Bench.run(handler: echo) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send(get + "\r\n")
            let first = try await peer.read(through: "GET /a ")
            #expect(first.hasPrefix("HTTP/1.1 200 OK\r\ndate: "))
            #expect(first.contains("content-type: text/plain\r\ncontent-length: 7\r\n\r\n"))
            try await peer.send("POST /b%20c?d=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n")
            try await peer.send("\r\nh")
            try await peer.send("i")
            #expect(try await peer.read(through: "hi").hasSuffix("POST /b c hi"))
            try await peer.send(get + "Connection: close\r\n\r\n")
            #expect(try await peer.readToEnd().contains("connection: close\r\n"))
        }
    }

    @Test
    func `all clients together hold so much and no more`() async throws {
        var limits = HTTPLimits.standard
        limits.bodyBytesOpenMax = 10
        try await Bench.run(limits: limits, handler: echo) { bench in
            let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n"
            let first = try await RawPeer.connect(port: bench.port)
            try await first.send("GET /seen HTTP/1.1\r\nHost: localhost\r\n\r\n" + head + "1234567")
            _ = try await first.read(through: "/seen ")
            let second = try await RawPeer.connect(port: bench.port)
            try await second.send(head + "12345678")
            #expect(try await second.readToEnd().hasPrefix("HTTP/1.1 503 "))
            // What was answered has given its room back.
            try await first.send("8")
            #expect(try await first.read(through: "12345678").contains("200 OK"))
            let third = try await RawPeer.connect(port: bench.port)
            try await third.send(head + "abcdefgh")
            #expect(try await third.read(through: "abcdefgh").contains("200 OK"))
        }
    }

    @Test
    func `requests sent ahead are answered in order`() async throws {
        let count = 500
        let handler: @Sendable (HTTPExchange) -> Void = { exchange in
            // Half of the answers come from another thread.
            if exchange.path.hasSuffix("0") {
                exchange.respond(status: 200, body: Array("<\(exchange.path)>".utf8))
            } else {
                MultiThreadedEventLoopGroup.singleton.next().execute {
                    exchange.respond(status: 200, body: Array("<\(exchange.path)>".utf8))
                }
            }
        }
        try await Bench.run(handler: handler) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            // More than is read ahead, so that reading stops and goes on.
            let padding = "X: " + String(repeating: "x", count: 1000) + "\r\n"
            var all = ""
            for index in 0..<count {
                all += "GET /\(index) HTTP/1.1\r\nHost: localhost\r\n" + padding + "\r\n"
            }
            try await peer.send(all)
            for index in 0..<count {
                #expect(try await peer.read(through: ">").hasSuffix("\r\n\r\n</\(index)>"))
            }
        }
    }

    @Test
    func `many requests in one packet do not go deeper, only further`() async throws {
        try await Bench.run(handler: echo) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            let count = 20_000
            try await peer.send(
                String(repeating: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", count: count - 1))
            try await peer.send("GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            let answers = try await peer.readToEnd()
            #expect(answers.hasSuffix("GET /last "))
            #expect(answers.split(separator: "\r\n").count { $0.hasSuffix("HTTP/1.1 200 OK") } == count)
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400
        ),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 101\r\n\r\n", 413),
        ("GET /" + String(repeating: "a", count: 200) + " HTTP/1.1\r\n", 414),
        (get + "X: " + String(repeating: "a", count: 1000) + "\r\n", 431),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        (get + "Expect: a-miracle\r\n\r\n", 417),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
        ("GET / HTTP/1.0\r\n\r\n", 421),
        (get + "Origin: https://evil.example\r\n\r\n", 403),
        (get + "Origin: http://localhost\r\nOrigin: null\r\n\r\n", 403),
    ])
    func `what is refused is told why, and the connection ends`(request: String, status: Int) async throws {
        var limits = HTTPLimits.standard
        limits.message.headBytesMax = 500
        limits.message.targetBytesMax = 100
        limits.message.bodyBytesMax = 100
        let reached = Counter()
        try await Bench.run(
            limits: limits,
            handler: {
                _ = reached.next(); echo($0)
            }
        ) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send(request)
            let answer = try await peer.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 \(status) \(HTTPResponseHead.reason(of: status))\r\n"))
            #expect(answer.contains("\r\nconnection: close\r\n"))
            #expect(answer.contains("\r\n\r\n{\"error\":\""))
            #expect(reached.value == 0)
        }
    }

    @Test
    func `a refused host is told what to configure`() async throws {
        try await Bench.run(hosts: HostPolicy(setting: "listen.names"), handler: echo) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send("GET / HTTP/1.1\r\nHost: gw.example.net:7330\r\n\r\n")
            let answer = try await peer.readToEnd()
            #expect(
                answer.contains(
                    "\"hint\":\"if clients are meant to reach it by that name, add \\\"gw.example.net\\\" to `listen.names`\""
                ))
        }
    }

    @Test(arguments: [
        "Host: localhost\r\nOrigin: http://127.0.0.1:3000\r\n", "Host: gw.example.net\r\n",
        "Host: [::1]:99\r\n",
    ])
    func `our own names pass`(fields: String) async throws {
        try await Bench.run(hosts: HostPolicy(names: ["gw.example.net"]), handler: echo) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send("GET /x HTTP/1.1\r\n" + fields + "\r\n")
            #expect(try await peer.read(through: "GET /x ").hasPrefix("HTTP/1.1 200 OK"))
        }
    }

    @Test(arguments: ["/healthz", "/readyz"])
    func `probes may use any name`(path: String) async throws {
        try await Bench.run(handler: echo) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send("GET \(path) HTTP/1.1\r\nHost: pod.cluster.internal\r\n\r\n")
            #expect(try await peer.read(through: "GET \(path) ").hasPrefix("HTTP/1.1 200 OK"))
        }
    }

    @Test
    func `a client that waits for it is told to go on`() async throws {
        try await Bench.run(handler: echo) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send(
                "POST /a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            #expect(try await peer.read(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
            try await peer.send("hi")
            #expect(try await peer.read(through: "hi").hasPrefix("HTTP/1.1 200 OK"))
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost", "head"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nh", "body"),
        ("", "head"),
    ])
    func `who is too slow is told so`(start: String, part: String) async throws {
        var limits = HTTPLimits.standard
        // Only what the case is about is short: on a busy machine the head, too, may take its time to be sent.
        if part == "head" { limits.headTimeout = .milliseconds(50) }
        if part == "body" { limits.bodyTimeout = .milliseconds(50) }
        try await Bench.run(limits: limits, handler: echo) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            // Patience may have ended before this is sent: then the answer is on its way, and sending fails.
            if !start.isEmpty { try? await peer.send(start) }
            let answer = try await peer.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
            #expect(answer.contains("the \(part) of the request"))
        }
    }

    @Test
    func `an idle connection is closed without a word`() async throws {
        var limits = HTTPLimits.standard
        limits.idleTimeout = .milliseconds(50)
        try await Bench.run(limits: limits, handler: echo) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send(get + "\r\n")
            #expect(try await peer.readToEnd().hasSuffix("\r\n\r\nGET /a "))
        }
    }

    @Test
    func `one connection too many is answered 503`() async throws {
        var limits = HTTPLimits.standard
        limits.connectionsMax = 1
        try await Bench.run(limits: limits, handler: echo) { bench in
            let first = try await RawPeer.connect(port: bench.port)
            try await first.send(get + "\r\n")
            _ = try await first.read(through: "GET /a ")
            let second = try await RawPeer.connect(port: bench.port)
            #expect(try await second.readToEnd().hasPrefix("HTTP/1.1 503 "))
            try await first.send(get + "\r\n")
            #expect(try await first.read(through: "GET /a ").hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test
    func `a stream comes as it is written`() async throws {
        let exchanges = Signal<HTTPExchange>()
        try await Bench.run(handler: { exchanges.send($0) }) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send(get + "\r\n")
            let exchange = try #require(await exchanges.next())
            exchange.startStream(status: 200, headers: [("content-type", "text/event-stream")])
            let head = try await peer.read(through: "\r\n\r\n")
            #expect(head.contains("transfer-encoding: chunked\r\n"))
            for piece in ["one", "", "two"] {
                exchange.write(Array(piece.utf8))
                if !piece.isEmpty {
                    #expect(try await peer.read(through: piece + "\r\n") == "3\r\n\(piece)\r\n")
                }
            }
            exchange.end()
            exchange.end()
            exchange.write([1])
            #expect(try await peer.read(through: "0\r\n\r\n") == "0\r\n\r\n")
            try await peer.send("GET /b HTTP/1.0\r\nHost: localhost\r\n\r\n")
            let old = try #require(await exchanges.next())
            old.startStream(status: 200)
            old.write(Array("plain".utf8))
            old.end()
            let answer = try await peer.readToEnd()
            #expect(answer.hasSuffix("connection: close\r\n\r\nplain"))
        }
    }

    @Test
    func `answers without a body have none`() async throws {
        try await Bench.run(handler: { exchange in
            let status = exchange.path == "/none" ? 204 : 200
            exchange.respond(status: status, body: Array("hello".utf8))
        }) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try await peer.read(through: "\r\n\r\n").contains("content-length: 5\r\n"))
            try await peer.send("GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let none = try await peer.read(through: "\r\n\r\n")
            #expect(none.hasPrefix("HTTP/1.1 204 No Content\r\n"))
            #expect(!none.contains("content-length"))
            try await peer.send("HEAD /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let head = try await peer.read(through: "\r\n\r\n")
            #expect(!head.contains("content-length"))
        }
    }

    @Test(arguments: [false, true])
    func `a client that goes away is reported`(afterStart: Bool) async throws {
        let exchanges = Signal<HTTPExchange>()
        let gone = Signal<String>()
        try await Bench.run(handler: { exchanges.send($0) }) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send(get + "\r\n")
            let exchange = try #require(await exchanges.next())
            if afterStart { exchange.startStream(status: 200) }
            exchange.onClose { gone.send("first") }
            try await peer.close()
            #expect(await gone.next() == "first")
            exchange.onClose { gone.send("too late, so at once") }
            #expect(await gone.next() == "too late, so at once")
            exchange.respond(status: 200)
        }
    }

    @Test
    func `an answered exchange does not report the end of its connection`() async throws {
        let exchanges = Signal<HTTPExchange>()
        let gone = Counter()
        try await Bench.run(handler: { exchanges.send($0) }) { bench in
            let peer = try await RawPeer.connect(port: bench.port)
            try await peer.send(get + "\r\n")
            let exchange = try #require(await exchanges.next())
            exchange.onClose { _ = gone.next() }
            exchange.respond(status: 200)
            _ = try await peer.read(through: "\r\n\r\n")
            try await peer.close()
            await bench.listener.close()  // waits until the connection is gone
            exchange.onClose { _ = gone.next() }
            try await exchange.eventLoop.submit {}.get()
            #expect(gone.value == 0)
        }
    }

    @Test
    func `a client that does not read loses its stream at the bound`() async throws {
        var limits = HTTPLimits.standard
        limits.outboundBytesMax = 100_000
        let exchanges = Signal<HTTPExchange>()
        let gone = Signal<Bool>()
        try await Bench.run(limits: limits, handler: { exchanges.send($0) }) { bench in
            let peer = try await RawPeer.connectDeaf(port: bench.port)
            try await peer.send(get + "\r\n")
            let exchange = try #require(await exchanges.next())
            exchange.onClose { gone.send(true) }
            exchange.startStream(status: 200)
            let piece = [UInt8](repeating: 0, count: 64 * 1024)
            for _ in 0..<1000 { exchange.write(piece) }  // far more than the kernel's buffers hold
            #expect(await gone.next() == true)
            try await peer.close()
        }
    }

    @Test
    func `an exchange that nobody answers is answered 500`() async throws {
        try await Bench.run(handler: { _ in }) { bench in
            let answer = try await bench.get()
            #expect(answer.head.status == 500)
        }
    }

    @Test
    func `a stream that nobody ends is cut off, not completed`() async throws {
        try await Bench.run(handler: { $0.startStream(status: 200) }) { bench in
            let error = await #expect(throws: HTTPClientError.self) { try await bench.get() }
            #expect(error?.notSent == false)
        }
    }

    @Test
    func `closing waits for what runs, and not for ever`() async throws {
        // No other test listens on this address, so what connects at the end cannot be another's listener.
        let host = "127.0.0.2"
        var limits = HTTPLimits.standard
        limits.drainTimeout = .milliseconds(100)
        let exchanges = Signal<HTTPExchange>()
        try await Bench.run(host: host, limits: limits, handler: { exchanges.send($0) }) { bench in
            let busy = try await RawPeer.connect(host: host, port: bench.port)
            let stuck = try await RawPeer.connect(host: host, port: bench.port)
            try await busy.send(get + "\r\n")
            let running = try #require(await exchanges.next())
            try await stuck.send(get + "\r\n")
            let never = try #require(await exchanges.next())
            async let closed: Void = bench.listener.close()
            running.startStream(status: 200)
            running.write(Array("done".utf8))
            running.end()
            #expect(try await busy.readToEnd().hasSuffix("4\r\ndone\r\n0\r\n\r\n"))
            #expect(try await stuck.readToEnd() == "")
            await closed
            // A child that another test is just starting has a copy of the socket until its program runs.
            while let late = try? await RawPeer.connect(host: host, port: bench.port) {
                try? await late.close()
                try Task.checkCancellation()
            }
            never.respond(status: 200)
        }
    }

    @Test
    func `a taken port says so`() async throws {
        try await Bench.run(handler: echo) { bench in
            let address = bench.listener.address
            await #expect(throws: ListenError.inUse(address)) {
                try await HTTPListener.bind(
                    address, group: MultiThreadedEventLoopGroup.singleton, handler: echo)
            }
            #expect(ListenError.inUse(address).description.contains("127.0.0.1:\(address.port) is taken"))
        }
    }

    @Test
    func `an address of another machine says so`() async throws {
        let address = ListenAddress(host: "192.0.2.1", port: 0)
        await #expect(throws: ListenError.notOurAddress(address)) {
            try await HTTPListener.bind(address, group: MultiThreadedEventLoopGroup.singleton, handler: echo)
        }
    }
}
