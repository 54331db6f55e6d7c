import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Synchronization
import Testing

@testable import Gateway

/// Composites through the router; every server that their steps call is of another node, which the test plays.
struct CompositeDeskTests {
    /// A step's call that has arrived at its owner.
    private final class Arrived: Sendable {
        let call: ForwardedCall
        let sink: CallSink
        private let cancels = Mutex(0)
        var isCancelled: Bool { cancels.withLock { $0 > 0 } }

        init(_ call: ForwardedCall, _ sink: @escaping CallSink) {
            self.call = call
            self.sink = sink
        }

        func cancel() { cancels.withLock { $0 += 1 } }
        func done(_ structured: JSON = ["ok": true]) {
            sink(.result(["resultType": "complete", "content": [], "structuredContent": structured]))
        }
        func ask(_ state: String = "martlet1.owner") {
            sink(
                .result([
                    "resultType": "input_required", "requestState": .string(state),
                    "inputRequests": ["elicitation-1": ["method": "elicitation/create"]],
                ]))
        }
    }

    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let arrived = Box<Arrived>()
    private let router: CallRouter

    private static let steps = """
        [{"id":"find","call":"there--desk/get","arguments":{"id":"${/input/id?}"},"timeout":"5s"},
         {"id":"ask","call":"there--desk/confirm","arguments":{"who":"${/steps/find/structuredContent/who?}"}},
         {"id":"close","call":"there--shop/close"}]
        """

    init() throws { try self.init(steps: Self.steps) }

    /// - Parameter answer: of a call that is answered before `forward` has returned.
    private init(
        steps: String, more: String = "",
        answer: @escaping @Sendable (ForwardedCall, CallSink) -> Void = { _, _ in }
    ) throws {
        let snapshot = try CatalogSnapshot.sample().with("desk", on: .there, .tools("get", "confirm"))
            .with("shop", on: .there, .tools("close"))
        let json = try JSON(validating: #"{"use":[{"composite":"close_ticket","steps":\#(steps)\#(more)}]}"#)
        let definition = try VirtualServerDefinition(json: json).resolve(against: snapshot)
        board.publish(snapshot.with(virtual: "ops", definition.json))
        let clock = Box<Instant>()
        time = clock
        router = CallRouter(
            board: board, local: LocalServers(), callMax: .seconds(60), waitMax: .seconds(600),
            now: { clock.values.last ?? .zero }, label: { "here" }
        ) { [arrived] call, sink in
            let arrival = Arrived(call, sink)
            arrived.add(arrival)
            answer(call, sink)
            return CallHandle { arrival.cancel() }
        }
    }

    /// The last one is now.
    private let time: Box<Instant>

    private static let agent = Caller(issuer: "key", subject: "agent")

    @discardableResult
    private func call(
        _ arguments: JSON = ["id": "7"], _ more: [(String, JSON)] = [], caller: Caller = agent,
        client: ClientFacts = ClientFacts(capabilities: TasksExtension.required), _ heard: Heard = Heard()
    ) -> (heard: Heard, handle: CallHandle) {
        let params = JSON.object([("name", "close_ticket"), ("arguments", arguments)] + more)
        let handle = router.call(
            EndpointCall(
                endpoint: .server("ops"), principal: Principal(caller), method: Method.toolsCall,
                params: params,
                client: client), id: CallID(high: 1, low: 2), heard.sink)
        return (heard, handle)
    }

    private func retry(_ heard: Heard, answers: JSON = ["ask/elicitation-1": ["action": "accept"]]) -> [(
        String, JSON
    )] {
        [("requestState", heard.result?["requestState"] ?? .null), ("inputResponses", answers)]
    }

    private var last: Arrived { get throws { try #require(arrived.values.last) } }

    // MARK: Steps are calls

    @Test func `a step goes to its owner as any call of this caller does, bound to what was listed`() throws {
        let (heard, _) = call()
        let find = try last
        #expect(find.call.owner == .there && find.call.server == "desk" && find.call.kind == .tool)
        #expect(find.call.hash == (try [Entry].tools("get").first?.hash))
        #expect(find.call.caller == Self.agent && find.call.request.caller == Self.agent)
        #expect(find.call.request.params == ["name": "get", "arguments": ["id": "7"]])
        #expect(find.call.request.timeLeft == .seconds(5), "the step's own timeout")
        #expect(find.call.request.id != CallID(high: 1, low: 2))
        #expect(find.call.request.client.capabilities["extensions"] == nil, "a step cannot wait for a task")
        time.add(.zero + .seconds(20))
        find.done(["who": "ann"])
        #expect(try last.call.request.timeLeft == .seconds(40), "what is left of the whole call's")
        #expect(try last.call.request.params["arguments"] == ["who": "ann"])
        try last.done()
        #expect(try last.call.server == "shop")
        try last.done(["closed": true])
        #expect(heard.result?["structuredContent"] == ["closed": true] && heard.count == 1)
    }

    @Test func `no step is begun when the time of the whole call is over`() throws {
        let (heard, _) = call()
        time.add(.zero + .seconds(61))
        try last.done()
        #expect(arrived.values.count == 1)
        #expect(heard.failure?.reason == .deadlineExceeded)
        #expect(heard.failure?.detail == "step ask: there was no time left for it")
    }

    @Test func `an end names the step, the call and the node`() throws {
        let (heard, _) = call()
        try last.done()
        try last.sink(.failure(CallFailure(.outcomeUnknown, "the way broke", node: "there")))
        #expect(heard.failure?.reason == .outcomeUnknown)
        #expect(heard.failure?.detail == "step ask: the way broke (done: find)")
        #expect(heard.failure?.node == "there" && heard.failure?.callID == CallID(high: 1, low: 2))
        let failure = try #require(heard.failure)
        let steps = CallFailureCode.error(of: failure).json["data"]?["steps"]
        #expect(steps?.elements.map { $0["outcome"]?.string } == ["done", "unknown", "not_run"])
        #expect(
            steps?[1]?["callId"]?.string == arrived.values[1].call.request.id.description,
            "its owner knows it by this id")
    }

    @Test func `resources in the answer have the names of the endpoint`() throws {
        let (heard, _) = call()
        try last.done()
        try last.done()
        let link: JSON = ["type": "resource_link", "uri": "file:///a.txt", "name": "a"]
        try last.sink(.result(["resultType": "complete", "content": [link]]))
        #expect(heard.result?["content"]?[0]?["uri"]?.string == "martlet://there--shop/file:///a.txt")
    }

    @Test func `steps that are answered at once, hundreds of them, do not nest`() throws {
        let count = CompositeLimits.itemsMax
        let steps = (0..<CompositeLimits.stepsMax).map {
            #"{"id":"s\#($0)","call":"there--desk/get","forEach":"/input/items"}"#
        }
        let depth = Mutex(0)
        let deepest = Mutex(0)
        let desk = try CompositeDeskTests(
            steps: "[\(steps.joined(separator: ","))]", more: #","result":"ok""#
        ) { _, sink in
            let now = depth.withLock { depth in
                depth += 1
                return depth
            }
            deepest.withLock { $0 = max($0, now) }
            sink(.result(["content": []]))
            depth.withLock { $0 -= 1 }
        }
        let (heard, _) = desk.call(["items": .array((0..<count).map { JSON.number($0) })])
        #expect(heard.result?["content"]?[0]?["text"]?.string == "ok")
        #expect(desk.arrived.values.count == count * CompositeLimits.stepsMax)
        #expect(deepest.withLock { $0 } == 1)
    }

    @Test(arguments: 1...20)
    func `steps that end on many threads at once end the run once`(turn: Int) async throws {
        let steps = (0..<8).map { #"{"id":"s\#($0)","call":"there--desk/get","onFailure":"skip"}"# }
        let desk = try CompositeDeskTests(
            steps: #"[{"parallel":[\#(steps.joined(separator: ","))]}]"#, more: #","result":"ok""#)
        let (heard, _) = desk.call()
        let arrivals = desk.arrived.values
        #expect(arrivals.count == 8)
        await withTaskGroup(of: Void.self) { group in
            for (place, arrival) in arrivals.enumerated() {
                group.addTask {
                    arrival.sink(.notification(method: Method.message, params: ["level": "info"]))
                    if place % 2 == 0 {
                        arrival.done()
                    } else {
                        arrival.sink(.failure(CallFailure(.denied, "no")))
                    }
                }
            }
        }
        #expect(heard.result != nil && heard.count == 9)
    }

    // MARK: Cancellation

    @Test func `whoever cancels has the running steps cancelled`() throws {
        let (heard, handle) = call()
        handle.cancel()
        handle.cancel()
        #expect(try last.isCancelled)
        #expect(heard.failure?.reason == .cancelled && heard.count == 1)
        try last.done()
        #expect(arrived.values.count == 1)
    }

    @Test
    func `whoever cancels while a step is being sent has it cancelled, and what waits its turn is not sent`()
        throws
    {
        let handle = Box<CallHandle>()
        let steps = #"""
            [{"id":"find","call":"there--desk/get"},
             {"parallel":[{"id":"a","call":"there--desk/confirm"},{"id":"b","call":"there--shop/close"}]}]
            """#
        let desk = try CompositeDeskTests(steps: steps, more: #","result":"ok""#) { call, _ in
            if call.request.params["name"]?.string == "confirm" { handle.values.first?.cancel() }
        }
        let (heard, hold) = desk.call()
        handle.add(hold)
        try desk.last.done()
        #expect(desk.arrived.values.count == 2)
        #expect(try desk.last.isCancelled)
        #expect(heard.failure?.reason == .cancelled && heard.count == 1)
    }

    // MARK: Questions

    @Test func `a step that asks suspends the run, and a retry lets it go on, once`() throws {
        let (asked, first) = call()
        try last.done(["who": "ann"])
        try last.ask()
        #expect(asked.result?["resultType"]?.string == "input_required")
        #expect(asked.result?["inputRequests"]?.members.map(\.key) == ["ask/elicitation-1"])
        // The leg is over: its connection may close.
        first.cancel()
        #expect(try !last.isCancelled)

        let retry = retry(asked)
        for (arguments, caller) in [(["id": "8"] as JSON, Self.agent), (["id": "7"], .anonymous)] {
            let other = call(arguments, retry, caller: caller).heard
            #expect(other.failure?.reason == .invalidArguments, "it is bound to caller and arguments")
        }
        #expect(arrived.values.count == 2)

        let (heard, _) = call(["id": "7"], retry)
        #expect(
            try last.call.request.params == [
                "name": "confirm", "arguments": ["who": "ann"],
                "inputResponses": ["elicitation-1": ["action": "accept"]],
                "requestState": "martlet1.owner",
            ])
        first.cancel()
        #expect(try !last.isCancelled, "the leg that asked is over for good")
        try last.done()
        try last.done(["closed": true])
        #expect(heard.result?["structuredContent"] == ["closed": true] && asked.count == 1)
        #expect(call(["id": "7"], retry).heard.failure?.reason == .invalidArguments)
        #expect(arrived.values.count == 4)
    }

    @Test func `a retry is good only at the node that holds the run`() throws {
        let asked = call().heard
        try last.done()
        try last.ask()
        let elsewhere = try CompositeDeskTests()
        let refused = elsewhere.call(["id": "7"], retry(asked)).heard
        #expect(refused.failure?.reason == .invalidArguments && elsewhere.arrived.values.isEmpty)
        call(["id": "7"], retry(asked))
        #expect(arrived.values.count == 3)
    }

    @Test func `a retry has time of its own, and may be cancelled`() throws {
        let asked = call().heard
        try last.done()
        try last.ask()
        time.add(.zero + .seconds(500))
        let (heard, handle) = call(["id": "7"], retry(asked))
        #expect(try last.call.request.timeLeft == .seconds(60))
        handle.cancel()
        #expect(try last.isCancelled)
        #expect(heard.failure?.reason == .cancelled)
    }

    @Test func `a client that gives up withdraws the step, as fronts of legacy clients say it`() throws {
        let asked = call().heard
        try last.done()
        try last.ask()
        call(["id": "7"], [("requestState", asked.result?["requestState"] ?? .null)]).handle.cancel()
        #expect(arrived.values.count == 3)
        #expect(try last.call.request.params["requestState"] == "martlet1.owner")
        #expect(try last.isCancelled)
    }

    @Test func `a client that gives up ends a run that waits at a server which cannot be told`() throws {
        // Often enough that runs which went on waiting would leave no room.
        for _ in 0...CompositeDesk.waitingPerCallerMax {
            let asked = call().heard
            try last.done()
            try last.ask("its server's own state")
            #expect(asked.result != nil)
            call(["id": "7"], [("requestState", asked.result?["requestState"] ?? .null)]).handle.cancel()
            #expect(call(["id": "7"], retry(asked)).heard.failure?.reason == .invalidArguments)
        }
    }

    @Test func `a run whose caller does not come back is given up, and its step with it`() throws {
        let asked = call().heard
        try last.done()
        try last.ask()
        time.add(.zero + .seconds(599))
        router.composites.expire()
        #expect(arrived.values.count == 2)
        time.add(.zero + .seconds(600))
        router.composites.expire()
        #expect(try last.isCancelled)
        #expect(arrived.values.count == 3)
        #expect(asked.count == 1, "a leg that is over hears nothing more")
        #expect(call(["id": "7"], retry(asked)).heard.failure?.reason == .invalidArguments)
    }

    @Test func `so many runs wait for one caller at most, and one that cannot wait is withdrawn`() throws {
        func suspend(_ caller: Caller) throws -> Heard {
            let heard = call(caller: caller).heard
            try last.done()
            try last.ask()
            return heard
        }
        for _ in 0..<CompositeDesk.waitingPerCallerMax {
            #expect(try suspend(Self.agent).result != nil)
        }
        let refused = try suspend(Self.agent)
        #expect(refused.failure?.reason == .limited && refused.count == 1)
        #expect(try last.isCancelled)
        #expect(try suspend(.anonymous).result != nil)
    }

    @Test func `so many runs are here at once, and an end makes room`() throws {
        let first = call()
        for _ in 1..<CompositeDesk.runsMax { call() }
        #expect(call().heard.failure?.reason == .limited)
        first.handle.cancel()
        #expect(call().heard.count == 0)
    }

    @Test(arguments: [
        #"{"requestState":"martlet1.AAAA","inputResponses":5}"#,
        #"{"requestState":"martlet1.AAAA","inputResponses":{"a":5}}"#, #"{"requestState":5}"#,
        #"{"requestState":"martlet1.AAAA"}"#,
    ])
    func `what is no retry is refused`(more: String) throws {
        let members = try JSON(validating: more).members.map { ($0.key, $0.value) }
        let heard = call(["id": "7"], members).heard
        #expect(heard.count == 1 && heard.result == nil && arrived.values.isEmpty)
    }
}
