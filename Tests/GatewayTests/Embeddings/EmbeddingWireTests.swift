import JSONSlice
import Testing

@testable import Gateway

struct EmbeddingWireTests {
    private func answer(_ text: String, count: Int = 2, dimensions: Int = 2) throws -> EmbeddingAnswer {
        try EmbeddingWire.answer(Array(text.utf8), count: count, dimensions: dimensions)
    }

    @Test func `texts are sent in the shape of OpenAI's`() throws {
        let request = try JSON(
            validating: EmbeddingWire.request(model: "m", texts: ["a \"b\"", "c"], dimensions: 3))
        #expect(
            request == [
                "model": "m", "input": ["a \"b\"", "c"], "dimensions": 3, "encoding_format": "float",
            ])
    }

    @Test func `vectors come in the order of their texts, at length 1, cut to what is wanted`() throws {
        let answer = try answer(
            #"""
            {"object":"list","model":"m","usage":{},"data":[
            {"index":1,"embedding":[0,-2.5e0,9]},{"index":0,"object":"embedding","embedding":[3,4,9]}]}
            """#)
        #expect(answer.vectors == [[0.6, 0.8], [0, -1]])
        #expect(answer.space == EmbeddingSpace(model: "m", length: 3))
    }

    @Test func `an answer without indexes is in order`() throws {
        #expect(
            try answer(#"{"data":[{"embedding":[1,0]},{"embedding":[0,1]}]}"#).vectors == [[1, 0], [0, 1]])
    }

    @Test(arguments: [
        "", "null", "[]", "{}", "<html>", #"{"data":{}}"#, #"{"data":[]}"#, #"{"error":{"message":"no"}}"#,
        #"{"data":[{"index":0,"embedding":[1,0]}]}"#,  // one too few
        #"{"data":[{"embedding":[1,0]},{"embedding":[1,0]},{"embedding":[1,0]}]}"#,  // one too many
        #"{"data":[{"index":0,"embedding":[1,0]},{"index":0,"embedding":[1,0]}]}"#,  // one twice
        #"{"data":[{"index":1,"embedding":[1,0]},{"index":2,"embedding":[1,0]}]}"#,  // out of range
        #"{"data":[{"index":-1,"embedding":[1,0]},{"index":1,"embedding":[1,0]}]}"#,
        #"{"data":[{"index":"0","embedding":[1,0]},{"index":1,"embedding":[1,0]}]}"#,
        #"{"data":[{"index":0.5,"embedding":[1,0]},{"index":1,"embedding":[1,0]}]}"#,
        #"{"data":[{"embedding":[1,0]},{"embedding":[1]}]}"#,  // too short
        #"{"data":[{"embedding":[1,0]},{"embedding":[1,0,0]}]}"#,  // of two lengths
        #"{"data":[{"embedding":[1,0]},{"embedding":[NaN,0]}]}"#,
        #"{"data":[{"embedding":[1,0]},{"embedding":["NaN",0]}]}"#,
        #"{"data":[{"embedding":[1,0]},{"embedding":[1e999,0]}]}"#,
        #"{"data":[{"embedding":[1,0]},{"embedding":[null,0]}]}"#,
        #"{"data":[{"embedding":[1,0]},{"embedding":[[1],0]}]}"#,
        #"{"data":[{"embedding":[1,0]},{"embedding":"AACAPwAAAAA="}]}"#,  // base64
        #"{"data":[{"embedding":[1,0]},{}]}"#, #"{"data":[1,2]}"#, #"{"data":[null,[]]}"#,
        #"{"data":[{"embedding":[1,0]},{"embedding":[1,0]}]"#,  // cut off
    ])
    func `an answer that is not one is refused`(text: String) {
        #expect(throws: EmbeddingTrouble.self) { try answer(text) }
    }

    @Test func `an answer of nothing but elements is refused before they are taken apart`() {
        let many = String(repeating: "1,", count: 2_000_000)
        for text in [#"{"data":[\#(many)1]}"#, #"{"data":[{"embedding":[\#(many)1]}]}"#] {
            let trouble = #expect(throws: EmbeddingTrouble.self) { try answer(text) }
            #expect(trouble?.description.contains("elements") == true)
        }
    }

    @Test func `a vector of no sane length is refused`() {
        let long = Array(repeating: "1", count: EmbeddingWire.lengthMax + 1).joined(separator: ",")
        #expect(throws: EmbeddingTrouble.self) {
            try answer(#"{"data":[{"embedding":[\#(long)]}]}"#, count: 1)
        }
    }

    @Test(arguments: [
        [1e308, 1e308], [-1e308, 1e-308], [.leastNonzeroMagnitude, 0],
        [.leastNonzeroMagnitude, .leastNonzeroMagnitude], [1e-200, 1e-200], [0.1, -0.2],
    ])
    func `any finite numbers come to length 1`(numbers: [Double]) {
        let vector = EmbeddingWire.unit(numbers)
        let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(abs(length - 1) < 1e-6)
    }

    @Test func `a vector of nothing stays that`() {
        #expect(EmbeddingWire.unit([0, -0.0]) == [0, 0])
    }

    @Test func `nothing that the endpoint writes is in a trouble`() throws {
        let trouble = #expect(throws: EmbeddingTrouble.self) {
            try answer(#"{"error":{"message":"bad key sk-1"},"data":"sk-1"}"#)
        }
        #expect(trouble?.description.contains("sk-1") == false)
    }

    @Test(arguments: [(200, true), (204, true), (302, false), (400, false), (500, false), (99, false)])
    func `only a status of success is one`(status: Int, isFine: Bool) {
        #expect((EmbeddingTrouble(status: status, retryAfter: nil) == nil) == isFine)
    }

    @Test func `a vector in bytes is what it was, nearly, and packs to itself`() {
        let vector = EmbeddingWire.unit([0.3, -0.9, 0.01, 0])
        let packed = PackedVector(vector)
        #expect(zip(packed.unpacked, vector).allSatisfy { abs($0 - $1) < 0.005 })
        #expect(PackedVector(packed.unpacked) == packed)
        #expect(PackedVector([0, 0]).unpacked == [0, 0])
    }
}
