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

    @Test(arguments: [
        ("", ["press__emboss", "press__stamp", "press__fold", "there--desk__write"]),
        ("stamp", ["press__stamp", "press__emboss"]),  // the name counts more than what is said of it
        ("STAMP seal", ["press__emboss"]),  // every word must be there
        ("press fold", ["press__fold"]),
        ("office", ["there--desk__write"]),  // a tag
        ("there write", ["there--desk__write"]),  // the owner
        ("nothing like it", []),
    ])
    func `a search finds what has every word, names first`(query: String, expected: [String]) throws {
        let answer = try sample().search(query, limit: 50)
        #expect(names(answer) == expected)
        #expect(answer["total"]?.int == expected.count)
    }

    @Test func `a limit cuts the answer, not the count`() throws {
        let answer = try sample().search("", limit: 2)
        #expect(names(answer).count == 2)
        #expect(answer["total"]?.int == 4)
    }

    @Test func `a line of a search is one line`() throws {
        let entry = try #require(try sample().search("write", limit: 1)["entries"]?[0])
        #expect(entry["description"]?.string == "Writes.")
        #expect(entry["server"]?.string == "desk" && entry["owner"]?.string == "there")
        #expect(entry["kind"]?.string == "tool" && entry["state"]?.string == "available")
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
