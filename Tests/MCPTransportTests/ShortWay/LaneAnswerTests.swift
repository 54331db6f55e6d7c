import HTTPWire
import Synchronization
import Testing

@testable import MCPTransport

struct LaneAnswerTests {
    private static let bytesMax = 100
    private static let good = head(200, "application/json")

    private static func head(_ status: Int, _ type: String) -> HTTPClientEvent {
        .head(HTTPResponseHead(status: status, headers: HTTPHeaders([("content-type", type)])))
    }

    private static func failure() throws -> HTTPClientEvent {
        .failed(HTTPClientError(.shutDown, origin: try HTTPURL("http://127.0.0.1:1/").origin, notSent: false))
    }

    /// What somebody was told, in order.
    private final class Told: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }

        func add(_ event: HTTPClientEvent) {
            let line =
                switch event {
                case .head(let head): "head \(head.status)"
                case .body(let bytes): "body \(bytes.count)"
                case .end: "end"
                case .failed: "failed"
                }
            lines.withLock { $0.append(line) }
        }
    }

    /// Takes an event, tells whom it is for, and says what that came to.
    private func take(_ event: HTTPClientEvent, into answer: inout LaneAnswer) -> String {
        switch answer.take(event, bytesMax: Self.bytesMax) {
        case .wait: return "wait"
        case .evaluate: return "evaluate"
        case .carryOn(nil): return "carry on"
        case .carryOn: return "carry on with it"
        case .tell(let sink):
            sink(event)
            return "tell"
        }
    }

    @Test func `a whole answer is looked at, and given back where it is none that ends here`() {
        var answer = LaneAnswer()
        let steps = [Self.good, .body([1, 2]), .body([3]), .end].map { take($0, into: &answer) }
        #expect(steps == ["wait", "wait", "wait", "evaluate"])
        let (body, rest) = (answer.takeBody(), answer.takeBody())
        #expect(body == [1, 2, 3] && rest.isEmpty)
        answer.giveBack(body)
        let told = Told()
        let isFirst = answer.carry(with: .end)
        for event in answer.adopt({ told.add($0) }).past { told.add(event) }
        #expect(isFirst && told.all == ["head 200", "body 3", "end"])
    }

    @Test func `while it is looked at a call can end, and cannot be carried on`() {
        for ends in [true, false] {
            var answer = LaneAnswer()
            for event in [Self.good, .body([1, 2]), .end] { _ = take(event, into: &answer) }
            let body = answer.takeBody()
            let isCarried = answer.carry(with: nil)
            #expect(!isCarried)
            let hasEnded = ends && answer.end()
            answer.giveBack(body)
            let isCarriedThen = answer.carry(with: .end)
            #expect(hasEnded == ends && isCarriedThen == !ends)
        }
    }

    @Test(arguments: [
        head(202, "application/json"), head(200, "text/event-stream"),
        .body([UInt8](repeating: 1, count: 101)),
    ])
    func `what is no short answer of JSON is carried on`(event: HTTPClientEvent) {
        var answer = LaneAnswer()
        let step = take(event, into: &answer)
        #expect(step == "carry on")
    }

    @Test func `what comes before somebody comes for it is kept, and told once`() throws {
        var answer = LaneAnswer()
        let (cancelled, told) = (Told(), Told())
        var steps = [Self.good].map { take($0, into: &answer) }
        let isWanted = answer.hold(HTTPClientHandle { cancelled.add(.end) })
        let (isFirst, isFirstAgain, ends) = (answer.carry(with: nil), answer.carry(with: nil), answer.end())
        #expect(isWanted && isFirst && !isFirstAgain && !ends)
        steps.append(take(.body([1]), into: &answer))
        let adopted = answer.adopt { told.add($0) }
        for event in adopted.past { told.add(event) }
        adopted.running?.cancel()
        #expect(cancelled.all == ["end"], "the hold is the adopter's")
        steps += [.body([2, 3]), try Self.failure(), .end].map { take($0, into: &answer) }
        #expect(steps == ["wait", "wait", "tell", "tell", "wait"])
        #expect(told.all == ["head 200", "body 1", "body 2", "failed"])
        let again = answer.adopt { told.add($0) }
        #expect(again.past.isEmpty && again.running == nil)
    }

    @Test func `a call that fails is carried on with that, and nothing comes after it`() throws {
        var answer = LaneAnswer()
        let failure = try Self.failure()
        let step = take(failure, into: &answer)
        let isFirst = answer.carry(with: failure)
        let past = answer.adopt { _ in }.past
        let after = take(.end, into: &answer)
        #expect(step == "carry on with it" && isFirst && past.count == 1 && after == "wait")
    }

    @Test func `what is over wants nothing, and keeps its request until that is cancelled`() {
        var answer = LaneAnswer()
        let isWanted = answer.hold(HTTPClientHandle {})
        let (ends, endsAgain, isCarried) = (answer.end(), answer.end(), answer.carry(with: nil))
        #expect(isWanted && ends && !endsAgain && !isCarried)
        #expect(answer.running != nil)
        let (step, isWantedStill) = (take(.end, into: &answer), answer.hold(nil))
        #expect(step == "wait" && !isWantedStill)
    }

    @Test func `what nobody comes for is given up once`() {
        var answer = LaneAnswer()
        _ = answer.hold(HTTPClientHandle {})
        let early = answer.giveUp()
        _ = answer.carry(with: nil)
        let (given, again, adopted) = (answer.giveUp(), answer.giveUp(), answer.adopt { _ in }.running)
        #expect(early == nil, "it is its own still")
        #expect(given != nil && again == nil && adopted == nil)
    }
}
