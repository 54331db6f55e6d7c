import MartletTestKit
import Testing

/// Everything that can go wrong at once, over a thousand seeds (``MeshTrial``).
///
/// A failure names its seed: `MARTLET_SEED=… swift test --filter MixedFaultTests` runs that one alone and tells its story.
struct MixedFaultTests {
    private static let blocks = 50
    private static let seedsPerBlock = 20

    @Test(arguments: 0..<blocks)
    func `whatever goes wrong, each step holds what is promised, and peace makes all nodes equal`(block: Int)
        throws
    {
        for seed in Seeds.block(block, of: Self.seedsPerBlock) {
            let trial = try MeshTrial(seed: seed)
            let broken = try trial.run()
            if Seeds.chosen != nil { print(trial.story.joined(separator: "\n")) }
            if let broken {
                let story = trial.story.joined(separator: "\n")
                Issue.record("\(broken)\n\(Seeds.replay(seed)); until then:\n\(story)")
            }
        }
    }

    @Test(arguments: [UInt64(3), 14, 15, 92])
    func `the same seed gives the same trial`(seed: UInt64) throws {
        func run() throws -> (trace: UInt64, frames: Int, story: [String]) {
            let trial = try MeshTrial(seed: seed)
            _ = try trial.run()
            return (trial.mesh.trace, trial.mesh.framesSent, trial.story)
        }
        let (first, second) = (try run(), try run())
        #expect(first == second)
        #expect(first.frames > 100)
    }
}
