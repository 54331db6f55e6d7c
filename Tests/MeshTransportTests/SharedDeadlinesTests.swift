import NIOCore
import NIOEmbedded
import Testing

@testable import MeshTransport

/// One timer for many deadlines, in time that is moved by hand.
@Suite struct SharedDeadlinesTests {
    private let loop = EmbeddedEventLoop()
    private final class Passed {
        var items: [Int] = []
    }

    private func deadlines(_ passed: Passed) -> SharedDeadlines<Int> {
        SharedDeadlines(on: loop) { passed.items.append($0) }
    }

    @Test func `each is told when its time has come, and none that left`() {
        let passed = Passed()
        let deadlines = deadlines(passed)
        let start = loop.now
        _ = deadlines.enter(1, due: start + .seconds(10))
        let second = deadlines.enter(2, due: start + .seconds(20))
        _ = deadlines.enter(3, due: start + .seconds(30))
        deadlines.leave(second)
        loop.advanceTime(by: .seconds(10))
        #expect(passed.items == [1])
        loop.advanceTime(by: .seconds(19))
        #expect(passed.items == [1])
        loop.advanceTime(by: .seconds(1))
        #expect(passed.items == [1, 3] && deadlines.count == 0)
    }

    @Test func `one that is due before all that were there is not late`() {
        let passed = Passed()
        let deadlines = deadlines(passed)
        _ = deadlines.enter(1, due: loop.now + .seconds(600))
        _ = deadlines.enter(2, due: loop.now + .seconds(1))
        loop.advanceTime(by: .seconds(1))
        #expect(passed.items == [2])
        loop.advanceTime(by: .seconds(599))
        #expect(passed.items == [2, 1])
    }

    @Test func `of several those that came first are told first, and what is due close by soon after`() {
        let passed = Passed()
        let deadlines = deadlines(passed)
        let due = loop.now + .seconds(1)
        for item in 0..<100 { _ = deadlines.enter(item, due: due) }
        _ = deadlines.enter(100, due: due + .milliseconds(1))
        loop.advanceTime(to: due)
        #expect(passed.items == Array(0..<100))
        loop.advanceTime(by: SharedDeadlines<Int>.lookEvery)
        #expect(passed.items.last == 100)
    }

    @Test func `whoever is told may enter another and leave for another`() {
        var deadlines: SharedDeadlines<Int>?
        var numbers: [Int: SharedDeadlines<Int>.Number] = [:]
        var told: [Int] = []
        let shared = SharedDeadlines<Int>(on: loop) { [loop] item in
            told.append(item)
            guard item == 1, let deadlines else { return }
            if let other = numbers[2] { deadlines.leave(other) }
            numbers[3] = deadlines.enter(3, due: loop.now)
        }
        deadlines = shared
        numbers[1] = shared.enter(1, due: loop.now + .seconds(1))
        numbers[2] = shared.enter(2, due: loop.now + .seconds(2))
        loop.advanceTime(by: .seconds(3))
        #expect(told == [1, 3] && shared.count == 0)
    }
}
