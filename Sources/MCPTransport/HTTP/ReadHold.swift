import NIOConcurrencyHelpers
import NIOPosix

/// Holds back a sender that is faster than whoever gets its bytes in the end: nothing is read of its connection until they have gone out, so
/// that of a stream there is never more here than a window of it, however long it is.
///
/// Whoever writes to a slow client knows no sender; the sender's connection is the one whose bytes are being delivered on this very loop
/// at that moment. Where they come by way of another loop or a pipe nobody is held, and the bound on what may wait is what holds
/// (``HTTPLimits/outboundBytesMax``). Lives on one event loop.
///
/// `@unchecked Sendable`: only the thread of that loop ever sees it, by a variable of that thread's own.
final class ReadHold: @unchecked Sendable {
    private static let delivering = ThreadSpecificVariable<ReadHold>()

    fileprivate var holders = 0
    private var resume: (() -> Void)?

    /// Delivers what has been read.
    func deliver(_ body: () -> Void) {
        let before = Self.delivering.currentValue
        Self.delivering.currentValue = self
        body()
        Self.delivering.currentValue = before
    }

    /// Reads on, at once or when nobody holds it any more.
    func whenFree(_ read: @escaping () -> Void) {
        if holders == 0 { read() } else { resume = read }
    }

    /// All has been read: nobody holds anything any more.
    func end() {
        let resume = resume
        self.resume = nil
        resume?()
    }

    /// The sender whose bytes are being delivered on this loop, if it may be held.
    fileprivate static var current: ReadHold? { delivering.currentValue }

    fileprivate func letGo() {
        holders -= 1
        guard holders == 0, let resume else { return }
        self.resume = nil
        resume()
    }
}

/// Those senders whose bytes wait for one client.
struct HeldReads {
    private var all: [ReadHold] = []

    /// Holds the sender whose bytes are being delivered, until ``letGo()``.
    mutating func takeCurrent() {
        guard let current = ReadHold.current, !all.contains(where: { $0 === current }) else { return }
        current.holders += 1
        all.append(current)
    }

    mutating func letGo() {
        let before = all
        all = []
        for hold in before { hold.letGo() }
    }
}
