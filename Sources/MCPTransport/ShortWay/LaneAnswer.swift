import HTTPWire
import JSONSlice

/// What has come of the answer to a call over a ``BackendLane``, and whose it is: the call's own, until it is over or the long way has taken
/// it up. Decides; holds no lock and calls nobody.
struct LaneAnswer {
    enum Step {
        case wait
        /// The whole answer is here: ``takeWhole()``.
        case evaluate
        /// It is none of the kind that ends here; with the event, if that is not kept yet.
        case carryOn(LaneEvent?)
        case tell(Sink)
    }

    typealias Sink = @Sendable (LaneEvent) -> Void

    /// An answer that may end the call.
    enum Whole: Sendable {
        /// Over HTTP: bytes that nobody has read.
        case body([UInt8], status: Int)
        /// From a channel that all requests share, where it was read to see whose it is.
        case result(JSON)
        case error(JSON)

        var count: Int {
            switch self {
            case .body(let bytes, _): bytes.count
            case .result(let json), .error(let json): json.bytes.count
            }
        }

        /// What the message that it is of takes in memory; of a line that is not known any more.
        var capacity: Int {
            switch self {
            case .body(let bytes, _): bytes.capacity
            case .result, .error: .max
            }
        }
    }

    private enum Phase {
        case waiting
        /// The whole body is being looked at, perhaps on another thread.
        case reading
        /// Its events are the long way's, which may not have come for them yet: those that came meanwhile.
        case carried([LaneEvent], Sink?)
        case over
    }

    /// A longer answer comes in several pieces.
    private static let pieceBytes = 32 * 1024

    private var head: HTTPResponseHead?
    private var body: [UInt8] = []
    /// The answer, where it was read already.
    private var read: Whole?
    private var phase = Phase.waiting
    /// The request under way; none after its end.
    private(set) var running: LaneHold?

    /// Takes the hold on the request.
    ///
    /// - Returns: whether the call still wants it.
    mutating func hold(_ running: LaneHold?) -> Bool {
        self.running = running
        if case .over = phase { return false }
        return true
    }

    /// - Parameter bytesMax: of a body that may end here.
    mutating func take(_ event: HTTPClientEvent, bytesMax: Int) -> Step {
        if let step = carried(.http(event)) { return step }
        switch event {
        case .head(let head):
            self.head = head
            if let length = head.headers.first("content-length").flatMap({ Int($0) }),
                length > Self.pieceBytes
            {
                body.reserveCapacity(min(length, bytesMax))
            }
            let isWhole =
                head.status == 200
                ? head.headers.isMediaType("application/json")
                : LaneRefusal.mayBe(status: head.status) && !head.headers.isMediaType("text/event-stream")
            return isWhole ? .wait : .carryOn(nil)
        case .body(let bytes):
            if body.capacity == 0 { body = bytes } else { body += bytes }
            return body.count <= bytesMax ? .wait : .carryOn(nil)
        case .end: return .evaluate
        case .failed: return .carryOn(.http(event))
        }
    }

    /// A whole answer has come at once, which is looked at now: as after ``takeWhole()``.
    ///
    /// - Returns: `false` where it is to be taken event by event.
    mutating func begin(_ head: HTTPResponseHead) -> Bool {
        guard case .waiting = phase, self.head == nil else { return false }
        self.head = head
        phase = .reading
        return true
    }

    mutating func hear(_ event: LinkEvent) -> Step {
        if let step = carried(.line(event)) { return step }
        switch event {
        case .result(let result): read = .result(result)
        case .error(let error): read = .error(error)
        case .notification, .question, .fault: return .carryOn(.line(event))
        }
        return .evaluate
    }

    /// - Returns: `nil` where the call waits for it.
    private mutating func carried(_ event: @autoclosure () -> LaneEvent) -> Step? {
        switch phase {
        case .waiting: return nil
        case .over, .reading: return .wait
        case .carried(_, let sink?):
            if event().isLast { leave() }
            return .tell(sink)
        case .carried(let events, nil):
            phase = .carried(events + [event()], nil)
            return .wait
        }
    }

    /// The whole answer, to look at; given back by ``giveBack(_:)`` where it is not what ends here. Until then the call cannot be carried on.
    mutating func takeWhole() -> Whole {
        defer { (body, read) = ([], nil) }
        if case .waiting = phase { phase = .reading }
        return read ?? .body(body, status: head?.status ?? 0)
    }

    /// - Returns: what the call is to be carried on with.
    mutating func giveBack(_ whole: Whole) -> LaneEvent {
        if case .reading = phase { phase = .waiting }
        switch whole {
        case .body(let bytes, _):
            if case .waiting = phase { body = bytes }
            return .http(.end)
        case .result(let result): return .line(.result(result))
        case .error(let error): return .line(.error(error))
        }
    }

    /// - Returns: whether the call waited until now.
    mutating func end() -> Bool {
        switch phase {
        case .waiting, .reading:
            phase = .over
            return true
        case .carried, .over: return false
        }
    }

    /// Gives what has come to the long way, which comes for it by ``adopt(_:)``.
    ///
    /// - Parameter last: what has come and is not kept yet.
    /// - Returns: whether the call waited until now, and nobody is looking at its answer.
    mutating func carry(with last: LaneEvent?) -> Bool {
        guard case .waiting = phase else { return false }
        let past: [LaneEvent] =
            (head.map { [.http(.head($0))] } ?? []) + (body.isEmpty ? [] : [.http(.body(body))])
        phase = .carried(past + (last.map { [$0] } ?? []), nil)
        return true
    }

    /// - Parameter sink: hears all that comes from now on.
    /// - Returns: what has come so far, which is the adopter's now, and the hold on the request.
    mutating func adopt(_ sink: @escaping Sink) -> (past: [LaneEvent], running: LaneHold?) {
        guard case .carried(let events, nil) = phase else { return ([], nil) }
        let running = running
        leave()
        if events.last?.isLast != true {
            phase = .carried([], sink)
            self.running = running
        }
        return (events, running)
    }

    /// The long way does not come for it.
    ///
    /// - Returns: the request to cancel.
    mutating func giveUp() -> LaneHold? {
        guard case .carried(_, nil) = phase else { return nil }
        defer { leave() }
        return running
    }

    /// Lets go of everything.
    private mutating func leave() {
        self = LaneAnswer()
        phase = .over
    }
}
