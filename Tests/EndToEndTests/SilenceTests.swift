import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// What silence means, with real processes on real sockets; `Benchmarks/mesh-processes` measures it.
extension EndToEnd.Silence {
    private func pair(in scratch: Scratch) async throws -> (TestNode, TestNode) {
        let a = try await TestNode("a", in: scratch, yaml: quiet("a", mesh: "127.0.0.1:0"))
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b"), arguments: ["--join", try await a.joinToken()])
        for (node, other) in [(a, "b"), (b, "a")] {
            try await eventually("\(node.name) reaches \(other)") {
                try await node.state(of: other) == "reachable"
            }
        }
        return (a, b)
    }

    /// How long a peer has been reached on the way that it is reached now; `nil`: it is not.
    private func standsFor(_ peer: String, at node: TestNode) async throws -> Double? {
        let row = try await node.ask("/v1/peers")["peers"]?.elements.first { $0["label"]?.string == peer }
        guard row?["state"]?.string == "reachable" else { return nil }
        return row?["sinceSeconds"]?.double
    }

    @Test(.timeLimit(.minutes(2)))
    func `a process that is stopped is unreachable after its silence, and back when it goes on`() async throws
    {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        b.program.signal(SIGSTOP)
        let took = try await eventually("a sees b unreachable", within: .seconds(10)) {
            try await a.state(of: "b") == "unreachable"
        }
        // Its last word may have been a second before; less would not be silence.
        #expect(took > .milliseconds(1_300))
        b.program.signal(SIGCONT)
        try await eventually("a reaches b again", within: .seconds(20)) {
            try await a.state(of: "b") == "reachable"
        }
        try await b.stop()
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a host that sleeps blames nobody: the link stands when both ends wake`() async throws {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        let before = try #require(try await standsFor("b", at: a))
        for node in [a, b] { node.program.signal(SIGSTOP) }
        try await Task.sleep(for: .seconds(6))  // the sleep itself is what is tested
        for node in [a, b] { node.program.signal(SIGCONT) }
        let end = ContinuousClock.now + .seconds(4)
        while ContinuousClock.now < end {
            // Of a link that had gone and come back it would be a moment.
            #expect(try await standsFor("b", at: a) ?? -1 >= before + 5)
            #expect(try await standsFor("a", at: b) ?? -1 >= before + 5)
            try await Task.sleep(for: .milliseconds(100))  // between two looks
        }
        try await b.stop()
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func `a node that is starved of its processor keeps its links`() async throws {
        let scratch = try Scratch()
        let (a, b) = try await pair(in: scratch)
        let before = try #require(try await standsFor("b", at: a))
        let begun = ContinuousClock.now
        // Less than a fifth of a processor, for three times as long as silence takes.
        while ContinuousClock.now - begun < .seconds(8) {
            a.program.signal(SIGSTOP)
            try await Task.sleep(for: .milliseconds(500))  // the starving itself
            a.program.signal(SIGCONT)
            try await Task.sleep(for: .milliseconds(100))  // between two starvings
        }
        #expect(try await standsFor("b", at: a) ?? -1 >= before + 7)
        #expect(try await standsFor("a", at: b) ?? -1 >= before + 7)
        try await b.stop()
        try await a.stop()
    }
}
