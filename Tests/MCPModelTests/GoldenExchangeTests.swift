import JSONSlice
import MCPModel
import Testing

@Suite struct GoldenExchangeTests {
    static let all: [(String, ProtocolRevision)] =
        Golden.legacy.flatMap { revision in
            ["initialize", "tools-list", "tools-call", "resources-subscribe"].map { ($0, revision) }
        }
        + ["server-discover", "tools-list", "tools-call", "subscriptions-listen"].map { ($0, .v2026_07_28) }

    @Test(arguments: all)
    func `messages are written as they were read`(name: String, revision: ProtocolRevision) throws {
        let golden = try Golden(name, revision)
        #expect(golden.messages.count >= 2)
        #expect(golden.messages.map(\.json.text) == golden.lines)
    }

    @Test(arguments: Golden.legacy)
    func `a list and a call reach each revision without what it does not know`(
        revision: ProtocolRevision
    ) throws {
        for name in ["tools-list", "tools-call"] {
            let modern = try Golden(name, .v2026_07_28)
            let legacy = try Golden(name, revision)
            let method = try #require(modern.request?.method)
            let result = EraBridge.legacyResult(
                fromModern: try #require(modern.result), method: method, revision: revision)
            #expect(result.text == legacy.result?.text)
        }
    }

    @Test(arguments: Golden.legacy)
    func `progress reaches each revision`(revision: ProtocolRevision) throws {
        let modern = try #require(try Golden("tools-call", .v2026_07_28).notification(Method.progress))
        let legacy = try Golden("tools-call", revision).notification(Method.progress)
        #expect(
            EraBridge.legacyNotification(fromModern: modern, method: Method.progress, revision: revision)
                == legacy)
    }

    @Test(arguments: Golden.legacy)
    func `an update of a resource reaches each revision`(revision: ProtocolRevision) throws {
        let modern = try #require(
            try Golden("subscriptions-listen", .v2026_07_28).notification(Method.resourcesUpdated))
        let legacy = try Golden("resources-subscribe", revision).notification(Method.resourcesUpdated)
        let told = EraBridge.legacyNotification(
            fromModern: modern, method: Method.resourcesUpdated, revision: revision)
        #expect(told.text == legacy?.text)
    }

    @Test(arguments: Golden.legacy)
    func `initialize says what discover says`(revision: ProtocolRevision) throws {
        let discovered = try #require(try Golden("server-discover", .v2026_07_28).result)
        let golden = try Golden("initialize", revision)
        let requested = golden.request?.params["protocolVersion"]?.string
        let result = EraBridge.initializeResult(
            revision: EraBridge.negotiated(requested: requested),
            capabilities: try #require(discovered["capabilities"]),
            serverInfo: try #require(discovered["_meta"]?[MetaKey.serverInfo]),
            instructions: discovered["instructions"]?.string)
        #expect(result.text == golden.result?.text)
    }

    @Test func `discover is made as it is read`() throws {
        let golden = try #require(try Golden("server-discover", .v2026_07_28).result)
        let made = EraBridge.discoverResult(
            capabilities: try #require(golden["capabilities"]),
            serverInfo: try #require(golden["_meta"]?[MetaKey.serverInfo]),
            instructions: golden["instructions"]?.string,
            caching: EraBridge.Caching(milliseconds: 60_000, scope: .private))
        #expect(made.text == golden.text)
    }

    @Test(arguments: Golden.legacy)
    func `a legacy result goes up with additions only`(revision: ProtocolRevision) throws {
        for name in ["tools-list", "tools-call"] {
            let golden = try Golden(name, revision)
            let (legacy, method) = (try #require(golden.result), try #require(golden.request?.method))
            let modern = EraBridge.modernResult(fromLegacy: legacy, method: method)
            let caching = name == "tools-list" ? #","ttlMs":0,"cacheScope":"private""# : ""
            #expect(modern.text == "\(legacy.text.dropLast()),\"resultType\":\"complete\"\(caching)}")
            // And comes down again as it went up.
            #expect(EraBridge.legacyResult(fromModern: modern, method: method, revision: revision) == legacy)
        }
    }

    @Test(arguments: Golden.legacy)
    func `params of a modern call become those of a legacy one`(revision: ProtocolRevision) throws {
        let modern = try #require(try Golden("tools-call", .v2026_07_28).request)
        let legacy = try #require(try Golden("tools-call", revision).request)
        let meta = RequestMeta(params: modern.params)
        let stripped = RequestMeta.stripped(modern.params)
        let written = RequestMeta(legacyProgressToken: meta.progressToken).written(into: stripped)
        #expect(written.text == legacy.params.text)
    }
}
