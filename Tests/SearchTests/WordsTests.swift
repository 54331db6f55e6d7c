import Search
import Testing

@Suite struct WordsTests {
    @Test(arguments: [
        (text: "getUserByID", words: ["get", "user", "by", "id"]),
        (text: "get_user_by_id", words: ["get", "user", "by", "id"]),
        (text: "plant--press__add", words: ["plant", "press", "add"]),
        (text: "HTTPServer", words: ["http", "server"]),
        (text: "sha256Sum", words: ["sha", "256", "sum"]),
        (text: "Größe: 3 m²", words: ["größe", "3", "m", "²"]),
        (text: "  ", words: []),
        (text: "", words: []),
    ])
    func `a name is the words that people see in it`(text: String, words: [String]) {
        #expect(Words.of(text) == words)
    }
}

@Suite struct RankingTests {
    private let things = [
        Findable(name: "list_files", others: ["Lists what stands in a folder.", "disk"]),
        Findable(name: "create_issue", title: "New ticket", others: ["Files an issue.", "tracker"]),
        Findable(name: "issue_files", others: ["Files of an issue.", "tracker"]),
    ]

    @Test(arguments: [
        (query: "", places: [0, 1, 2]),
        (query: "ticket", places: [1]),
        (query: "issue", places: [1, 2]),
        (query: "files", places: [0, 2, 1]),  // in the name before only spoken of
        (query: "iss fil", places: [2, 1]),
        (query: "ISSUE tracker", places: [1, 2]),
        (query: "folder ticket", places: []),
        (query: "ssue", places: []),
    ])
    func `every word has to be there, and names count most`(query: String, places: [Int]) {
        #expect(Ranking.places(of: query, in: things) == places)
    }

    @Test func `a query as long as a book is cut`() {
        let query = String(repeating: "issue ", count: 100_000) + "nowhere"
        #expect(Ranking.places(of: query, in: things) == [1, 2])
    }
}
