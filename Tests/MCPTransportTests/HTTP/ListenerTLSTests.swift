import Foundation
import HTTPWire
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing
import X509

@testable import MCPTransport

@Suite(.timeLimit(.minutes(3)))
struct ListenerTLSTests {
    /// Files of a listener, in a folder of their own.
    private final class Files {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)")

        init() throws {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }
        deinit { try? FileManager.default.removeItem(at: folder) }

        @discardableResult
        func write(_ text: String, _ name: String) throws -> String {
            let file = folder.appendingPathComponent(name)
            try text.write(to: file, atomically: true, encoding: .utf8)
            return file.path
        }

        func put(_ pair: TestAuthority.Pair) throws -> ListenerTLS.Files {
            ListenerTLS.Files(
                certificate: try write(pair.certificate, "gw.pem"), key: try write(pair.key, "gw.key"))
        }
    }

    private static let here: [GeneralName] = [
        .dnsName("localhost"), .ipAddress(.init(contentBytes: [127, 0, 0, 1])),
    ]

    private static func serving(
        _ tls: ListenerTLS, now: @escaping @Sendable () -> Date = { Date() },
        _ body: (_ port: Int) async throws -> Void
    ) async throws {
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: MultiThreadedEventLoopGroup.singleton,
            tls: tls.source, now: now
        ) { exchange in
            let peer = exchange.peer
            let names = [
                peer?.uris.joined(separator: " "), peer?.dnsNames.joined(separator: " "), peer?.subject,
            ]
            let text = peer == nil ? "nobody" : names.map { $0 ?? "-" }.joined(separator: "|")
            exchange.respond(status: exchange.isSecure ? 200 : 500, body: Array(text.utf8))
        }
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(listener.address.port))
        } catch {
            result = .failure(error)
        }
        await listener.close()
        try result.get()
    }

    /// One request over TLS, as a client that trusts `root` and shows `pair`.
    private static func ask(_ port: Int, trusting root: String, showing pair: TestAuthority.Pair? = nil)
        async throws -> String
    {
        let channel = try await connect(port, trusting: root, showing: pair)
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(
                ByteBuffer(string: "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            var text = ""
            for try await part in inbound {
                text += String(buffer: part)
                if let head = text.firstRange(of: "\r\n\r\n"), text[head.upperBound...].count > 0 { break }
            }
            guard text.hasPrefix("HTTP/1.1 200"), let head = text.firstRange(of: "\r\n\r\n") else {
                throw HTTPClientError(
                    .connectionLost(text), origin: try HTTPURL("https://localhost/").origin, notSent: false)
            }
            return String(text[head.upperBound...])
        }
    }

    private static func connect(_ port: Int, trusting root: String, showing pair: TestAuthority.Pair?)
        async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer>
    {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(root.utf8)))
        if let pair {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(pair.certificate.utf8))
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(
                try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem))
        }
        let context = try NIOSSLContext(configuration: configuration)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(20))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: context, serverHostname: "localhost"))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        // Not before there is a connection: one of these that nobody uses ends the process.
        return try await channel.eventLoop.submit {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }.get()
    }

    @Test func `files that change are taken by new connections, and files that are wrong by none`()
        async throws
    {
        let files = try Files()
        let (first, second) = (try TestAuthority("first"), try TestAuthority("second"))
        let tls = try ListenerTLS(files.put(first.sign("gw", Self.here)))
        try await Self.serving(tls) { port in
            #expect(try await Self.ask(port, trusting: first.pem) == "nobody")
            #expect(tls.refresh() == .none)

            try files.write("-----BEGIN CERTIFICATE-----\nhalf", "gw.pem")
            guard case .failed(let trouble) = tls.refresh() else {
                Issue.record("half a certificate was taken")
                return
            }
            #expect(trouble.path.hasSuffix("gw.pem"))
            #expect(tls.refresh() == .none, "said once")
            #expect(try await Self.ask(port, trusting: first.pem) == "nobody", "the former one stays")

            let next = try second.sign("gw", Self.here)
            try files.write(next.certificate, "gw.pem")
            // The key is still the former one's.
            guard case .failed = tls.refresh() else {
                Issue.record("a certificate was taken with another's key")
                return
            }
            try files.write(next.key, "gw.key")
            #expect(tls.refresh() == .renewed)
            #expect(try await Self.ask(port, trusting: second.pem) == "nobody")
            await #expect(throws: (any Error).self) { try await Self.ask(port, trusting: first.pem) }
        }
    }

    @Test(arguments: ["gw.pem", "gw.key", "clients.pem"])
    func `a file that is missing is named`(name: String) throws {
        let files = try Files()
        let authority = try TestAuthority("a")
        var places = try files.put(authority.sign("gw", Self.here))
        places.clientCA = try files.write(authority.pem, "clients.pem")
        try FileManager.default.removeItem(at: files.folder.appendingPathComponent(name))
        let trouble = #expect(throws: ListenerTLS.Trouble.self) { try ListenerTLS(places) }
        #expect(trouble?.path.hasSuffix(name) == true)
    }

    @Test func `who shows a certificate is known by its names, and who shows none is nobody`() async throws {
        let files = try Files()
        let (ours, clients, strangers) = (
            try TestAuthority("ours"), try TestAuthority("clients"), try TestAuthority("strangers")
        )
        var places = try files.put(ours.sign("gw", Self.here))
        places.clientCA = try files.write(clients.pem, "clients.pem")
        try await Self.serving(try ListenerTLS(places)) { port in
            let agent = try clients.sign(
                "agent", [.uniformResourceIdentifier("spiffe://plant/agent"), .dnsName("agent.plant")])
            #expect(
                try await Self.ask(port, trusting: ours.pem, showing: agent)
                    == "spiffe://plant/agent|agent.plant|CN=agent")
            #expect(try await Self.ask(port, trusting: ours.pem) == "nobody")

            // The same names, signed by somebody else, by itself, or no longer good: cut off, not let in as nobody.
            let stranger = try strangers.sign("agent", [.uniformResourceIdentifier("spiffe://plant/agent")])
            let old = try clients.sign("agent", [.dnsName("agent.plant")], notAfter: Date() - 60)
            for bad in [stranger, old] {
                await #expect(throws: (any Error).self) {
                    try await Self.ask(port, trusting: ours.pem, showing: bad)
                }
            }
        }
    }

    @Test func `a connection that is kept is good for no longer than the certificate that began it`()
        async throws
    {
        let files = try Files()
        let (ours, clients) = (try TestAuthority("ours"), try TestAuthority("clients"))
        var places = try files.put(ours.sign("gw", Self.here))
        places.clientCA = try files.write(clients.pem, "clients.pem")
        let ahead = Mutex(0.0)
        let now = { @Sendable in Date() + ahead.withLock { $0 } }
        try await Self.serving(try ListenerTLS(places), now: now) { port in
            let agent = try clients.sign("agent", [.dnsName("agent.plant")])
            for isNamed in [true, false] {
                ahead.withLock { $0 = 0 }
                let channel = try await Self.connect(port, trusting: ours.pem, showing: isNamed ? agent : nil)
                try await channel.executeThenClose { inbound, outbound in
                    var parts = inbound.makeAsyncIterator()
                    for (seconds, isGood) in [(0.0, true), (3_000, true), (3_700, !isNamed)] {
                        ahead.withLock { $0 = seconds }
                        try await outbound.write(
                            ByteBuffer(string: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                        var text = ""
                        let end = isGood ? (isNamed ? "CN=agent" : "nobody") : "}\n"
                        while !text.hasSuffix(end), let part = try await parts.next() {
                            text += String(buffer: part)
                        }
                        #expect(text.hasPrefix(isGood ? "HTTP/1.1 200" : "HTTP/1.1 403"), "\(text)")
                        #expect(isGood || text.contains("the certificate that you showed has expired since"))
                    }
                    // And it is closed, so that nothing is asked by it again.
                    if isNamed { #expect(try await parts.next() == nil) }
                }
            }
        }
    }

    @Test func `where no authority is named nobody is asked for a certificate`() async throws {
        let files = try Files()
        let ours = try TestAuthority("ours")
        try await Self.serving(try ListenerTLS(files.put(ours.sign("gw", Self.here)))) { port in
            let agent = try ours.sign("agent", [.dnsName("agent.plant")])
            #expect(try await Self.ask(port, trusting: ours.pem, showing: agent) == "nobody")
        }
    }
}
