import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// Calls of children by the short way end as they would by the long way (docs/decisions/0042-the-short-way-over-pipes.md).
@Suite(.timeLimit(.minutes(1)))
struct ChildWayTests {
    private static let eras = [Era.modern, .legacy]

    @Test(arguments: ChildServer.Manner.allCases, eras)
    func `a call that goes the short way ends as the one before it did`(
        manner: ChildServer.Manner, era: Era
    ) async throws {
        try await ShortWayRig.with(ChildServer.target(era), limits: ChildServer.limits) { rig in
            let long = try await rig.call(manner.rawValue)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 0)
            let short = try await rig.call(manner.rawValue)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1, "it went the long way")
            if manner == .death {
                #expect(short.1[0]?["error"]?["data"]?["reason"]?.string == "outcome_unknown", "\(short)")
            } else {
                #expect(short.0 == long.0 && short.1 == long.1, "\(short) is not \(long)")
            }
            #expect(rig.ends.answered == (manner.isPlain(in: era) ? 1 : 0), "\(short)")
            #expect(rig.ends.refused == (manner == .error ? 1 : 0))
            #expect(try await rig.isQuiet())
        }
    }

    @Test(arguments: eras)
    func `answers whose frame is known are those that were read`(era: Era) async throws {
        try await ShortWayRig.with(ChildServer.target(era)) { rig in
            let read = try await rig.call("text")
            for _ in 0..<5 {
                let known = try await rig.call("text")
                #expect(known.0 == read.0 && known.1 == read.1, "\(known) is not \(read)")
            }
            #expect(rig.ends.answered == 5)
        }
    }

    @Test(arguments: eras)
    func `a server hears the same by either way`(era: Era) async throws {
        try await ShortWayRig.with(ChildServer.target(era)) { rig in
            for _ in 0..<4 { _ = try await rig.call("heard", arguments: ["a": 12]) }
            let answer = try await rig.call("heard", arguments: ["a": 12])
            let heard = answer.1[0]?["result"]?["content"]?[0]?["text"]?.string?.split(separator: "\n") ?? []
            #expect(heard.count == 5 && Set(heard).count == 1, "\(heard)")
            #expect(rig.ends.answered == 4)
        }
    }

    @Test(arguments: eras)
    func `a message with line breaks in it is one line to the child`(era: Era) async throws {
        try await ShortWayRig.with(ChildServer.target(era)) { rig in
            _ = try await rig.call("text")
            let broken = try JSON(validating: "{\n\"a\":\r\n1\n}")
            let answer = try await rig.call("text", arguments: broken)
            #expect(answer.1[0]?["result"]?["content"]?[0]?["text"]?.string == "hé", "\(answer)")
        }
    }

    @Test(arguments: eras)
    func `silence ends it as it ends any call, and the child is told`(era: Era) async throws {
        var limits = ChildServer.limits
        limits.silenceMax = .milliseconds(300)
        try await ShortWayRig.with(ChildServer.target(era), limits: limits) { rig in
            let long = try await rig.call("silent")
            let short = try await rig.call("silent")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
            #expect(
                short.1 == long.1 && long.1[0]?["error"]?["data"]?["reason"]?.string == "deadline_exceeded")
            #expect(try await Self.isTold(of: 2, rig.backend))
            #expect(try await rig.isQuiet())
        }
    }

    @Test(arguments: eras)
    func `a client that goes ends its call at the child, and gives its place back`(era: Era) async throws {
        try await ShortWayRig.with(ChildServer.target(era)) { rig in
            _ = try await rig.call("once")
            let (begun, hasBegun) = AsyncStream.makeStream(of: Void.self)
            async let left: Void = rig.leave("once", when: begun)
            try await Self.until { rig.backend.state.withLock { $0.callsOpen } == 1 }
            hasBegun.yield()
            try await left
            #expect(try await Self.isTold(of: 1, rig.backend))
            #expect(try await rig.isQuiet())
            #expect(rig.ends.cancelled == 1)
        }
    }

    @Test(arguments: ChildServer.Manner.allCases.filter { $0 != .death }, eras)
    func `a call that comes over a hop ends as the one before it did`(
        manner: ChildServer.Manner, era: Era
    ) async throws {
        try await ShortWayRig.with(ChildServer.target(era), limits: ChildServer.limits, isFar: true) { rig in
            let long = try await rig.call(manner.rawValue)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 0)
            let short = try await rig.call(manner.rawValue)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1, "it went the long way")
            #expect(short.0 == long.0 && short.1 == long.1, "\(short) is not \(long)")
            #expect(try await rig.isQuiet())
        }
    }

    @Test
    func `what a session of an older revision may be asked for in a call goes to an instance of its own`()
        async throws
    {
        // No seal, no asking: such a backend takes all callers.
        try await ShortWayRig.with(ChildServer.target(.legacy)) { rig in
            let asked: JSON = ["elicitation": ["form": [:]]]
            _ = try await rig.call("text", capabilities: asked)
            _ = try await rig.call("text", capabilities: asked)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
        }
        try await ShortWayRig.with(ChildServer.target(.legacy), seal: AskingServer.seal) { rig in
            let asked: JSON = ["elicitation": ["form": [:]]]
            _ = try await rig.call("text", capabilities: asked)
            _ = try await rig.call("text", capabilities: asked)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 0)
            #expect(rig.ends.settled == 1, "what was decided is not decided again")
            _ = try await rig.call("text")
            _ = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } >= 1)
        }
    }

    /// Whether the child was told of that many calls that nobody waits for any more.
    private static func isTold(of count: Int, _ backend: Backend) async throws -> Bool {
        try await until { backend.recentLines.count { $0.hasPrefix("cancelled ") } == count }
        return true
    }

    private static func until(_ isSo: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while !isSo() {
            guard ContinuousClock.now < deadline else { throw Late() }
            try await Task.sleep(for: .milliseconds(5))  // a condition with a deadline
        }
    }

    private struct Late: Error {}
}
