import JSONSlice
import MartletTestKit
import Search
import Testing

@Suite struct ModelTests {
    private struct Reference {
        let text: String
        let tokens: [Int]
        let vector: [Double]

        static func all() throws -> [Reference] {
            try Fixture.text("search/reference_vectors.jsonl").split(separator: "\n").map { line in
                let row = try JSON(validating: String(line))
                return Reference(
                    text: try #require(row["text"]?.string),
                    tokens: try #require(row["token_ids"]?.elements).compactMap(\.int),
                    vector: try #require(row["vector"]?.elements).compactMap(\.double))
            }
        }
    }

    @Test func `tokens and vectors are those of the reference encoder`() throws {
        let references = try Reference.all()
        #expect(references.count == 20)
        for reference in references {
            // The reference marks a word it does not know as -1; here it is left out.
            #expect(
                Model.compiledIn.tokens(of: reference.text) == reference.tokens.filter { $0 >= 0 },
                "\(reference.text)")
            let vector = Model.compiledIn.vector(of: reference.text)
            #expect(vector.count == reference.vector.count)
            let off = zip(vector, reference.vector).map { abs(Double($0) - $1) }.max() ?? 1
            #expect(off < 1e-5, "\(reference.text): off by \(off)")
        }
    }

    @Test(arguments: ["", "   ", "\u{0}\u{FFFD}", String(repeating: "x", count: 101)])
    func `a text without a known word has no direction`(text: String) {
        #expect(Model.compiledIn.vector(of: text).allSatisfy { $0 == 0 })
    }

    @Test func `what is beyond the bound of a text changes nothing`() {
        let long = String(repeating: "files and folders ", count: 200)
        #expect(Model.compiledIn.tokens(of: long).count == 256)
        #expect(Model.compiledIn.vector(of: long) == Model.compiledIn.vector(of: long + "weather"))
    }

    @Test(arguments: [
        ("Crème Brûlée", "creme brulee"), ("ＡBC", "ＡBC"), ("日本", "日 本"), ("getUserByID", "get User By ID"),
        ("HTTPServer2Go", "HTTP Server2 Go"),
    ])
    func `accents, case and the ways to write identifiers make no difference`(one: String, other: String) {
        #expect(Model.compiledIn.tokens(of: one) == Model.compiledIn.tokens(of: other))
    }
}
