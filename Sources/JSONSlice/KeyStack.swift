/// The keys of all objects that are open while a document is validated; finds a key that comes twice.
///
/// Keys are compared as they read, after unescaping. An object of up to ``linearMax`` members is searched; a
/// larger one gets a hash table, so that a hostile object costs O(*n*), not O(*n*²). The table holds four to
/// eight bytes a key, and `Hasher` is seeded for each process, so collisions cannot be prepared.
struct KeyStack {
    /// Members up to which comparing with each is cheaper than hashing.
    static let linearMax = 16

    struct Key {
        private let start: UInt32
        private let end: UInt32
        let isEscaped: Bool

        init(inside range: Range<Int>, isEscaped: Bool) {
            start = UInt32(truncatingIfNeeded: range.lowerBound)
            end = UInt32(truncatingIfNeeded: range.upperBound)
            self.isEscaped = isEscaped
        }

        var inside: Range<Int> { Int(start)..<Int(end) }

        func text(of bytes: ByteView) -> String { StringUnescaper.text(bytes[inside], isEscaped: isEscaped) }

        func isEqual(_ other: Key, of bytes: ByteView) -> Bool {
            if !isEscaped && !other.isEscaped { return bytes.isEqual(inside, other.inside) }
            return StringUnescaper.bytes(bytes[inside]) == StringUnescaper.bytes(bytes[other.inside])
        }

        func hash(of bytes: ByteView) -> Int {
            var hasher = Hasher()
            if isEscaped {
                StringUnescaper.bytes(bytes[inside]).withUnsafeBytes { hasher.combine(bytes: $0) }
            } else {
                hasher.combine(bytes: UnsafeRawBufferPointer(bytes[inside]))
            }
            return hasher.finalize()
        }
    }

    /// One open object: where its keys begin, and its table once it has one.
    struct Scope {
        fileprivate let first: Int
        /// Index of a key plus one, 0 for free; length a power of two, at most half full.
        fileprivate var table: [UInt32] = []
    }

    private var count = 0
    /// The first of them, which of most messages are all: no memory is asked for. How many is nothing but a matter of room.
    private var near = InlineArray<16, Key>(repeating: Key(inside: 0..<0, isEscaped: false))
    private var far: [Key] = []

    func enter() -> Scope { Scope(first: count) }

    mutating func leave(_ scope: Scope) {
        if count > near.count { far.removeSubrange(max(0, scope.first - near.count)...) }
        count = scope.first
    }

    /// - Returns: `false` if the object already has the key.
    mutating func insert(_ key: Key, into scope: inout Scope, of bytes: ByteView) -> Bool {
        let inside = count - scope.first
        if inside < Self.linearMax {
            for index in scope.first..<count where self[index].isEqual(key, of: bytes) { return false }
            append(key)
            return true
        }
        if 2 * (inside + 1) > scope.table.count { rebuildTable(of: &scope, bytes) }
        let slot = freeSlot(for: key, in: scope, of: bytes)
        guard let slot else { return false }
        append(key)
        scope.table[slot] = UInt32(truncatingIfNeeded: count)
        return true
    }

    private subscript(index: Int) -> Key { index < near.count ? near[index] : far[index - near.count] }

    private mutating func append(_ key: Key) {
        if count < near.count { near[count] = key } else { far.append(key) }
        count += 1
    }

    private func rebuildTable(of scope: inout Scope, _ bytes: ByteView) {
        scope.table = Array(repeating: 0, count: max(8 * Self.linearMax, 2 * scope.table.count))
        for index in scope.first..<count {
            if let slot = freeSlot(for: self[index], in: scope, of: bytes) {
                scope.table[slot] = UInt32(truncatingIfNeeded: index + 1)
            }
        }
    }

    /// - Returns: the slot to put the key in; `nil` if an equal key is there.
    private func freeSlot(for key: Key, in scope: Scope, of bytes: ByteView) -> Int? {
        let mask = scope.table.count - 1
        var slot = key.hash(of: bytes) & mask
        while scope.table[slot] != 0 {
            if self[Int(scope.table[slot]) - 1].isEqual(key, of: bytes) { return nil }
            slot = (slot + 1) & mask
        }
        return slot
    }
}
