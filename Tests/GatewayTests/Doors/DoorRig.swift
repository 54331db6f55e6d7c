import Catalog
import Composition
import HTTPWire
import JSONSlice
import Logging
import MCPModel
import MCPTransport
import MartletTestKit
import NIOCore
import NIOPosix
import Storage
import Synchronization
import Testing

@testable import Gateway

/// An issuer's place on the network, which answers as a test wants it to.
final class FakeIssuer: Sendable {
    enum Reply: Sendable {
        case keys([TokenMint])
        case status(Int, headers: [(String, String)] = [])
        case body([UInt8])
        case silence
    }

    static let name = "https://idp.example.com"

    private let reply: Mutex<Reply>
    private let asked = Mutex(0)
    /// Held, since one that nobody holds is answered by the listener.
    private let unanswered = Mutex<[HTTPExchange]>([])

    var timesAsked: Int { asked.withLock { $0 } }

    init(_ reply: Reply) { self.reply = Mutex(reply) }

    func change(to reply: Reply) { self.reply.withLock { $0 = reply } }

    func answer(_ exchange: HTTPExchange) {
        asked.withLock { $0 += 1 }
        switch reply.withLock({ $0 }) {
        case .keys(let mints): exchange.respond(status: 200, body: TokenMint.keySet(mints))
        case .status(let status, let headers): exchange.respond(status: status, headers: headers)
        case .body(let bytes): exchange.respond(status: 200, body: bytes)
        case .silence: unanswered.withLock { $0.append(exchange) }
        }
    }
}

/// A front of the sample server behind the real doors, and an issuer of tokens beside it.
final class DoorRig: Sendable {
    struct Answer {
        var status: Int
        var challenge: String?
        var retryAfter: String?
        var json: JSON
        var text: String
    }

    static let adminToken = "ma_the-admin-token"

    let issuer: FakeIssuer
    let keys: CallerDoor
    let tokens: TokenDoor?
    let front: MCPFront
    let port: Int
    private let client: HTTPClient
    private let clock: Clock

    private final class Clock: Sendable {
        let now = Mutex(Instant.zero)
    }

    /// For the keys of issuers; tokens go by the time of the day.
    func pass(_ duration: Duration) { clock.now.withLock { $0 = $0.advanced(by: duration) } }

    private init(
        issuer: FakeIssuer, keys: CallerDoor, tokens: TokenDoor?, front: MCPFront, port: Int,
        client: HTTPClient, clock: Clock
    ) {
        self.front = front
        self.issuer = issuer
        self.keys = keys
        self.tokens = tokens
        self.port = port
        self.client = client
        self.clock = clock
    }

    /// - Parameters:
    ///   - asked: the claims that rules ask about.
    ///   - auth: the settings, given where the issuer's keys are.
    static func with(
        _ reply: FakeIssuer.Reply = .silence, asked: Set<String> = [], auth: (_ jwks: String) -> JSON,
        _ body: (DoorRig) async throws -> Void
    ) async throws {
        let scratch = Scratch()
        let issuer = FakeIssuer(reply)
        let loopback = ListenAddress(host: "127.0.0.1", port: 0)
        let issuing = try await HTTPListener.bind(loopback, group: EventLoops.shared) { issuer.answer($0) }
        let (settings, problems) = ConfigSection.read(auth("http://\(issuing.address)/keys")) { section in
            AuthSettings(reading: &section)
        }
        try #require(problems.isEmpty, "\(problems)")
        let keys = try await CallerDoor(
            shelf: CallerKeyShelf(try scratch.start().database), adminToken: adminToken,
            hasOtherDoors: settings.isOpenToSome)
        let clock = Clock()
        let fetcher = KeyFetcher(settings: settings, limits: .standard)
        let tokens =
            try settings.isOpenToSome
            ? TokenDoor(
                settings.issuers, asked: asked, fetch: { fetcher.fetch($0, $1) },
                now: { clock.now.withLock { $0 } },
                log: .silent)
            : nil
        var service = SampleServer(now: { 1_785_200_000 }, loops: EventLoops.shared).service
        service.door =
            FrontDoorKeeper(
                keys: keys, tokens: tokens, settings: settings, now: { clock.now.withLock { $0 } }
            ).front
        let front = MCPFront(service: service, log: .silent)
        let listener = try await HTTPListener.bind(loopback, group: EventLoops.shared) { front.handle($0) }
        let client = HTTPClient(group: EventLoops.shared)
        let rig = DoorRig(
            issuer: issuer, keys: keys, tokens: tokens, front: front, port: listener.address.port,
            client: client, clock: clock)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(rig))
        } catch {
            result = .failure(error)
        }
        front.close()
        await client.shutdown()
        await fetcher.shutdown()
        await listener.close()
        await issuing.close()
        withExtendedLifetime(scratch) {}
        try result.get()
    }

    var origin: String { "http://127.0.0.1:\(port)" }

    func get(_ path: String, headers: [(String, String)] = []) async throws -> Answer {
        try await send("GET", path, headers: headers, body: [])
    }

    /// One modern request with a credential.
    func ask(
        _ method: String = Method.toolsList, _ params: JSON = [:], path: String = "/mcp", credential: String?,
        headers more: [(String, String)] = [], origin: String? = nil
    ) async throws -> Answer {
        var headers = [
            ("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method),
        ]
        if let name = params["name"]?.string ?? params["uri"]?.string { headers.append(("Mcp-Name", name)) }
        if let credential { headers.append(("Authorization", credential)) }
        let meta: JSON = [
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": ["name": "test", "version": "1"],
            "io.modelcontextprotocol/clientCapabilities": [:],
        ]
        let message: JSON = [
            "jsonrpc": "2.0", "id": 1, "method": .string(method), "params": params.setting("_meta", to: meta),
        ]
        return try await send(
            "POST", path, headers: headers + more, body: Array(message.bytes), origin: origin)
    }

    private func send(
        _ method: String, _ path: String, headers: [(String, String)], body: [UInt8], origin: String? = nil
    ) async throws -> Answer {
        let answer = try await client.collect(
            HTTPClientRequest(
                HTTPURL((origin ?? self.origin) + path), method: method, headers: headers, body: body,
                timeout: .seconds(20)))
        return Answer(
            status: answer.head.status, challenge: answer.head.headers.first("www-authenticate"),
            retryAfter: answer.head.headers.first("retry-after"),
            json: (try? JSON(validating: answer.body)) ?? .null,
            text: String(decoding: answer.body, as: UTF8.self))
    }

    /// A session begun under a Host of one's own choice; the whole answer as text.
    func raw(host: String, credential: String) async throws -> String {
        let body =
            #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","#
            + #""capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#
        let fields = [
            "Host: \(host)", "Authorization: \(credential)", "Content-Type: application/json",
            "Accept: application/json, text/event-stream", "Content-Length: \(body.utf8.count)",
            "Connection: close",
        ]
        let head = "POST /mcp HTTP/1.1\r\n\(fields.joined(separator: "\r\n"))\r\n\r\n"
        let channel = try await ClientBootstrap(group: EventLoops.shared).connectTimeout(.seconds(20))
            .connect(host: "127.0.0.1", port: port).get()
        // Not before there is a connection: one of these that nobody uses ends the process.
        let wrapped = try await channel.eventLoop.submit {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }.get()
        return try await wrapped.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: head + body))
            var text = ""
            for try await part in inbound { text += String(buffer: part) }
            return text
        }
    }

    /// Claims of a token for this place, good now.
    func claims(_ changes: [(String, JSON?)] = []) -> JSON {
        let now = Int(WallTime.now().milliseconds / 1000)
        var members: [(String, JSON)] = [
            ("iss", .string(FakeIssuer.name)), ("sub", "user-1"), ("aud", .string(origin + "/mcp")),
            ("exp", .number(now + 300)), ("iat", .number(now)), ("scope", "see call"),
        ]
        for (name, value) in changes {
            members.removeAll { $0.0 == name }
            if let value { members.append((name, value)) }
        }
        return .object(members)
    }

    func bearer(_ mint: TokenMint, _ changes: [(String, JSON?)] = []) throws -> String {
        "Bearer \(try mint.token(claims(changes)))"
    }

    /// How a list is answered to who shows such a token.
    func status(_ mint: TokenMint, _ changes: [(String, JSON?)] = [], path: String = "/mcp") async throws
        -> Int
    {
        try await ask(path: path, credential: bearer(mint, changes)).status
    }
}
