import Dispatch
import NIOCore
import NIOPosix

/// Threads on which answers are read and written that would keep an event loop from all others whose connections it has.
enum LargeAnswers {
    /// Bytes of an answer that is read on its loop: too few to be worth the change to a thread and back.
    static let onLoopMax = 256 * 1024
    /// How long a loop is waited for; no turn of one lasts so long.
    static let loopWaitMax = DispatchTimeInterval.seconds(1)

    /// Made with the first such answer. As many as there are processors, so that one of a hundred megabytes leaves a way for others.
    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: System.coreCount)
        pool.start()
        return pool
    }()

    /// Work that leaves the processors to the loops where they want them.
    ///
    /// Calls that wait are bounded where calls are (``CallPlaces``), and what they hold by the limit on messages.
    static func run(_ work: @escaping @Sendable () -> Void) {
        pool.submit { _ in
            LibC.giveWay()
            work()
        }
    }

    /// Work whose end belongs to a loop. A thread begins with the next when the loop has come to that: so a turn of a loop gets no more answers to
    /// write than there are threads, however many have come.
    ///
    /// - Parameter reading: returns what is to be done on the loop.
    static func run(
        on loop: any EventLoop, waitingAtMost wait: DispatchTimeInterval = loopWaitMax,
        _ reading: @escaping @Sendable () -> @Sendable () -> Void
    ) {
        run {
            let finish = reading()
            let isDone = DispatchSemaphore(value: 0)
            loop.execute {
                finish()
                isDone.signal()
            }
            _ = isDone.wait(timeout: .now() + wait)
        }
    }
}
