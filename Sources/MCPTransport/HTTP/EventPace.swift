import NIOCore

/// How fast a stream of events is read.
///
/// A server that speaks without pause would have its loop read nothing else: each read brings hundreds of events, and each of them is
/// read and thought about. Nobody wants to hear that many; so it is read a little at a time then, and its connection rests in between.
/// TCP keeps the server from saying more. Long events are none of that, unless they are spelled on many lines.
struct EventPace {
    /// Line ends in one read from which on that is a storm: an event has two at least.
    static let stormLines = 100
    /// … and below which it is over; reads are small by then.
    static let calmLines = 12
    /// A shorter stream is not worth the look.
    static let unpacedBytes = 64 * 1024
    /// What one read may bring while it lasts.
    static let stormReadBytes = 8 * 1024
    /// How long nothing is read after a read in a storm: some times as long as what it brought takes.
    static let rest = TimeAmount.milliseconds(2)

    enum Change: Equatable {
        case begins, ends
    }

    private(set) var isStorm = false
    private var lines = 0
    private var lastByte: UInt8 = 0

    /// A piece of what a read has brought.
    mutating func hear(_ bytes: ByteBufferView) {
        bytes.withUnsafeBytes { bytes in
            // As SSE has it, a line ends with a carriage return, a line feed, or both.
            var before = lastByte
            for byte in bytes {
                let isEnd =
                    byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n") && before != UInt8(ascii: "\r")
                lines &+= isEnd ? 1 : 0
                before = byte
            }
            lastByte = before
        }
    }

    /// All of what a read has brought was heard.
    ///
    /// - Returns: whether something is otherwise now.
    mutating func endRead() -> Change? {
        let was = isStorm
        isStorm = lines >= (was ? Self.calmLines : Self.stormLines)
        lines = 0
        return was == isStorm ? nil : isStorm ? .begins : .ends
    }
}

/// Reads of one size. NIO keeps no buffer of such between two reads: one that it kept would be as large as the largest read before.
struct SmallReads: RecvByteBufferAllocator {
    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        allocator.buffer(capacity: EventPace.stormReadBytes)
    }

    func nextBufferSize() -> Int? { nil }

    /// - Returns: `true`, by which NIO asks for a buffer each time.
    mutating func record(actualReadBytes: Int) -> Bool { true }
}
