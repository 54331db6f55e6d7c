import Testing

@testable import MCPTransport

struct ReplayBufferTests {
    private static let start = ContinuousClock.now

    /// Says on the streams what the bits of a number order: 0 the first stream, 1 the second.
    private static func conversation(
        _ order: Int, events: Int = 8, limits: ReplayBuffer.Limits = .standard
    ) -> (buffer: ReplayBuffer, said: [[[UInt8]]]) {
        var buffer = ReplayBuffer(limits: limits)
        let streams = [buffer.open(), buffer.open()]
        var said: [[[UInt8]]] = [[], []]
        for index in 0..<events {
            let stream = (order >> index) & 1
            let event = buffer.append(to: streams[stream], at: start + .seconds(index)) {
                Array("\($0)|\(index)".utf8)
            }
            said[stream].append(event ?? [])
        }
        return (buffer, said)
    }

    @Test func `wherever a stream is cut, exactly what was missed of it comes again`() {
        for order in 0..<256 {
            let (buffer, said) = Self.conversation(order)
            for (index, events) in said.enumerated() {
                for seen in 0...events.count {
                    let place = EventID(stream: index + 1, number: seen)
                    #expect(buffer.replay(after: place) == .events(Array(events[seen...]), isOver: false))
                }
                #expect(buffer.replay(after: EventID(stream: index + 1, number: events.count + 1)) == .gone)
            }
        }
    }

    @Test func `within the bounds, the latest is what is kept`() {
        var limits = ReplayBuffer.Limits()
        (limits.eventsMax, limits.bytesMax) = (5, 24)
        for order in 0..<256 {
            let (buffer, said) = Self.conversation(order, limits: limits)
            #expect(buffer.eventsHeld <= 5 && buffer.bytesHeld <= 24)
            for (index, events) in said.enumerated() {
                let place = EventID(stream: index + 1, number: 0)
                guard case .events(let kept, false) = buffer.replay(after: place) else {
                    Issue.record("a stream that goes on can be resumed")
                    continue
                }
                #expect(kept == Array(events.suffix(kept.count)))
            }
        }
    }

    @Test func `shrunk, a buffer keeps the latest, and goes on`() {
        var (buffer, said) = Self.conversation(0)
        buffer.shrink(to: 7, at: Self.start)
        #expect(buffer.bytesHeld <= 7 && buffer.eventsHeld == 1)
        let place = EventID(stream: 1, number: 0)
        #expect(buffer.replay(after: place) == .events([said[0][7]], isOver: false))
        let next = buffer.append(to: 1, at: Self.start) { Array("\($0)".utf8) }
        #expect(buffer.replay(after: place) == .events([said[0][7], next ?? []], isOver: false))
        said = []
    }

    @Test func `what all sessions keep has a bound, and each keeps a share`() {
        var limits = FrontLimits()
        (limits.replayTotalMax, limits.replayShareMax) = (10_000, 500)
        let total = ReplayTotal(limits)
        var sessions = (0..<100).map { _ in SessionStreams(.v2025_11_25, limits, StreamSet(), total) }
        for session in sessions {
            for _ in 0..<10 {
                session.push(["text": .string(String(repeating: "x", count: 200))], to: ReplayBuffer.own)
            }
        }
        #expect(total.bytesHeld > 10_000 && total.bytesHeld <= 10_000 + 100 * 500)
        sessions = []
        #expect(total.bytesHeld == 0)
    }

    @Test func `no id is given twice, and each names its stream`() {
        var seen: Set<String> = []
        var buffer = ReplayBuffer()
        for _ in 0..<10 {
            let stream = buffer.open()
            for _ in 0..<10 {
                _ = buffer.append(to: stream, at: Self.start) { id in
                    #expect(id.stream == stream && EventID(id.description) == id)
                    #expect(seen.insert(id.description).inserted)
                    return []
                }
            }
        }
        #expect(seen.count == 100)
    }

    @Test func `an answer waits for its time, then its stream is forgotten`() {
        var buffer = ReplayBuffer()
        let stream = buffer.open()
        _ = buffer.append(to: stream, at: Self.start) { _ in [1] }
        _ = buffer.append(to: stream, isLast: true, at: Self.start + .seconds(60)) { _ in [2] }
        #expect(buffer.append(to: stream, at: Self.start + .seconds(60)) { _ in [3] } == nil)
        let place = EventID(stream: stream, number: 0)
        #expect(buffer.replay(after: place) == .events([[1], [2]], isOver: true))
        buffer.expire(at: Self.start + .seconds(301))
        #expect(buffer.replay(after: place) == .events([[2]], isOver: true))
        #expect(buffer.replay(after: EventID(stream: stream, number: 2)) == .events([], isOver: true))
        buffer.expire(at: Self.start + .seconds(361))
        #expect(buffer.replay(after: place) == .gone)
        #expect(buffer.eventsHeld == 0 && buffer.bytesHeld == 0 && buffer.streamsKnown == 0)
    }

    @Test func `an answer too large to keep is not waited for in vain`() {
        var limits = ReplayBuffer.Limits()
        limits.bytesMax = 10
        var buffer = ReplayBuffer(limits: limits)
        let stream = buffer.open()
        _ = buffer.append(to: stream, at: Self.start) { _ in [1] }
        #expect(
            buffer.append(to: stream, isLast: true, at: Self.start) { _ in Array(repeating: 2, count: 11) }
                != nil)
        #expect(buffer.replay(after: EventID(stream: stream, number: 1)) == .gone)
        #expect(buffer.bytesHeld == 0)
    }

    @Test func `a stream that ends without an answer is over`() {
        var buffer = ReplayBuffer()
        let (silent, told) = (buffer.open(), buffer.open())
        _ = buffer.append(to: told, at: Self.start) { _ in [1] }
        buffer.end(silent)
        buffer.end(told)
        #expect(buffer.replay(after: EventID(stream: silent, number: 0)) == .gone)
        #expect(buffer.replay(after: EventID(stream: told, number: 0)) == .events([[1]], isOver: true))
    }

    @Test func `the session's own stream needs no opening and has no end`() {
        var buffer = ReplayBuffer()
        let own = ReplayBuffer.own
        #expect(buffer.replay(after: buffer.position(of: own)) == .events([], isOver: false))
        _ = buffer.append(to: own, isLast: true, at: Self.start) { _ in [1] }
        #expect(buffer.position(of: own) == EventID(stream: own, number: 1))
        buffer.end(own)
        #expect(buffer.append(to: own, at: Self.start) { _ in [2] } == [2])
        #expect(buffer.replay(after: EventID(stream: own, number: 1)) == .events([[2]], isOver: false))
    }

    @Test(arguments: [
        "", "-", "1", "1-", "-1", "1-2-3", "01-1", "1-+2", "1--2", "a-b", "99999999999999999999-1", "1-1 ",
    ])
    func `what we did not write is no id`(text: String) { #expect(EventID(text) == nil) }
}
