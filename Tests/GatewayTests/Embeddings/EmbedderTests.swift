import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import MeshTransport
import NIOPosix
import Search
import Synchronization
import Testing
import Vault

@testable import Gateway

@Suite(.timeLimit(.minutes(2)))
struct EmbedderTests {
    /// A catalog that is searched by way of a fake endpoint.
    private struct Rig {
        let endpoint: FakeEndpoint
        let embedder: Embedder
        let search: CatalogSearch
        let board: CatalogBoard

        func publish(_ entries: [Entry]) throws {
            board.publish(CatalogSnapshot.sample().with("press", entries))
        }

        func report() throws -> CatalogReport {
            CatalogReport(snapshot: board.snapshot, view: try board.view(.all).orFail("a view"))
        }

        func refresh() {
            guard let view = board.view(.all) else { return }
            let report = CatalogReport(snapshot: board.snapshot, view: view)
            search.refresh(to: report.entries, version: board.version, describe: report.document)
        }

        func find(_ query: String) async throws -> (names: [String], remark: String?) {
            let meaning = await embedder.meaning(of: query)
            let version = board.version
            let answer = try report().search(
                query, meaning: meaning, limit: 9, with: search, version: version)
            return (
                answer["entries"]?.elements.compactMap { $0["name"]?.string } ?? [],
                answer["meaning"]?.string
            )
        }

        func isKnown() -> Bool { embedder.standing.waiting == 0 && embedder.standing.vectors > 0 }
    }

    private static func with(
        _ reply: FakeEndpoint.Reply = .right, timeout: Duration = .seconds(20), url: String? = nil,
        secret: [UInt8]? = nil, now: @escaping @Sendable () -> Instant = { MeshClock.now() },
        _ body: (Rig) async throws -> Void
    ) async throws {
        let endpoint = try await FakeEndpoint.start(reply)
        let http = HTTPClient(group: MultiThreadedEventLoopGroup.singleton)
        let embedder = Embedder(
            EmbeddingSettings(
                url: url ?? endpoint.url, model: "fake", dimensions: 4,
                auth: secret == nil ? nil : .bearer(secret: "key"), timeout: timeout),
            http: http, secrets: { _ in secret ?? [] }, now: now, chance: { 0 }, log: .silent)
        let rig = Rig(
            endpoint: endpoint, embedder: embedder, search: CatalogSearch(embedder: embedder),
            board: CatalogBoard(me: .here, nameLengthMax: 50))
        try rig.publish(
            try .tools("stamp", description: "Puts a seal on wax") + .tools("report", description: "Umbrella")
        )
        let outcome: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await embedder.run(refresh: rig.refresh, settle: rig.search.settle) }
                defer { group.cancelAll() }
                try await body(rig)
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await http.shutdown()
        await endpoint.stop()
        try outcome.get()
    }

    @Test func `a query finds what the endpoint says is meant, without a word in common`() async throws {
        try await Self.with { rig in
            try await eventually("both are known") { rig.isKnown() }
            let letter = try await rig.find("letter")
            #expect(letter.names == ["press__stamp"] && letter.remark == nil)
            #expect(try await rig.find("weather").names == ["press__report"])
        }
    }

    @Test func `a catalog that changes costs what is new in it, and a query asked again nothing`()
        async throws
    {
        try await Self.with { rig in
            try await eventually("both are known") { rig.isKnown() }
            #expect(rig.endpoint.textsAsked.count == 2)
            try rig.publish(
                try .tools("stamp", description: "Puts a seal on wax") + .tools("fold", description: "Letter")
            )
            rig.refresh()
            try await eventually("the new one is known") { rig.embedder.standing.vectors == 3 }
            #expect(rig.endpoint.textsAsked.count == 3)
            for _ in 0..<3 {
                let found = try await rig.find("wax letter")
                #expect(Set(found.names) == ["press__stamp", "press__fold"] && found.remark == nil)
            }
            #expect(rig.endpoint.textsAsked.count == 4)
            // What comes back is known still.
            try rig.publish(try .tools("report", description: "Umbrella"))
            #expect(try await rig.find("wax letter").remark == nil)
            #expect(rig.endpoint.textsAsked.count == 4)
        }
    }

    @Test func `what has no vector yet is found by its words, and the answer says so`() async throws {
        try await Self.with(.status(400)) { rig in
            let found = try await rig.find("seal")
            #expect(found.names == ["press__stamp"])
            #expect(found.remark?.contains("words alone") == true)
            rig.endpoint.change(to: .right)
            try await eventually("meaning counts") { try await rig.find("letter").remark == nil }
            #expect(try await rig.find("letter").names == ["press__stamp"])
        }
    }

    private static let hostile: [FakeEndpoint.Reply] = [
        .status(500), .status(503), .status(401), .status(404), .status(204), .status(422),
        .status(429, headers: [("Retry-After", "99999999999999999999")]),
        .status(429, headers: [("Retry-After", "-5")]), .status(429, headers: [("Retry-After", "soon")]),
        .body("NaN"), .body(""), .body(#"{"data": []}"#),
        .body(#"{"data": [{"index": 0, "embedding": ["NaN", "NaN", "NaN", "NaN"]}]}"#),
        .body(#"{"data": [{"index": 9223372036854775807, "embedding": [1, 0, 0, 0]}]}"#),
        .body(#"{"data": [{"embedding": [1, 0]}]}"#),
        .body(String(repeating: "[", count: 100_000)),
        .body(String(repeating: " ", count: Embedder.answerBytesMax + 1)),
    ]

    @Test(arguments: hostile.indices)
    func `whatever the endpoint answers, words find`(index: Int) async throws {
        try await Self.with(Self.hostile[index]) { rig in
            try await eventually("it has been asked and is in trouble") {
                rig.embedder.standing.trouble != nil
            }
            let found = try await rig.find("seal")
            #expect(found.names == ["press__stamp"] && found.remark?.contains("words alone") == true)
            #expect(try await rig.find("letter").names.isEmpty)
            #expect(rig.embedder.standing.vectors == 0)
        }
    }

    @Test func `an endpoint that says nothing delays a search by its time, and the next not at all`()
        async throws
    {
        // Time stands still, so that no rest ends, however long the machine takes.
        try await Self.with(.silence, timeout: .milliseconds(100), now: { .zero }) { rig in
            let start = ContinuousClock.now
            let found = try await rig.find("seal")
            #expect(found.names == ["press__stamp"] && found.remark?.contains("words alone") == true)
            #expect(ContinuousClock.now - start < .seconds(10))
            #expect(rig.embedder.standing.trouble != nil)
            #expect(try await rig.find("wax").names == ["press__stamp"])
            #expect(!rig.endpoint.textsAsked.contains("wax"))
        }
    }

    @Test func `an endpoint that is not there keeps nobody from searching`() async throws {
        try await Self.with(url: "http://127.0.0.1:1/v1/embeddings") { rig in
            let found = try await rig.find("seal")
            #expect(found.names == ["press__stamp"])
            #expect(found.remark?.contains("127.0.0.1:1") == true)
        }
    }

    @Test func `the credential goes to the endpoint, and after no redirect`() async throws {
        let other = try await FakeEndpoint.start()
        try await Self.with(secret: Array("k3y".utf8)) { rig in
            try await eventually("both are known") { rig.isKnown() }
            #expect(rig.endpoint.asked.allSatisfy { $0.authorization == "Bearer k3y" })
            for status in [301, 302, 303, 307, 308] {
                rig.endpoint.change(to: .status(status, headers: [("Location", other.url)]))
                rig.embedder.askAgain()
                let found = try await rig.find("seal \(status)")
                #expect(found.names == ["press__stamp"])
                #expect(found.remark?.contains("redirect (HTTP \(status))") == true)
            }
        }
        #expect(other.asked.isEmpty)
        await other.stop()
    }

    @Test func `the credential is for this setting and this address alone`() throws {
        let settings = EmbeddingSettings(url: "https://models.example.net/v1", model: "m")
        let audience = try #require(settings.audience)
        #expect(audience.description == "setting search.embeddings at https://models.example.net/v1")
        let moved = EmbeddingSettings(url: "https://models.example.net/v2", model: "m")
        #expect(moved.audience != audience)
        #expect(Label(audience.server) == nil, "no server can have its name")
    }

    @Test func `when the endpoint has another model, all is embedded anew and nothing mixed`() async throws {
        try await Self.with { rig in
            try await eventually("both are known") { rig.isKnown() }
            #expect(try await rig.find("letter").names == ["press__stamp"])
            rig.endpoint.change(to: .of(model: "other"))
            // The query is of the new space, and no document is yet.
            let between = try await rig.find("a letter")
            #expect(between.names.isEmpty && between.remark?.contains("2 of 2") == true)
            try await eventually("meaning counts again") { try await rig.find("a letter").remark == nil }
            #expect(try await rig.find("a letter").names == ["press__stamp"])
        }
    }

    @Test func `search_tools goes by the endpoint, says when it does not, and waits for nobody else's query`()
        async throws
    {
        // Long enough that only cancelling ends a query, however busy the machine.
        try await Self.with(timeout: .seconds(300)) { rig in
            try await eventually("both are known") { rig.isKnown() }
            let router = CallRouter(
                board: rig.board, local: LocalServers(),
                search: ToolSearchDesk(
                    board: rig.board, whole: rig.search, embedder: rig.embedder, now: { .zero }),
                label: { "here" }
            ) { _, _ in .finished }
            let call = { (arguments: JSON) in
                let heard = Heard()
                let handle = router.call(
                    EndpointCall(
                        endpoint: EndpointName(.all, mode: .search),
                        principal: Principal(Caller(issuer: "key", subject: "agent")),
                        method: Method.toolsCall,
                        params: ["name": "search_tools", "arguments": arguments], client: ClientFacts()),
                    heard.sink)
                return (heard, handle)
            }
            let answer = { (heard: Heard) in
                try await eventually("an answer") { heard.count > 0 }
                return heard.result?["structuredContent"]
            }
            let found = try await answer(call(["query": "letter"]).0)
            #expect(found?["tools"]?[0]?["name"]?.string == "press__stamp" && found?["meaning"] == nil)

            rig.endpoint.change(to: .silence)
            let (waiting, handle) = call(["query": "a letter"])
            #expect(try await answer(call(["query": ""]).0)?["total"]?.int == 2)
            #expect(waiting.count == 0)
            handle.cancel()
            try await eventually("it has given up") { waiting.count > 0 }
            #expect(waiting.failure?.reason == .cancelled)

            rig.endpoint.change(to: .status(500))
            let words = try await answer(call(["query": "seal it"]).0)
            #expect(words?["tools"]?[0]?["name"]?.string == "press__stamp")
            let remark = try #require(words?["meaning"]?.string)
            #expect(remark.contains("words alone") && !remark.contains("127.0.0.1"))
        }
    }
}
