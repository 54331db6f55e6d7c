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

    @Test func `a loop that is busy finds no more answers to write than there are threads that read`() async {
        let count = 10 * System.coreCount
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let course = Mutex(Course())
        let (isBusy, isFull) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let over = Signal<Void>()
        loop.execute {
            isBusy.signal()
            // As long as it takes until the first were read.
            _ = isFull.wait(timeout: .now() + .seconds(30))
        }
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                isBusy.wait()
                continuation.resume()
            }
        }
        for _ in 0..<count {
            LargeAnswers.run(on: loop) {
                course.withLock { course in
                    course.begun += 1
                    course.openMax = max(course.openMax, course.begun - course.finished)
                }
                isFull.signal()
                return {
                    let isLast = course.withLock { course in
                        course.finished += 1
                        return course.finished == count
                    }
                    if isLast { over.send(()) }
                }
            }
        }
        _ = await over.next()
        #expect(course.withLock { $0.openMax } <= System.coreCount)
    }
}
