import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

struct TaskWalkTests {
    private static let pace = TaskWalk.Pace(usual: .seconds(1), least: .milliseconds(20), most: .seconds(10))
    private var walk = TaskWalk(pace)

    private static func ending(_ step: TaskWalk.Step) -> CallEvent? {
        if case .finish(let event) = step { event } else { nil }
    }

    private static let intervals: [(JSON, Duration)] = [
        (.null, .seconds(1)), (500, .milliseconds(500)), (0, .milliseconds(20)), (-9, .milliseconds(20)),
        (1e12, .seconds(10)), ("5", .seconds(1)),
    ]

    @Test(arguments: intervals)
    func `a task that works is asked after in its server's interval, within bounds`(
        interval: JSON, wait: Duration
    ) {
        guard case .look(wait) = walk.saw(["status": "working", "pollIntervalMs": interval]) else {
            Issue.record("another wait")
            return
        }
    }

    @Test func `a completed task ends with its result, as the call would have`() {
        let result: JSON = ["content": [], "isError": true]
        guard case .result(let ended)? = Self.ending(walk.saw(["status": "completed", "result": result]))
        else {
            Issue.record("no result")
            return
        }
        #expect(ended == result.setting("resultType", to: "complete"))
    }

    @Test func `a failed task ends with its error`() {
        let error: JSON = ["code": -32050, "message": "no"]
        guard case .error(error)? = Self.ending(walk.saw(["status": "failed", "error": error])) else {
            Issue.record("another end")
            return
        }
    }

    @Test(arguments: [
        ("cancelled", Reason.cancelled), ("completed", .backendProtocol), ("asleep", .backendProtocol),
    ])
    func `what has no result ends with a reason`(status: String, reason: Reason) {
        guard case .failure(let failure)? = Self.ending(walk.saw(["status": .string(status)])) else {
            Issue.record("no failure")
            return
        }
        #expect(failure.reason == reason)
    }

    @Test mutating func `what was answered is not asked again, though it may stand there for a while`() {
        let task: JSON = [
            "status": "input_required", "inputRequests": ["a": ["method": "x"], "b": ["method": "y"]],
        ]
        func asked() -> [String]? {
            guard case .result(let result)? = Self.ending(walk.saw(task)) else { return nil }
            return result["inputRequests"]?.members.map(\.key)
        }
        #expect(asked() == ["a", "b"])
        walk.answering(["a": [:]])
        #expect(asked() == ["b"])
        walk.answering(["b": [:]])
        #expect(asked() == nil)
    }
}
