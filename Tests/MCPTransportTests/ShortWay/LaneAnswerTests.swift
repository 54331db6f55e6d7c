import HTTPWire
import JSONSlice
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

        func add(_ event: LaneEvent) {
            let line =
                switch event {
                case .http(.head(let head)): "head \(head.status)"
                case .http(.body(let bytes)): "body \(bytes.count)"
                case .http(.end): "end"
                case .http(.failed): "failed"
                case .line(.result(let result)): "result \(result.text)"
                case .line(.error): "error"
                case .line(.fault): "fault"
                case .line(.notification(let method, _)): method
                case .line(.question): "question"
                }
            lines.withLock { $0.append(line) }
        }
    }

    /// Takes an event, tells whom it is for, and says what that came to.
    private func take(_ event: HTTPClientEvent, into answer: inout LaneAnswer) -> String {
        told(.http(event), answer.take(event, bytesMax: Self.bytesMax))
    }

    private func hear(_ event: LinkEvent, into answer: inout LaneAnswer) -> String {
        told(.line(event), answer.hear(event))
    }

    private func told(_ event: LaneEvent, _ step: LaneAnswer.Step) -> String {
        switch step {
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
        let (whole, rest) = (answer.takeWhole(), answer.takeWhole())
        #expect(whole.count == 3 && rest.count == 0)
        let told = Told()
        let isFirst = answer.carry(with: answer.giveBack(whole))
        for event in answer.adopt({ told.add($0) }).past { told.add(event) }
        #expect(isFirst && told.all == ["head 200", "body 3", "end"])
    }

    @Test func `while it is looked at a call can end, and cannot be carried on`() {
        for ends in [true, false] {
            var answer = LaneAnswer()
            for event in [Self.good, .body([1, 2]), .end] { _ = take(event, into: &answer) }
            let whole = answer.takeWhole()
            let isCarried = answer.carry(with: nil)
            #expect(!isCarried)
            let hasEnded = ends && answer.end()
            let isCarriedThen = answer.carry(with: answer.giveBack(whole))
            #expect(hasEnded == ends && isCarriedThen == !ends)
        }
    }

    @Test(arguments: [
        head(202, "application/json"), head(200, "text/event-stream"), head(503, "text/event-stream"),
        head(401, "application/json"), head(403, "application/json"), head(404, "application/json"),
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
        let isWanted = answer.hold(.http(HTTPClientHandle { cancelled.add(.http(.end)) }))
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
        let isFirst = answer.carry(with: .http(failure))
        let past = answer.adopt { _ in }.past
        let after = take(.end, into: &answer)
        #expect(step == "carry on with it" && isFirst && past.count == 1 && after == "wait")
    }

    @Test func `what is over wants nothing, and keeps its request until that is cancelled`() {
        var answer = LaneAnswer()
        let isWanted = answer.hold(.http(HTTPClientHandle {}))
        let (ends, endsAgain, isCarried) = (answer.end(), answer.end(), answer.carry(with: nil))
        #expect(isWanted && ends && !endsAgain && !isCarried)
        #expect(answer.running != nil)
        let (step, isWantedStill) = (take(.end, into: &answer), answer.hold(nil))
        #expect(step == "wait" && !isWantedStill)
    }

    @Test func `what nobody comes for is given up once`() {
        var answer = LaneAnswer()
        _ = answer.hold(.http(HTTPClientHandle {}))
        let early = answer.giveUp()
        _ = answer.carry(with: nil)
        let (given, again, adopted) = (answer.giveUp(), answer.giveUp(), answer.adopt { _ in }.running)
        #expect(early == nil, "it is its own still")
        #expect(given != nil && again == nil && adopted == nil)
    }

    // MARK: From a channel that all requests share

    private static let result: JSON = ["content": []]

    @Test func `a result is looked at, and given back where it is none that ends here`() {
        for ends in [true, false] {
            var answer = LaneAnswer()
            let step = hear(.result(Self.result), into: &answer)
            let whole = answer.takeWhole()
            let isCarried = answer.carry(with: nil)
            #expect(step == "evaluate" && !isCarried && whole.count == Self.result.bytes.count)
            guard !ends else {
                let hasEnded = answer.end()
                #expect(hasEnded)
                continue
            }
            let told = Told()
            let isCarriedThen = answer.carry(with: answer.giveBack(whole))
            for event in answer.adopt({ told.add($0) }).past { told.add(event) }
            #expect(isCarriedThen && told.all == [#"result {"content":[]}"#])
        }
    }

    @Test func `what is no result is carried on, and all that comes after it is told in order`() {
        var answer = LaneAnswer()
        let told = Told()
        let first = LinkEvent.notification(method: "notifications/vendor", params: [:])
        let step = hear(first, into: &answer)
        let isFirst = answer.carry(with: .line(first))
        let meanwhile = hear(.notification(method: "notifications/other", params: [:]), into: &answer)
        for event in answer.adopt({ told.add($0) }).past { told.add(event) }
        let (last, after) = (hear(.result(Self.result), into: &answer), hear(.error([:]), into: &answer))
        #expect(step == "carry on with it" && isFirst)
        #expect([meanwhile, last, after] == ["wait", "tell", "wait"])
        #expect(told.all == ["notifications/vendor", "notifications/other", #"result {"content":[]}"#])
    }
}
