import Foundation
import MartletTestKit
import Testing

/// A call runs at most once, whatever breaks: real processes, a backend that counts, `Benchmarks/call-history`.
extension EndToEnd.CallHistory {
    /// So many calls as the machine makes in this time, at most; then those under way end.
    private static let seconds = 25

    private func history(_ faults: String, seed: Int, calls: Int = 4000) async throws -> Program.Outcome {
        let binary = try #require(Binary.path)
        let outcome = try await Program.run(
            [
                "python3", "\(Project.root)/Benchmarks/call-history", "--calls", "\(calls)", "--threads",
                "12",
                "--faults", faults, "--seed", "\(seed)", "--time-limit", "\(Self.seconds)",
            ], environment: ["MARTLET_BINARY": binary], limit: .seconds(150))
        print(outcome.output)
        return outcome
    }

    @Test(.timeLimit(.minutes(3)))
    func `while links are cut and the relay is killed and started again, no outcome is unknown`() async throws
    {
        let outcome = try await history("cut,cut,relay", seed: 11)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.contains("what is promised held"))
        // Which is more than is promised: links and relays lose nothing that the owner still knows.
        #expect(!outcome.output.contains("| outcome_unknown"), "\(outcome.output)")
        #expect(!outcome.output.contains("| connection broke"), "\(outcome.output)")
    }

    @Test(.timeLimit(.minutes(3)))
    func `while owner, entry node and relay are killed, each call ends and none runs twice`() async throws {
        let outcome = try await history("cut,relay,owner,entry", seed: 12)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.contains("what is promised held"))
    }
}
