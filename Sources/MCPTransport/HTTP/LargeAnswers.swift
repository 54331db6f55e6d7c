import NIOCore
import NIOPosix

/// Threads on which answers are read and written that would keep an event loop from all others whose connections it has.
enum LargeAnswers {
    /// Bytes of an answer that is read on its loop: too few to be worth the change to a thread and back.
    static let onLoopMax = 256 * 1024

    /// Made with the first such answer. As many as there are processors, so that one of a hundred megabytes leaves a way for others.
    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: System.coreCount)
        pool.start()
        return pool
    }()

    /// Calls that wait are bounded where calls are (``CallPlaces``), and what they hold by the limit on messages.
    static func run(_ work: @escaping @Sendable () -> Void) {
        pool.submit { _ in work() }
    }
}
