import Foundation
import JSONSlice
import MartletTestKit
import Search
import Testing

/// nDCG@10 over the development sets (Fixtures/search/SOURCES.md), against a reference program's figures.
@Suite struct RetrievalQualityTests {
    @Test(arguments: [
        (set: "mcp-small", reference: 0.851, within: 0.005),
        (set: "metatool", reference: 0.672, within: 0.005),
        (set: "seal", reference: 0.885, within: 0.005),
        (set: "toolbench", reference: 0.754, within: 0.005),
        (set: "mcp-wild", reference: 0.516, within: 0.02),
    ])
    func `what is asked for is found as well as by the reference`(
        set: String, reference: Double, within: Double
    ) throws {
        var index = SearchIndex()
        var numbers: [String: Int] = [:]
        for row in try rows("search/\(set)/tools.jsonl") {
            let server = row["server"]?.string ?? ""
            let document = SearchDocument(
                // Not a name: what that set calls every server.
                server: server == "plugins" ? "" : server, name: row["name"]?.string ?? "",
                description: row["description"]?.string ?? "",
                parameters: row["params"]?.elements.compactMap(\.string) ?? [])
            let vector = Model.compiledIn.vector(of: document.textOfMeaning)
            numbers[try #require(row["id"]?.string)] = index.insert(document, vector: vector)
        }
        var sum = 0.0
        let queries = try rows("search/\(set)/queries.jsonl")
        for row in queries {
            let query = try #require(row["query"]?.string)
            let relevant = Set(
                row["relevant"]?.elements.compactMap { $0.string.flatMap { numbers[$0] } } ?? [])
            let hits = index.search(query, vector: Model.compiledIn.vector(of: query), limit: 10).hits
            sum += gain(hits.map { relevant.contains($0.number) }, relevant: relevant.count)
        }
        let figure = sum / Double(queries.count)
        print("nDCG@10 of \(set): \(figure)")
        #expect(figure > reference - within, "\(set): \(figure)")
    }

    private func rows(_ path: String) throws -> [JSON] {
        try Fixture.text(path).split(separator: "\n").map { try JSON(validating: String($0)) }
    }

    /// Binary gains, discounted by the logarithm of the rank, over what the ideal order would give.
    private func gain(_ hits: [Bool], relevant: Int) -> Double {
        let found = hits.enumerated().reduce(0) { $0 + ($1.element ? 1 / log2(Double($1.offset + 2)) : 0) }
        let ideal = (0..<min(relevant, 10)).reduce(0) { $0 + 1 / log2(Double($1 + 2)) }
        return ideal > 0 ? found / ideal : 0
    }
}
