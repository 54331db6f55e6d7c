/// A body as it comes in. A long one is kept in pieces: to grow one array means to copy it again and again, for milliseconds each time,
/// and most that is very long is refused in the end.
struct GatheredBody: Sendable {
    private static let pieceBytes = 1 << 20
    /// What is set aside for a body whose length was said and whose bytes have not come: words alone must not fill the memory.
    private static let expectedMax = 16 << 20

    private let pieceBytes: Int
    private var whole: [[UInt8]] = []
    private var last: [UInt8] = []
    private(set) var count = 0

    /// - Parameter expected: bytes that it will have, if that was said.
    init(expecting expected: Int = 0) {
        let expected = max(0, min(expected, Self.expectedMax))
        pieceBytes = max(Self.pieceBytes, expected)
        last.reserveCapacity(expected)
    }

    mutating func append(_ bytes: some Collection<UInt8>) {
        let more = bytes.count
        if last.count + more > pieceBytes, !last.isEmpty {
            whole.append(last)
            last = []
            last.reserveCapacity(max(pieceBytes, more))
        }
        last.append(contentsOf: bytes)
        count += more
    }

    /// - Returns: all of it; nothing is left.
    /// - Complexity: O(1) up to a mebibyte, one copy of what is more.
    mutating func take() -> [UInt8] {
        defer { self = GatheredBody() }
        guard !whole.isEmpty else { return last }
        var all: [UInt8] = []
        all.reserveCapacity(count)
        for piece in whole { all += piece }
        all += last
        return all
    }
}
