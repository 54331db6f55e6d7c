import CSearchModel

/// The model's table: for each token a row of int8 components and a scale.
///
/// A safetensors file: 8 bytes with the length of a header, the header, then the rows, then the scales (float32). What the
/// header says of shape and order is known of the file that is compiled in, and a test holds it; it is not read here.
/// `Sendable`: the bytes are constant and live as long as the program.
struct TokenTable: @unchecked Sendable {
    private let rows: UnsafePointer<Int8>
    private let scales: UnsafeRawPointer
    private let dimensions: Int
    private let count: Int

    /// - Parameter rows: the number of tokens; the table must have one row for each.
    init(dimensions: Int, rows count: Int) {
        let file = csearch_model()
        let raw = UnsafeRawPointer(file.start)
        let header = Int(UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self)))
        let data = raw + MemoryLayout<UInt64>.size + header
        precondition(
            8 + header + count * (dimensions + MemoryLayout<Float>.size) == file.count,
            "the model that is compiled in does not fit the vocabulary that is compiled in")
        rows = data.assumingMemoryBound(to: Int8.self)
        scales = data + count * dimensions
        self.dimensions = dimensions
        self.count = count
    }

    /// Adds a token's vector to `sum`, which has room for one.
    func add(row: Int, to sum: UnsafeMutablePointer<Float>) {
        guard row < count else { return }
        let scale = scales.loadUnaligned(fromByteOffset: row * MemoryLayout<Float>.size, as: Float.self)
        csearch_add(sum, rows + row * dimensions, scale, dimensions)
    }
}
