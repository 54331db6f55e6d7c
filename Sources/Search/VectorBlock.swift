import CSearchModel

/// Vectors of equal length in one contiguous block of int8 components, each with a scale; compared with a query by one pass
/// over all of them. Exact, and at a hundred thousand vectors still quicker than any index would be worth its upkeep.
package struct VectorBlock: Sendable {
    package let dimensions: Int
    private var components: [Int8] = []
    private var scales: [Float] = []

    /// - Parameter dimensions: 1 to 512; beyond, a sum of products could overflow.
    package init(dimensions: Int) {
        precondition((1...512).contains(dimensions), "a vector has 1 to 512 components")
        self.dimensions = dimensions
    }

    package var count: Int { scales.count }

    /// Adds a vector; its number is ``count`` before. Components past ``dimensions`` are left out, missing ones are 0.
    package mutating func append(_ vector: [Float]) {
        components += [Int8](repeating: 0, count: dimensions)
        scales.append(0)
        put(vector, at: count - 1)
    }

    /// Puts a vector in the place of one that is there.
    package mutating func put(_ vector: [Float], at place: Int) {
        let (quantized, scale) = Self.quantize(vector.prefix(dimensions), to: 127)
        scales[place] = scale
        let start = place * dimensions
        for offset in 0..<dimensions {
            components[start + offset] =
                offset < quantized.count ? Int8(truncatingIfNeeded: quantized[offset]) : 0
        }
    }

    /// Puts the vector of one number in the place of another's.
    package mutating func move(_ number: Int, to place: Int) {
        scales[place] = scales[number]
        for offset in 0..<dimensions {
            components[place * dimensions + offset] = components[number * dimensions + offset]
        }
    }

    package mutating func removeLast(_ count: Int) {
        scales.removeLast(count)
        components.removeLast(count * dimensions)
    }

    /// The cosine of each vector with the query, both being of length 1.
    package func similarities(to query: [Float]) -> [Float] {
        // Finer than the stored ones, so that only those are rounded.
        let (quantized, scale) = Self.quantize(query.prefix(dimensions), to: 32_767)
        let rows = count
        guard rows > 0, quantized.count == dimensions else { return [Float](repeating: 0, count: rows) }
        let words = quantized.map { Int16(truncatingIfNeeded: $0) }
        return [Float](unsafeUninitializedCapacity: rows) { result, initialized in
            components.withUnsafeBufferPointer { components in
                scales.withUnsafeBufferPointer { scales in
                    words.withUnsafeBufferPointer { words in
                        guard let block = components.baseAddress, let factors = scales.baseAddress,
                            let query = words.baseAddress, let target = result.baseAddress
                        else { return }
                        csearch_dots(block, factors, rows, query, scale, dimensions, target)
                    }
                }
            }
            initialized = rows
        }
    }

    /// Whole numbers up to `most`, and what one of them is worth.
    private static func quantize(_ vector: ArraySlice<Float>, to most: Float) -> ([Int], Float) {
        let largest = vector.reduce(0) { max($0, abs($1)) }
        guard largest > 0, largest.isFinite else { return (vector.map { _ in 0 }, 0) }
        let scale = largest / most
        return (vector.map { Int(($0 / scale).rounded()) }, scale)
    }
}
