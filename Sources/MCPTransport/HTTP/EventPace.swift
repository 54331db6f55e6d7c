import NIOCore

/// How fast a stream of events is read.
///
/// A server that speaks without pause would have its loop read nothing else: each read brings hundreds of events, and each of them is
/// read and thought about. Nobody wants to hear that many; so it is read a little at a time then, and its connection rests in between.
/// TCP keeps the server from saying more. Long events are none of that: what counts is how many there are.
struct EventPace {
    /// Lines that come at once from which on that is a storm. An event has two at least, and no message within one has any.
    static let linesMax = 100
    /// What one read may bring while it lasts.
    static let stormReadBytes = 8 * 1024
    /// How long nothing is read after a read in a storm: some times as long as what it brought takes.
    static let rest = TimeAmount.milliseconds(2)

    enum Change: Equatable {
        case begins, ends
    }

    private(set) var isStorm = false
    private var lines = 0

    /// A piece of what a read has brought.
    mutating func hear(_ bytes: ByteBufferView) {
        bytes.withUnsafeBytes { bytes in
            for byte in bytes where byte == UInt8(ascii: "\n") { lines &+= 1 }
        }
    }

    /// All of what a read has brought was heard.
    ///
    /// - Returns: whether something is otherwise now.
    mutating func endRead() -> Change? {
        let was = isStorm
        isStorm = lines >= Self.linesMax
        lines = 0
        return was == isStorm ? nil : isStorm ? .begins : .ends
    }
}
