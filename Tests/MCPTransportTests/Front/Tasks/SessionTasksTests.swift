import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

struct SessionTasksTests {
    private let start = ContinuousClock.now
    private static var limits: FrontLimits {
        var limits = FrontLimits()
        limits.sessionTasksMax = 3
        limits.sessionTaskBytesMax = 1_000
        return limits
    }
    private var tasks = SessionTasks(limits)

    private static func task(_ id: String, _ status: String = "working") -> JSON {
        ["taskId": .string(id), "status": .string(status), "ttlMs": .null]
    }

    private var ids: [String] { tasks.list(at: start).compactMap { $0["taskId"]?.string } }

    @Test mutating func `the newest are listed, the oldest forgotten`() {
        for id in ["a", "b", "c", "d"] { tasks.made(Self.task(id), at: start) }
        #expect(ids == ["b", "c", "d"])
        #expect(tasks.unsettled(atMost: 2) == ["d", "c"])
        _ = tasks.saw(Self.task("d", "completed"))
        #expect(tasks.unsettled(atMost: 2) == ["c", "b"])
    }

    @Test mutating func `a result that lies here goes when its time is over, or when it takes too much room`()
    {
        let result: JSON = ["content": [], "x": .string(String(repeating: "x", count: 400))]
        let kept = tasks.keep(result, as: "k", ttl: 5_000, stamp: "2026-07-28T10:00:00Z", at: start)
        #expect(kept["result"] == result && kept["ttlMs"] == 5_000)
        #expect(tasks.kept("k", at: start + .seconds(4))?["result"] == result)
        #expect(tasks.kept("k", at: start + .seconds(6)) == nil)
        for id in ["l", "m"] {
            _ = tasks.keep(result, as: id, ttl: nil, stamp: "2026-07-28T10:00:00Z", at: start)
        }
        #expect(tasks.kept("k", at: start) == nil && tasks.kept("m", at: start) != nil)
    }

    @Test mutating func `what the client cancelled stays cancelled, whatever its server makes of it`() {
        tasks.made(Self.task("a"), at: start)
        tasks.cancelled("a")
        let seen = tasks.saw(Self.task("a", "completed").setting("result", to: ["content": []]))
        #expect(seen["status"] == "cancelled" && seen["result"] == nil)
        #expect(tasks.list(at: start).first?["status"] == "cancelled")
    }
}
