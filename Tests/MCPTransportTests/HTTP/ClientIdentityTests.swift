import Foundation
import HTTPWire
import NIOPosix
import Synchronization
import Testing
import X509

@testable import MCPTransport

/// Backends with an authority of their own, and those that want a client's certificate.
@Suite(.timeLimit(.minutes(3)))
struct ClientIdentityTests {
    private final class Files {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("id-\(UUID().uuidString)")

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
    }

    private static let here: [GeneralName] = [.ipAddress(.init(contentBytes: [127, 0, 0, 1]))]

    /// A server of that authority that tells each client who it is.
    private static func serving(
        _ authority: TestAuthority, clients: TestAuthority, _ files: Files, as name: String,
        _ body: (_ url: String) async throws -> Void
    ) async throws {
        let pair = try authority.sign(name, here)
        let tls = try ListenerTLS(
            ListenerTLS.Files(
                certificate: files.write(pair.certificate, "\(name).pem"),
                key: files.write(pair.key, "\(name).key"),
                clientCA: files.write(clients.pem, "\(name)-clients.pem")))
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: MultiThreadedEventLoopGroup.singleton,
            tls: tls.source
        ) { $0.respond(status: 200, body: Array(($0.peer?.subject ?? "nobody").utf8)) }
        let result: Result<Void, any Error>
        do {
            result = .success(try await body("https://127.0.0.1:\(listener.address.port)/"))
        } catch {
            result = .failure(error)
        }
        await listener.close()
        try result.get()
    }

    private static func client(
        _ source: ClientIdentity.Source,
        secrets: @escaping @Sendable (String) throws -> [UInt8] = { _ in [] },
        formers: FormerSecrets = .none,
        told: @escaping @Sendable (String) -> Void = { _ in }
    ) -> HTTPClient {
        var limits = HTTPClientLimits()
        limits.idleLife = .zero
        limits.connectTimeout = .seconds(40)
        return HTTPClient(
            group: MultiThreadedEventLoopGroup.singleton, limits: limits,
            identity: ClientIdentity(source, secrets: secrets, formers: formers, told: told))
    }

    private static func ask(_ client: HTTPClient, _ url: String) async throws -> String {
        let answer = try await client.collect(HTTPClientRequest(HTTPURL(url), timeout: .seconds(40)))
        return String(decoding: answer.body, as: UTF8.self)
    }

    @Test func `two backends of two authorities are shown two certificates, and believe nobody else's`()
        async throws
    {
        let files = try Files()
        let (one, two, clients) = (
            try TestAuthority("one"), try TestAuthority("two"), try TestAuthority("clients")
        )
        let ann = try clients.sign("ann", [.uniformResourceIdentifier("spiffe://plant/ann")])
        let bob = try clients.sign("bob", [.uniformResourceIdentifier("spiffe://plant/bob")])
        let first = Self.client(
            .init(
                authority: try files.write(one.pem, "one.pem"),
                certificate: try files.write(ann.certificate, "ann.pem"),
                key: .file(try files.write(ann.key, "ann.key"))))
        let second = Self.client(
            .init(
                authority: try files.write(two.pem, "two.pem"),
                certificate: try files.write(bob.certificate, "bob.pem"),
                key: .secret("bob-key"))
        ) { name in name == "bob-key" ? Array(bob.key.utf8) : [] }
        let nobody = Self.client(
            .init(authority: try files.write(one.pem, "one.pem"), certificate: nil, key: nil))
        try await Self.serving(one, clients: clients, files, as: "a") { a in
            try await Self.serving(two, clients: clients, files, as: "b") { b in
                let (ann, bob) = (try await Self.ask(first, a), try await Self.ask(second, b))
                let none = try await Self.ask(nobody, a)
                #expect(ann.contains("ann") && bob.contains("bob") && none == "nobody")
                for (client, url) in [(first, b), (second, a), (nobody, b)] {
                    let error = await #expect(throws: HTTPClientError.self) {
                        try await Self.ask(client, url)
                    }
                    guard case .tls? = error?.cause else {
                        Issue.record("not a TLS error: \(String(describing: error))")
                        continue
                    }
                    #expect(error?.notSent == true)
                }
            }
        }
        for client in [first, second, nobody] { await client.shutdown() }
    }

    @Test func `files that change are taken by new connections, and files that are wrong by none`()
        async throws
    {
        let files = try Files()
        let (authority, clients) = (try TestAuthority("one"), try TestAuthority("clients"))
        let pairs = try ["ann", "bob"].map {
            try clients.sign($0, [.uniformResourceIdentifier("spiffe://plant/\($0)")])
        }
        let certificate = try files.write(pairs[0].certificate, "me.pem")
        let key = try files.write(pairs[0].key, "me.key")
        let told = Mutex<[String]>([])
        let client = Self.client(
            .init(
                authority: try files.write(authority.pem, "ca.pem"), certificate: certificate, key: .file(key)
            ),
            told: { text in told.withLock { $0.append(text) } })
        try await Self.serving(authority, clients: clients, files, as: "a") { url in
            let first = try await Self.ask(client, url)
            #expect(first.contains("ann"))
            try files.write("half a certifi", "me.pem")
            for _ in 0..<3 {
                let again = try await Self.ask(client, url)
                #expect(again.contains("ann"))
            }
            #expect(told.withLock { $0.count } == 1 && told.withLock { $0[0].contains("me.pem") })
            try files.write(pairs[1].certificate, "me.pem")
            try files.write(pairs[1].key, "me.key")
            let second = try await Self.ask(client, url)
            #expect(second.contains("bob"))
        }
        await client.shutdown()
    }

    @Test func `what is wrong with files, or with the key in the vault, is named and nothing is sent`()
        async throws
    {
        let files = try Files()
        let pair = try TestAuthority("clients").sign(
            "ann", [.uniformResourceIdentifier("spiffe://plant/ann")])
        let certificate = try files.write(pair.certificate, "me.pem")
        let cases: [(ClientIdentity.Source, String)] = [
            (.init(authority: "/no/such/ca.pem", certificate: nil, key: nil), "servers.NAME.tls.ca"),
            (
                .init(authority: nil, certificate: certificate, key: .file("/no/such.key")),
                "servers.NAME.tls.key"
            ),
            (.init(authority: nil, certificate: certificate, key: .secret("press-key")), "press-key"),
        ]
        for (source, named) in cases {
            let told = Mutex<[String]>([])
            let client = Self.client(source, secrets: { _ in Array("hunter2".utf8) }) { text in
                told.withLock { $0.append(text) }
            }
            let error = await #expect(throws: HTTPClientError.self) {
                try await Self.ask(client, "https://127.0.0.1:\(RawPeer.deadPort)/")
            }
            #expect(
                error?.description.contains(named) == true && error?.notSent == true,
                "\(String(describing: error))")
            #expect(error?.description.contains("hunter2") == false)
            // What is told to other nodes names no file of this one; its log does.
            #expect(error?.description.contains("/no/such") == false)
            #expect(
                named == "press-key" || told.withLock { $0.count == 1 && $0[0].contains("/no/such") },
                "\(told.withLock { $0 })")
            await client.shutdown()
        }
    }

    @Test
    func
        `a rotated key is used once the certificate's file goes with it`()
        async throws
    {
        let files = try Files()
        let (authority, clients) = (try TestAuthority("one"), try TestAuthority("clients"))
        let pairs = try ["ann", "bob"].map {
            try clients.sign($0, [.uniformResourceIdentifier("spiffe://plant/\($0)")])
        }
        let certificate = try files.write(pairs[0].certificate, "me.pem")
        let live = Mutex((current: pairs[0].key, former: String?.none))
        let client = Self.client(
            .init(
                authority: try files.write(authority.pem, "ca.pem"), certificate: certificate,
                key: .secret("k")),
            secrets: { _ in live.withLock { Array($0.current.utf8) } },
            formers: FormerSecrets { _ in live.withLock { $0.former.map { Array($0.utf8) } } })
        try await Self.serving(authority, clients: clients, files, as: "a") { url in
            var who = try await Self.ask(client, url)
            #expect(who.contains("ann"))
            live.withLock { $0 = (pairs[1].key, pairs[0].key) }
            client.renewTLS()
            who = try await Self.ask(client, url)
            #expect(who.contains("ann"), "\(who)")
            try files.write(pairs[1].certificate, "me.pem")
            who = try await Self.ask(client, url)
            #expect(who.contains("bob"), "\(who)")
        }
        await client.shutdown()
    }

    @Test func `a key that the vault does not open is a credential's trouble`()
        async throws
    {
        struct Sealed: Error {}
        let files = try Files()
        let pair = try TestAuthority("clients").sign(
            "ann", [.uniformResourceIdentifier("spiffe://plant/ann")])
        let certificate = try files.write(pair.certificate, "me.pem")
        let cases: [(any Error, CredentialTrouble.Kind, BackendFault.Kind)] = [
            (Sealed(), .sealed, .sealed), (SecretNotForUse("bound elsewhere"), .refused, .authNeeded),
        ]
        for (error, kind, fault) in cases {
            let client = Self.client(
                .init(authority: nil, certificate: certificate, key: .secret("k")),
                secrets: { _ in throw error })
            let thrown = await #expect(throws: HTTPClientError.self) {
                try await Self.ask(client, "https://127.0.0.1:\(RawPeer.deadPort)/")
            }
            guard case .credential(let trouble)? = thrown?.cause, let thrown else {
                Issue.record("\(String(describing: thrown))")
                continue
            }
            #expect(trouble.kind == kind && thrown.notSent)
            #expect(BackendFault(credential: thrown)?.kind == fault)
            await client.shutdown()
        }
    }
}
