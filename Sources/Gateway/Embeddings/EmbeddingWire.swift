import JSONSlice

/// Where vectors can be compared: those of one model, at one length. An endpoint may come to have another model under the same name.
struct EmbeddingSpace: Hashable, Sendable {
    /// As the endpoint calls it; empty when it does not say.
    var model: String
    /// Components as they came.
    var length: Int
}

/// The vectors of the texts of one request, in their order.
struct EmbeddingAnswer: Sendable {
    var space: EmbeddingSpace
    /// Each of length 1, or all zero where the endpoint's was.
    var vectors: [[Float]]
}

/// The shape of OpenAI's embeddings: what is sent, and what is taken of the answer.
enum EmbeddingWire {
    /// Characters of a text; the rest is not sent. More than a description and its parameters have together.
    static let textLengthMax = 2_000
    /// Components of one vector as it comes; known models have 4,096 at most.
    static let lengthMax = 16_384
    /// Commas beside those of a vector's components, in its object and around all.
    private static let commasMax = 64
    /// Characters of the model's name that are held against the last one.
    private static let modelLengthMax = 256

    static func clip(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(textLengthMax)))
    }

    static func request(model: String, texts: [String], dimensions: Int) -> [UInt8] {
        let request: JSON = [
            "model": .string(model), "input": .array(texts.map(JSON.string)),
            "dimensions": .number(dimensions), "encoding_format": "float",
        ]
        return Array(request.bytes)
    }

    /// Takes nothing on trust: one vector for each text, all of one length, of finite numbers.
    ///
    /// - Parameters:
    ///   - count: texts that were sent.
    ///   - dimensions: components that are kept: the first ones, as models that can be cut are trained for.
    /// - Complexity: O(bytes of the answer)
    static func answer(
        _ body: [UInt8], count: Int, dimensions: Int
    ) throws(EmbeddingTrouble) -> EmbeddingAnswer {
        // Each comma may be an element, and an element takes more here than its two bytes there.
        guard body.count(where: { $0 == UInt8(ascii: ",") }) <= count * (lengthMax + commasMax) + commasMax
        else {
            throw EmbeddingTrouble(.content, "its answer has far more elements than \(count) vectors have")
        }
        guard let answer = try? JSON(validating: body) else {
            throw EmbeddingTrouble(.content, "its answer is no JSON")
        }
        guard let data = answer["data"], data.kind == .array else {
            throw EmbeddingTrouble(.content, "its answer has no list named data, as OpenAI's has")
        }
        let items = data.elements
        guard items.count == count else {
            throw EmbeddingTrouble(.content, "it answers \(items.count) vectors to \(count) texts")
        }
        var vectors = [[Float]?](repeating: nil, count: count)
        var length: Int?
        for (place, item) in items.enumerated() {
            let index = item["index"].map { $0.int } ?? place
            guard let index, vectors.indices.contains(index), vectors[index] == nil else {
                throw EmbeddingTrouble(
                    .content, "its answer does not say which vector belongs to which text")
            }
            let (vector, own) = try vector(item["embedding"] ?? .null, dimensions: dimensions)
            guard length == nil || length == own else {
                throw EmbeddingTrouble(.content, "the vectors of its answer differ in length")
            }
            length = own
            vectors[index] = vector
        }
        let model = String((answer["model"]?.string ?? "").prefix(modelLengthMax))
        return EmbeddingAnswer(
            space: EmbeddingSpace(model: model, length: length ?? 0), vectors: vectors.compactMap { $0 })
    }

    private static func vector(
        _ json: JSON, dimensions: Int
    ) throws(EmbeddingTrouble) -> (vector: [Float], length: Int) {
        guard json.kind == .array else {
            throw EmbeddingTrouble(.content, "a vector of its answer is no list of numbers")
        }
        let components = json.elements
        guard components.count >= dimensions else {
            throw EmbeddingTrouble(
                .content,
                "its vectors have \(components.count) components, and search.embeddings.dimensions says \(dimensions); set it to \(components.count) or less"
            )
        }
        guard components.count <= lengthMax else {
            throw EmbeddingTrouble(.content, "its vectors have more than \(lengthMax) components")
        }
        var numbers: [Double] = []
        numbers.reserveCapacity(dimensions)
        for (place, component) in components.enumerated() {
            guard let number = component.double, number.isFinite else {
                throw EmbeddingTrouble(.content, "a component of its vectors is no finite number")
            }
            if place < dimensions { numbers.append(number) }
        }
        return (unit(numbers), components.count)
    }

    /// At length 1. Divided by the largest first, so that no square overflows or vanishes.
    static func unit(_ numbers: [Double]) -> [Float] {
        let largest = numbers.reduce(0) { max($0, abs($1)) }
        guard largest > 0 else { return numbers.map { _ in 0 } }
        let scaled = numbers.map { $0 / largest }
        let length = scaled.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return scaled.map { Float($0 / length) }
    }
}
