import MartletTestKit
import Testing

@testable import Search

extension SearchIndex {
    /// As a node does it: with the vectors of the compiled-in model.
    mutating func insert(_ document: SearchDocument) -> Int? {
        insert(document, vector: Model.compiledIn.vector(of: document.textOfMeaning))
    }

    func search(_ query: String, limit: Int = 10, isAllowed: (Int) -> Bool = { _ in true }) -> [SearchHit] {
        search(query, vector: Model.compiledIn.vector(of: query), limit: limit, isAllowed: isAllowed)
            .hits
    }
}

@Suite struct SearchIndexTests {
    private static let documents = [
        SearchDocument(server: "disk", name: "list_files", description: "Lists what stands in a folder."),
        SearchDocument(
            server: "tracker", name: "create_issue", description: "Files a new ticket.",
            parameters: ["title", "body"]),
        SearchDocument(server: "tracker", name: "issue_files", description: "Attachments of an issue."),
        SearchDocument(server: "sky", name: "get_forecast", description: "Weather of the next days."),
        SearchDocument(server: "disk", name: "get", description: "Reads a file.", aliases: ["disk__get"]),
    ]

    private func index() -> SearchIndex {
        var index = SearchIndex()
        for document in Self.documents { _ = index.insert(document) }
        return index
    }

    private func names(_ hits: [SearchHit]) -> [String] { hits.map { Self.documents[$0.number].name } }

    @Test func `meaning finds what shares no word with the query`() {
        #expect(names(index().search("will it rain tomorrow")).first == "get_forecast")
        #expect(names(index().search("show directory contents")).first == "list_files")
    }

    @Test(arguments: [
        (query: "get", first: "get"), (query: "GET", first: "get"), (query: " disk__get ", first: "get"),
        (query: "issue_f", first: "issue_files"), (query: "create_issue", first: "create_issue"),
    ])
    func `a name, or the beginning of one, stands above all else`(query: String, first: String) {
        let hits = index().search(query)
        #expect(names(hits).first == first)
        #expect(hits.first?.isNamed == true)
    }

    @Test func `a hit says which words were found`() throws {
        let hit = try #require(index().search("open tickets, new issues").first)
        #expect(Self.documents[hit.number].name == "create_issue")
        #expect(hit.words == ["tickets", "new", "issues"])
    }

    @Test func `what has nothing to do with the query is not shown`() {
        #expect(index().search("qqqq zzzzz").isEmpty)
        #expect(index().search("").isEmpty)
    }

    @Test func `who may not see a document does not find it, and it influences nothing`() {
        let seen = index().search("issue files") { $0 != 2 }
        #expect(!names(seen).contains("issue_files"))
        var without = SearchIndex()
        for (number, document) in Self.documents.enumerated() where number != 2 {
            _ = without.insert(document)
        }
        // Scores are relative to the best of those that may be seen.
        #expect(seen.first?.score ?? 0 > 0.3)
        #expect(seen.count == without.search("issue files").count)
    }

    @Test func `a removed document is not found, and the rest is as if it had never been`() throws {
        var index = SearchIndex()
        for document in Self.documents + [
            SearchDocument(server: "x", name: "issue", description: "issue issue")
        ] {
            _ = index.insert(document)
        }
        index.remove(5, SearchDocument(server: "x", name: "issue", description: "issue issue"))
        index.remove(5, SearchDocument(server: "x", name: "issue", description: "issue issue"))
        #expect(index.count == 5)
        #expect(index.search("new issue") == self.index().search("new issue"))
        #expect(!index.isSparse)
        for number in 0..<4 { index.remove(number, Self.documents[number]) }
        #expect(index.isSparse)
    }

    @Test(arguments: UInt64(1)...20)
    func `the best few of many are those that sorting would give`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let values = (0..<200).map { _ in Int.random(in: 0..<50, using: &random) }
        for limit in [0, 1, 3, 10, 199, 500] {
            let expected = values.sorted(by: >).prefix(limit)
            var best = Best<Int>(limit, >)
            for value in values { best.take(value) }
            #expect(best.elements == Array(expected))
        }
    }

    @Test(arguments: UInt64(1)...20)
    func `similarities of the block are the cosines, but for rounding`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        func vector(_ count: Int) -> [Float] {
            let raw = (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
            let length = raw.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return raw.map { $0 / length }
        }
        for dimensions in [1, 31, 32, 100, 256, 384] {
            var block = VectorBlock(dimensions: dimensions)
            let vectors = (0..<17).map { _ in vector(dimensions) }
            vectors.forEach { block.append($0) }
            let query = vector(dimensions)
            for (found, stored) in zip(block.similarities(to: query), vectors) {
                let exact = zip(query, stored).reduce(0) { $0 + $1.0 * $1.1 }
                #expect(abs(found - exact) < 0.01)
            }
        }
    }

    @Test(arguments: ["disk__get\nx", "disk__get\n", "\n", "get\n\nget"])
    func `a query of several lines names nothing`(query: String) {
        let index = index()
        let found = index.search(query, vector: Model.compiledIn.vector(of: "x"), limit: 10)
        #expect(found.hits.allSatisfy { !$0.isNamed } || query == "disk__get\n")
    }

    /// A backend's description may be anything; the stemmer looks at each letter's neighbours.
    @Test(arguments: ["y", "ness", "ing", "aeiouy"])
    func `a word as long as a book is a word`(part: String) {
        var index = SearchIndex()
        let monster = String(repeating: part, count: 50_000) + "ness"
        #expect(index.insert(SearchDocument(name: "monster", description: monster)) == 0)
        #expect(names(self.index().search(monster)).isEmpty)
        #expect(index.search("monster").count == 1)
    }

    @Test func `how many there are in all is told beside the best`() {
        let found = index().search(
            "issue files", vector: Model.compiledIn.vector(of: "issue files"), limit: 1)
        #expect(found.hits.count == 1 && found.total >= 2)
    }

    @Test func `a query as long as a book is cut`() {
        let query = String(repeating: "issue ", count: 20_000)
        #expect(names(index().search(query)).contains("create_issue"))
    }

    @Test
    func
        `a document is found by words until it has a vector, by meaning from then on, and not when it loses it`()
    {
        var index = SearchIndex(dimensions: 3)
        let document = SearchDocument(name: "stamp", description: "Puts a seal.")
        let (number, other) = (0, 1)
        #expect(index.insert(document, vector: []) == number)
        #expect(index.insert(SearchDocument(name: "fold"), vector: [0, 1, 0]) == other)
        let meant = { (index: SearchIndex) in
            index.search("letter", vector: [1, 0, 0], limit: 9).hits.map(\.number)
        }
        #expect(index.search("seal", vector: [], limit: 9).hits.map(\.number) == [number])
        #expect(meant(index).isEmpty)
        index.setVector([1, 0, 0, 9], of: number)
        #expect(meant(index) == [number])
        #expect(index.search("x", vector: [0, 1, 0], limit: 9).hits.map(\.number) == [other])
        index.setVector([], of: number)
        #expect(meant(index).isEmpty)
        index.setVector([1, 0, 0], of: 7)  // there is none
    }
}
