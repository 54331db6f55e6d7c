import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import NIOCore
import NIOPosix
import Testing

/// The golden exchanges through real fronts: what the client's half says goes in byte for byte, what the server's half says
/// must come out byte for byte.
///
/// Replaced are only the ids that a server makes up itself: those of its requests, and `elicitationId`.
@Suite(.timeLimit(.minutes(1))) struct FrontReplayTests {
    static let cases: [(Wire, String)] = Wire.allCases.flatMap { wire in
        ((try? GoldenExchange.names(in: wire.revision)) ?? []).map { (wire, $0) }
    }

    @Test(arguments: cases)
    func `a front says what the exchange says`(wire: Wire, name: String) async throws {
        let exchange = try GoldenExchange(name, wire.revision)
        let service = try GoldenService(exchange)
        try await GoldenFront.with(service.service, wire) { way, heard in
            var replay = FrontReplay(exchange, wire, service, way, heard)
            try await replay.run()
        }
        #expect(service.breaches.isEmpty)
    }

    @Test func `there are exchanges for every revision`() throws {
        #expect(Self.cases.count > 130)
        for revision in ProtocolRevision.allCases {
            let names = Set(try GoldenExchange.names(in: revision))
            var wanted: Set = [
                "tools-list", "tools-call", "resources-list", "resource-templates-list", "resources-read",
                "prompts-list", "prompts-get", "completion", "progress", "cancel", "error-of-server",
                "error-unknown-resource", "error-unknown-method", "tool-failure", "sampling", "roots",
                "logging",
                "list-changed",
            ]
            if revision >= .v2025_06_18 { wanted.formUnion(["elicitation", "elicitation-declined"]) }
            if revision >= .v2025_11_25 { wanted.insert("elicitation-url") }
            if revision.era == .modern { wanted.insert("server-discover") }
            #expect(names == wanted, "\(revision.rawValue)")
        }
    }

    @Test func `a batch of 2025-03-26 is answered as one`() async throws {
        let handshake = try GoldenExchange("tools-call", .v2025_03_26).handshake
        let lines = try Fixture.text("mcp/2025-03-26/batch.jsonl").split(separator: "\n").map {
            try JSON(validating: String($0))
        }
        let service = try GoldenService(try GoldenExchange("progress", .v2025_03_26))
        try await GoldenFront.with(service.service, .http2025March) { way, heard in
            let http = try #require(way as? ClientOverHTTP)
            var heard = heard.makeAsyncIterator()
            try await way.say(handshake[0].message)
            _ = await heard.next()
            try await way.say(handshake[2].message)
            let (status, body) = try await http.collect(lines[0])
            #expect(status == 200)
            let answers = try JSON(validating: body).elements
            #expect(Set(answers.map(\.text)) == Set((lines[1].elements).map(\.text)))
        }
    }
}

/// One exchange at one front.
struct FrontReplay {
    private let exchange: GoldenExchange
    private let wire: Wire
    private let service: GoldenService
    private let way: any ClientWire
    private var heard: AsyncStream<Heard>.Iterator
    /// Ids of the exchange, and what the front said in their place.
    private var ids: [JSON: JSON] = [:]

    init(
        _ exchange: GoldenExchange, _ wire: Wire, _ service: GoldenService, _ way: any ClientWire,
        _ heard: AsyncStream<Heard>
    ) {
        self.exchange = exchange
        self.wire = wire
        self.service = service
        self.way = way
        self.heard = heard.makeAsyncIterator()
    }

    mutating func run() async throws {
        for line in exchange.handshake { try await step(line) }
        if exchange.name == "list-changed", wire.era == .legacy { try await way.openSessionStream() }
        for line in exchange.lines { try await step(line) }
        if exchange.name == "cancel" {
            try await until { service.cancelled > 0 }
        }
    }

    private mutating func step(_ line: GoldenExchange.Line) async throws {
        line.isClients ? try await say(line.message) : try await hear(line.message)
    }

    private func say(_ message: JSON) async throws {
        if message["method"]?.string == "notifications/cancelled" {
            try await until { service.calls > 0 }
            // Over HTTP a modern client says that by closing the stream.
            if wire == .http2026 { return way.hangUp(message["params"]?["requestId"] ?? .null) }
        }
        guard message["method"] == nil, let id = message["id"] else { return try await way.say(message) }
        try await way.say(message.setting("id", to: ids[id] ?? id))
    }

    private mutating func hear(_ wanted: JSON) async throws {
        if wanted["method"]?.string == "notifications/tools/list_changed" {
            try await until { service.watchers > 0 }
            service.change(.tools)
        }
        let found = try await next()
        var wanted = wanted
        if wanted["method"] != nil, let id = wanted["id"] {
            let made = found["id"] ?? .null
            try #require([.string, .number].contains(made.kind))
            ids[id] = made
            wanted = wanted.setting("id", to: made)
        }
        if let id = wanted["params"]?["elicitationId"], let params = wanted["params"] {
            let made = try #require(found["params"]?["elicitationId"])
            #expect(made.string?.isEmpty == false)
            // What is told of it later is told of the same.
            #expect(ids[id, default: made] == made)
            ids[id] = made
            wanted = wanted.setting("params", to: params.setting("elicitationId", to: made))
        }
        if exchange.name == "error-unknown-method", let message = found["error"]?["message"] {
            #expect(message.string?.hasPrefix("Method not found") == true)
            wanted = wanted.setting("error", to: (wanted["error"] ?? .null).setting("message", to: message))
        }
        #expect(found.text == wanted.text)
    }

    private mutating func next() async throws -> JSON {
        while let something = await heard.next() {
            switch something {
            case .message(let message, _): return message
            case .breach(let text): throw Breach(text)
            case .ended: continue
            }
        }
        throw Breach("nothing more came")
    }
}

/// A front of the product on loopback or on pipes, and a client's way to it.
enum GoldenFront {
    static func with(
        _ service: MCPService, _ wire: Wire, _ body: (any ClientWire, AsyncStream<Heard>) async throws -> Void
    ) async throws {
        let (stream, feed) = AsyncStream.makeStream(of: Heard.self)
        let hear: @Sendable (Heard) -> Void = { feed.yield($0) }
        guard wire.transport != .stdio else {
            let (theirs, ours) = (try Pipe(), try Pipe())
            return try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                let front = StdioFront(service: service)
                group.addTask {
                    try await front.serve(input: theirs.reading, output: ours.writing, on: EventLoops.shared)
                }
                let way = try await ClientOverLines.open(
                    input: ours.reading, output: theirs.writing, hear: hear)
                try await body(way, stream)
                await way.close()
            }
        }
        let front = MCPFront(service: service, log: MatrixRig.log)
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: EventLoops.shared, log: MatrixRig.log
        ) { front.handle($0) }
        let port = listener.address.port
        do {
            let way: any ClientWire =
                wire.transport == .events
                ? try await ClientOverEvents.open(port: port, path: "/servers/disks/sse", hear: hear)
                : ClientOverHTTP(port: port, path: "/servers/disks/mcp", revision: wire.revision, hear: hear)
            try await body(way, stream)
            await way.close()
        } catch {
            front.close()
            await listener.close()
            throw error
        }
        front.close()
        await listener.close()
    }
}
