package import Catalog

/// Why bytes are not a value: the sender is broken, newer than we can read, or hostile.
package enum WireError: Error, Hashable, Sendable, CustomStringConvertible {
    case truncated(String)
    case trailing(bytes: Int)
    case tooLong(String, max: Int)
    case invalid(String)
    case frameTooLong(bytes: Int, max: Int)

    package var description: String {
        switch self {
        case .truncated(let what): "the bytes end inside \(what)"
        case .trailing(let count): "\(count) bytes are left over after the value"
        case .tooLong(let what, let max): "\(what) is longer than the limit of \(max)"
        case .invalid(let what): "\(what) is not in its one canonical form"
        case .frameTooLong(let bytes, let max): "a frame of \(bytes) bytes, the limit is \(max)"
        }
    }
}

/// A value with exactly one spelling in bytes, so that hashes and signatures speak of the value.
///
/// The encoding: integers of fixed width, most significant byte first; `Bool` one byte, 0 or 1;
/// an optional is a `Bool` and then the value; bytes, text (valid UTF-8) and lists carry a 32-bit count in front;
/// a list that stands for a set is sorted and without repeats. No padding, no defaults, nothing left over.
package protocol Canonical {
    func encode(to encoder: inout CanonicalEncoder)
    init(from decoder: inout CanonicalDecoder) throws(WireError)
}

extension Canonical {
    package var canonicalBytes: [UInt8] {
        var encoder = CanonicalEncoder()
        encode(to: &encoder)
        return encoder.bytes
    }

    /// Reads a value that fills all of `bytes`.
    package init(canonical bytes: some Sequence<UInt8>) throws(WireError) {
        var decoder = CanonicalDecoder(bytes)
        try self.init(from: &decoder)
        try decoder.finish()
    }
}

/// Writes values one after the other in their canonical form.
package struct CanonicalEncoder: Sendable {
    package private(set) var bytes: [UInt8]

    package init(reserving capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package mutating func put(_ value: UInt8) { bytes.append(value) }
    package mutating func put(_ value: UInt16) { putInteger(value) }
    package mutating func put(_ value: UInt32) { putInteger(value) }
    package mutating func put(_ value: UInt64) { putInteger(value) }
    package mutating func put(_ value: Bool) { bytes.append(value ? 1 : 0) }
    package mutating func put(_ value: some Canonical) { value.encode(to: &self) }
    package mutating func put(_ value: Label) { put(text: value.text) }
    package mutating func put(_ value: ContentHash) {
        put(value.words.0)
        put(value.words.1)
        put(value.words.2)
        put(value.words.3)
    }

    package mutating func put<Subject>(_ value: Fingerprint<Subject>) {
        put(value.high)
        put(value.low)
    }

    /// Bytes whose number both sides know.
    package mutating func put(fixed value: some Sequence<UInt8>) { bytes.append(contentsOf: value) }

    package mutating func put(bytes value: some Collection<UInt8>) {
        put(count: value.count)
        bytes.append(contentsOf: value)
    }

    package mutating func put(text: String) {
        let utf8 = text.utf8
        put(count: utf8.count)
        bytes.append(contentsOf: utf8)
    }

    /// Begins with the next value, with what room there is.
    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Room for a count in front of what is written from here on, in bytes.
    ///
    /// - Returns: to be given to ``closeCount(_:)``, once that is written.
    mutating func openCount() -> Int {
        put(UInt32(0))
        return bytes.count
    }

    mutating func closeCount(_ start: Int) {
        let count = UInt32(clamping: bytes.count - start)
        for place in 0..<4 { bytes[start - 4 + place] = UInt8(truncatingIfNeeded: count >> (24 - 8 * place)) }
    }

    /// The number of elements that follow.
    package mutating func put(count: Int) { put(UInt32(clamping: count)) }

    private mutating func putInteger(_ value: some FixedWidthInteger & UnsignedInteger) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}

/// Reads what ``CanonicalEncoder`` wrote, and refuses every other spelling of it.
package struct CanonicalDecoder: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package init(_ bytes: some Sequence<UInt8>) { self.init(Array(bytes)[...]) }

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    package var bytesLeft: Int { bytes.endIndex - position }

    package mutating func byte(_ what: StaticString) throws(WireError) -> UInt8 {
        guard position < bytes.endIndex else { throw .truncated("\(what)") }
        defer { position += 1 }
        return bytes[position]
    }

    package mutating func uint16(_ what: StaticString) throws(WireError) -> UInt16 { try integer(what) }
    package mutating func uint32(_ what: StaticString) throws(WireError) -> UInt32 { try integer(what) }
    package mutating func uint64(_ what: StaticString) throws(WireError) -> UInt64 { try integer(what) }

    package mutating func bool(_ what: StaticString) throws(WireError) -> Bool {
        switch try byte(what) {
        case 0: return false
        case 1: return true
        default: throw .invalid("\(what)")
        }
    }

    package mutating func slice(fixed count: Int, _ what: StaticString) throws(WireError) -> ArraySlice<UInt8>
    {
        guard count <= bytesLeft else { throw .truncated("\(what)") }
        defer { position += count }
        return bytes[position..<(position + count)]
    }

    package mutating func bytes(fixed count: Int, _ what: StaticString) throws(WireError) -> [UInt8] {
        Array(try slice(fixed: count, what))
    }

    package mutating func slice(max: Int, _ what: StaticString) throws(WireError) -> ArraySlice<UInt8> {
        try slice(fixed: try count(max: max, what), what)
    }

    package mutating func bytes(max: Int, _ what: StaticString) throws(WireError) -> [UInt8] {
        Array(try slice(max: max, what))
    }

    /// Everything that is left.
    package mutating func rest() -> ArraySlice<UInt8> {
        defer { position = bytes.endIndex }
        return bytes[position...]
    }

    /// - Parameter max: in bytes of UTF-8.
    package mutating func text(max: Int, _ what: StaticString) throws(WireError) -> String {
        let utf8 = try slice(max: max, what)
        guard let text = String(validating: utf8, as: UTF8.self) else { throw .invalid("\(what)") }
        return text
    }

    /// The number of elements that follow; each takes at least one byte, so memory is never set aside for more
    /// than arrived.
    package mutating func count(max: Int, _ what: StaticString) throws(WireError) -> Int {
        let count = Int(try uint32(what))
        guard count <= max else { throw .tooLong("\(what)", max: max) }
        guard count <= bytesLeft else { throw .truncated("\(what)") }
        return count
    }

    package mutating func label(_ what: StaticString) throws(WireError) -> Label {
        guard let label = Label(try text(max: Label.lengthMax, what)) else { throw .invalid("\(what)") }
        return label
    }

    package mutating func hash(_ what: StaticString) throws(WireError) -> ContentHash {
        guard let hash = ContentHash(bytes: try slice(fixed: 32, what)) else { throw .truncated("\(what)") }
        return hash
    }

    package mutating func fingerprint<Subject>(_ what: StaticString) throws(WireError) -> Fingerprint<Subject>
    {
        Fingerprint(high: try uint64(what), low: try uint64(what))
    }

    package mutating func value<Value: Canonical>(_ type: Value.Type) throws(WireError) -> Value {
        try Value(from: &self)
    }

    /// Whether nothing is left: what a later version added at the end of a value may be missing.
    package var isAtEnd: Bool { bytesLeft == 0 }

    /// Refuses bytes after the last value.
    package func finish() throws(WireError) {
        guard bytesLeft == 0 else { throw .trailing(bytes: bytesLeft) }
    }

    private mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _ what: StaticString
    ) throws(WireError) -> Value {
        let part = try slice(fixed: Value.bitWidth / 8, what)
        return part.withUnsafeBytes { Value(bigEndian: $0.loadUnaligned(as: Value.self)) }
    }
}
