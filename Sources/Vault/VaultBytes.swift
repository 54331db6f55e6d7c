/// The vault's encoding: big-endian integers, and byte fields behind a 32-bit length, so that no two lists of
/// fields have one spelling.
struct VaultWriter {
    private(set) var bytes: [UInt8] = []

    mutating func integer(_ value: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// Bytes whose number the format fixes.
    mutating func fixed(_ raw: some Sequence<UInt8>) { bytes.append(contentsOf: raw) }

    mutating func field(_ raw: some Collection<UInt8>) {
        precondition(raw.count <= Int(UInt32.max), "fields are bounded far below 4 GiB before they come here")
        integer(UInt32(raw.count))
        fixed(raw)
    }

    mutating func field(_ text: String) { field(Array(text.utf8)) }
}

/// Reads what ``VaultWriter`` wrote; every read is checked, and ``finish()`` refuses what is left over.
struct VaultReader {
    private var rest: ArraySlice<UInt8>
    private let part: VaultPart

    init(_ bytes: some Sequence<UInt8>, of part: VaultPart) {
        rest = ArraySlice(bytes)
        self.part = part
    }

    mutating func fixed(_ count: Int) throws(VaultError) -> [UInt8] {
        guard count <= rest.count else { throw .malformed(part) }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _: Value.Type
    ) throws(VaultError) -> Value {
        try fixed(Value.bitWidth / 8).reduce(0) { $0 << 8 | Value($1) }
    }

    mutating func field(max: Int) throws(VaultError) -> [UInt8] {
        let count = try integer(UInt32.self)
        guard count <= max else { throw .malformed(part) }
        return try fixed(Int(count))
    }

    mutating func text(max: Int) throws(VaultError) -> String {
        guard let text = String(validating: try field(max: max), as: UTF8.self) else {
            throw .malformed(part)
        }
        return text
    }

    /// What was not read yet.
    var unread: [UInt8] { Array(rest) }

    func finish() throws(VaultError) {
        guard rest.isEmpty else { throw .malformed(part) }
    }
}
