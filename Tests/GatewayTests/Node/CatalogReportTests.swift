import Catalog
import Composition
import JSONSlice
import MartletTestKit
import Testing

@testable import Gateway

struct CatalogReportTests {
    private func report(_ snapshot: CatalogSnapshot) -> CatalogReport {
        CatalogReport(snapshot: snapshot, view: EndpointView(of: .all, in: snapshot))
    }

    private func sample() throws -> CatalogReport {
        report(
            try CatalogSnapshot.sample()
                .with("press", .tools("emboss", description: "Stamps a seal.") + .tools("stamp", "fold"))
                .with(
                    "desk", on: .there, .tools("write", description: "Writes.\nAt length."), tags: ["office"])
        )
    }

    private func names(_ answer: JSON) -> [String] {
        answer["entries"]?.elements.compactMap { $0["name"]?.string } ?? []
    }

    private func search(_ query: String, limit: Int = 50) throws -> JSON {
        try sample().search(query, limit: limit, with: CatalogSearch(), version: 1)
    }

    @Test func `a search without words lists everything`() throws {
        let answer = try search("")
        #expect(names(answer) == ["press__emboss", "press__stamp", "press__fold", "there--desk__write"])
        #expect(answer["total"]?.int == 4)
        #expect(names(try search("  ", limit: 2)).count == 2)
        #expect(try search("", limit: 2)["total"]?.int == 4)
    }

    @Test(arguments: [
        ("stamp", "press__stamp"),  // the name counts more than what is said of it
        ("a SEAL", "press__emboss"),  // the words
        ("press fold", "press__fold"),
        ("office", "there--desk__write"),  // a tag
        ("there write", "there--desk__write"),  // the owner
        ("put a mark on paper", "press__stamp"),  // the meaning
        ("press__em", "press__emboss"),  // the beginning of its whole name
    ])
    func `a search shows first what is meant`(query: String, first: String) throws {
        #expect(names(try search(query)).first == first)
    }

    @Test func `what its owner has not confirmed since this node's start is listed as that`() throws {
        var snapshot = try CatalogSnapshot.sample()
            .with("press", .tools("stamp")).with("desk", on: .there, .tools("write"))
        let key = try #require(snapshot.servers.keys.first { $0.name == "desk" })
        snapshot.servers[key]?.isConfirmed = false
        #expect(report(snapshot).state(of: key) == "not confirmed")
        let server = ServerReport(
            known: try #require(snapshot.servers[key]), owner: "there", isOwn: false, isReachable: true,
            isConfirmed: true)
        #expect(server.json["state"]?.string == "not confirmed")
        snapshot.servers[key]?.isConfirmed = true
        #expect(report(snapshot).state(of: key) == "available")
    }

    @Test func `what no peer has confirmed since the start is listed as that, what is one's own is not`()
        throws
    {
        var snapshot = try CatalogSnapshot.sample()
            .with("press", .tools("stamp")).with("desk", on: .there, .tools("write"))
        snapshot.isConfirmed = false
        let states = report(snapshot).search("", limit: 9, with: CatalogSearch(), version: 1)["entries"]?
            .elements.map { $0["state"]?.string }
        #expect(states == ["available", "not confirmed"])
        let peer = try #require(PeerReport.all(in: snapshot, now: .zero).first)
        #expect(peer.json["state"]?.string == "not confirmed")
        snapshot.isConfirmed = true
        #expect(PeerReport.all(in: snapshot, now: .zero).first?.json["state"]?.string == "reachable")
    }

    @Test func `what has nothing to do with the query is not shown`() throws {
        #expect(names(try search("qqqq")).isEmpty)
    }

    @Test func `a line of a search is one line, and says why it is there and how far away`() throws {
        let entry = try #require(try search("write at length", limit: 1)["entries"]?[0])
        #expect(entry["description"]?.string == "Writes.")
        #expect(entry["server"]?.string == "desk" && entry["owner"]?.string == "there")
        #expect(entry["kind"]?.string == "tool" && entry["state"]?.string == "available")
        #expect(entry["words"]?.elements.compactMap(\.string) == ["write", "length"])
        #expect(entry["hops"]?.int == 1 && entry["similarity"]?.double ?? 0 > 0.2)
    }

    /// The index lives over changes of the catalog; it must come to the same as one made anew.
    @Test(arguments: UInt64(1)...10)
    func `a search after any changes finds what one made anew finds`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let words = ["stamp", "fold", "write", "read", "list", "files", "weather", "issue"]
        let living = CatalogSearch()
        for version in 1...12 {
            let tools = try (0..<Int.random(in: 0...12, using: &random)).reduce(into: [Entry]()) {
                tools, number in
                let name = "\(words[number % 8])_\(number / 8)"
                guard Bool.random(using: &random) else { return }
                let text = (0..<4).compactMap { _ in words.randomElement(using: &random) }.joined(
                    separator: " ")
                tools += try [Entry].tools(name, description: text)
            }
            let report = report(CatalogSnapshot.sample().with("press", tools))
            for query in ["write files", "weather", "list_0", "issue stamp fold"] {
                let once = report.search(query, limit: 50, with: living, version: UInt64(version))
                let anew = report.search(query, limit: 50, with: CatalogSearch(), version: 1)
                #expect(Set(names(once)) == Set(names(anew)))
                #expect(once["entries"]?[0]?["score"] == anew["entries"]?[0]?["score"])
            }
        }
    }

    @Test func `an entry is shown with its definition and its server's own name for it`() throws {
        let entry = try #require(try sample().show("there--desk__write"))
        #expect(entry["original"]?.string == "write")
        #expect(entry["definition"]?["name"]?.string == "there--desk__write")
        #expect(entry["hash"]?.string?.isEmpty == false)
        #expect(try sample().show("write") == nil)
    }

    @Test(arguments: [
        (ServerState.up, true, "available"), (.degraded, true, "available"), (.down, true, "down"),
        (.authNeeded, true, "auth needed"), (.up, false, "unreachable"), (.down, false, "unreachable"),
    ])
    func `the state says whether a call can be expected to work`(
        state: ServerState, isReachable: Bool, word: String
    ) throws {
        let report = report(
            try CatalogSnapshot.sample(thereIsReachable: isReachable)
                .with("desk", on: .there, .tools("write"), state: state))
        #expect(report.show("there--desk__write")?["state"]?.string == word)
    }
}
