import NIOCore
import NIOPosix

/// The connections of one event loop that have something to send, each flushed once at the end of the loop's turn.
///
/// A turn reads from many sockets. What the bytes lead to is written as they come, but given to the kernel when all of them have been
/// read: so an end that wakes up finds more than one message, and several answers on one connection leave together. Lives on its loop.
final class FlushRound {
    protocol Member: AnyObject {
        func flush()
    }

    /// Each thread sees its own.
    private nonisolated(unsafe) static let ofThread = ThreadSpecificVariable<FlushRound>()

    private let loop: NIOIsolatedEventLoop
    /// At most the connections of this loop, each once.
    private var waiting: [any Member] = []
    /// Those that are being flushed, and room for the next.
    private var flushing: [any Member] = []

    private init(_ loop: any EventLoop) { self.loop = loop.assumeIsolated() }

    /// To be called on the loop.
    static func on(_ loop: any EventLoop) -> FlushRound {
        if let known = ofThread.currentValue, known.loop.nonisolated() === loop { return known }
        let made = FlushRound(loop)
        ofThread.currentValue = made
        return made
    }

    /// Flushes `member` at the end of this turn. It is to be added once for each flush.
    func add(_ member: any Member) {
        waiting.append(member)
        if waiting.count == 1 { loop.execute { self.flushAll() } }
    }

    private func flushAll() {
        // A flush may lead to more of them, which wait for the next round.
        swap(&waiting, &flushing)
        for member in flushing { member.flush() }
        flushing.removeAll(keepingCapacity: true)
    }
}
