/// Where an event stands in a session: in which of its streams, and as which of that stream's events, from 1.
/// Number 0 is the place before the first. On the wire it is `STREAM-NUMBER` (unique across the
/// session, and it names the stream).
package struct EventID: Hashable, Sendable, CustomStringConvertible {
    package var stream: Int
    package var number: Int

    package init(stream: Int, number: Int) {
        self.stream = stream
        self.number = number
    }

    /// Reads what ``description`` writes, and nothing else.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let stream = Int(parts[0]), let number = Int(parts[1]) else { return nil }
        self.init(stream: stream, number: number)
        guard description == text else { return nil }
    }

    package var description: String { "\(stream)-\(number)" }
}

/// What was said on the streams of one legacy session, kept for a client whose connection broke.
///
/// Nobody tells us what a client has received, so everything is kept, delivered or not, until a bound is reached;
/// then the oldest events go first. A replay after that lacks them: those are notifications that came before
/// the answer, unless the answer itself is larger than all that is kept.
package struct ReplayBuffer: Sendable {
    /// The bounds of one session's buffer, each with its reason.
    package struct Limits: Hashable, Sendable {
        /// A call that reports progress without pause must not fill the memory while it runs.
        package var eventsMax = 256
        /// Nor must large results of many calls. What all sessions keep together has a bound of its own
        /// (``FrontLimits/replayTotalMax``).
        package var bytesMax = 1024 * 1024
        /// How long an answer waits for its client; one that was cut off is back within seconds, or asleep.
        package var ageMax: Duration = .seconds(5 * 60)

        package init() {}
        package static let standard = Limits()
    }

    package enum Replay: Hashable, Sendable {
        /// What came after that event, in order, and whether the stream is over with it.
        case events([[UInt8]], isOver: Bool)
        /// No such stream or event is known any more, or what the client waits for is not kept.
        case gone
    }

    private struct Held: Sendable {
        var id: EventID
        var bytes: [UInt8]
        var saidAt: ContinuousClock.Instant
    }

    private struct Stream: Sendable {
        var lastNumber = 0
        var heldCount = 0
        var isOver = false
    }

    /// The number of the stream that belongs to no request; it has no end.
    package static let own = 0

    private let limits: Limits
    /// Oldest first, of all streams.
    private var held: [Held] = []
    private var streams: [Int: Stream] = [:]
    private var lastStream = Self.own
    package private(set) var bytesHeld = 0

    package init(limits: Limits = .standard) { self.limits = limits }

    package var eventsHeld: Int { held.count }
    /// Streams that something is known of; none in an idle session.
    package var streamsKnown: Int { streams.count }

    /// Begins a stream.
    package mutating func open() -> Int {
        lastStream += 1
        streams[lastStream] = Stream()
        return lastStream
    }

    /// The place of a stream's latest event.
    package func position(of stream: Int) -> EventID {
        EventID(stream: stream, number: streams[stream]?.lastNumber ?? 0)
    }

    /// Takes in what is being said on a stream.
    ///
    /// - Parameters:
    ///   - isLast: whether the stream is over with it.
    ///   - event: makes the event as it goes onto the wire.
    /// - Returns: the event; `nil` when there is no such stream or it is over.
    /// - Complexity: O(*n*) in the events held when a bound is reached, otherwise O(1).
    package mutating func append(
        to stream: Int, isLast: Bool = false, at now: ContinuousClock.Instant, _ event: (EventID) -> [UInt8]
    ) -> [UInt8]? {
        guard var facts = streams[stream] ?? (stream == Self.own ? Stream() : nil), !facts.isOver else {
            return nil
        }
        facts.lastNumber += 1
        facts.heldCount += 1
        facts.isOver = isLast && stream != Self.own
        streams[stream] = facts
        let id = EventID(stream: stream, number: facts.lastNumber)
        let bytes = event(id)
        held.append(Held(id: id, bytes: bytes, saidAt: now))
        bytesHeld += bytes.count
        trim(at: now, to: limits.bytesMax)
        return bytes
    }

    /// Ends a stream that gets no answer.
    package mutating func end(_ stream: Int) {
        guard stream != Self.own, let facts = streams[stream] else { return }
        streams[stream]?.isOver = true
        if facts.heldCount == 0 { streams[stream] = nil }
    }

    /// Lets go of what has waited too long.
    package mutating func expire(at now: ContinuousClock.Instant) { trim(at: now, to: limits.bytesMax) }

    /// Keeps no more than so many bytes, the latest.
    package mutating func shrink(to bytesMax: Int, at now: ContinuousClock.Instant) {
        trim(at: now, to: min(bytesMax, limits.bytesMax))
    }

    /// What a client that has seen everything up to `id` has missed of that stream.
    package func replay(after id: EventID) -> Replay {
        let facts = streams[id.stream] ?? (id.stream == Self.own ? Stream() : nil)
        guard let facts, (0...facts.lastNumber).contains(id.number) else { return .gone }
        let missed = held.filter { $0.id.stream == id.stream && $0.id.number > id.number }
        // The answer comes last, so it is the last to go.
        if facts.isOver, missed.isEmpty, id.number < facts.lastNumber { return .gone }
        return .events(missed.map(\.bytes), isOver: facts.isOver)
    }

    private mutating func trim(at now: ContinuousClock.Instant, to bytesMax: Int) {
        var (count, bytes) = (0, bytesHeld)
        for event in held {
            guard
                held.count - count > limits.eventsMax || bytes > bytesMax
                    || event.saidAt.duration(to: now) > limits.ageMax
            else { break }
            count += 1
            bytes -= event.bytes.count
            guard var facts = streams[event.id.stream] else { continue }
            facts.heldCount -= 1
            let isForgotten = facts.isOver && facts.heldCount == 0
            streams[event.id.stream] = isForgotten ? nil : facts
        }
        held.removeFirst(count)
        // An idle session gives back what a busy one needed.
        if held.isEmpty { held = [] }
        bytesHeld = bytes
    }
}
