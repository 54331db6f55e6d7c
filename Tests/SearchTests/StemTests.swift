import MartletTestKit
import Testing

@testable import Search

@Suite struct StemTests {
    @Test func `stems are those of the published stemmer`() throws {
        let rows = try Fixture.text("search/porter-stems.txt").split(separator: "\n")
        #expect(rows.count == 4_000)
        for row in rows {
            let parts = row.split(separator: " ").map(String.init)
            #expect(PorterStemmer.stem(parts[0]) == parts[1], "\(parts[0])")
        }
    }

    @Test(arguments: [
        (text: "getUserByID", stems: ["get", "user", "id"]),
        (text: "plant--press__add", stems: ["plant", "press", "add"]),
        (text: "HTTPServer", stems: ["http", "server"]),
        (text: "Lists the files of a folder.", stems: ["list", "file", "folder"]),
        (text: "sha256Sum", stems: ["sha256", "sum"]),
        (text: "日本", stems: ["日", "本"]),
        (text: "the of a", stems: []),
        (text: "", stems: []),
    ])
    func `a text is found by the words that people see in it`(text: String, stems: [String]) {
        #expect(SearchWords.of(text).map(\.stem) == stems)
    }
}
