import Dispatch
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

@Suite(.timeLimit(.minutes(1)))
struct LargeAnswersTests {
    private struct Course {
        var begun = 0
        var finished = 0
        /// The most that were read and not finished.
        var openMax = 0
    }

    /// How long a reading that must not begin is waited for.
    private static let patience = DispatchTimeInterval.milliseconds(50)

    @Test func `while a loop is busy no more answers are read for it than there are threads`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (loop, count, threads) = (group.next(), 5 * System.coreCount, System.coreCount)
        let course = Mutex(Course())
        let begun = DispatchSemaphore(value: 0)
        let over = Signal<Void>()
        let isOneTooMany = Signal<Bool>()
        loop.execute {
            // The loop is busy until each thread has read one, and a little longer.
            for _ in 0..<threads { begun.wait() }
            isOneTooMany.send(begun.wait(timeout: .now() + Self.patience) == .success)
        }
        for _ in 0..<count {
            LargeAnswers.run(on: loop, waitingAtMost: .seconds(30)) {
                course.withLock { course in
                    course.begun += 1
                    course.openMax = max(course.openMax, course.begun - course.finished)
                }
                begun.signal()
                return {
                    let isLast = course.withLock { course in
                        course.finished += 1
                        return course.finished == count
                    }
                    if isLast { over.send(()) }
                }
            }
        }
        #expect(await isOneTooMany.next() == false)
        _ = await over.next()
        #expect(course.withLock { $0.openMax } <= threads)
        try await group.shutdownGracefully()
    }
}
