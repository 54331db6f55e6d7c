import Foundation
import MartletTestKit
import Testing

/// What tests run beside themselves.
struct ProgramTests {
    @Test func `a program has no descriptor of ours, whatever else is open here`() async throws {
        let held = open("/dev/null", O_RDONLY)
        try #require(held > 2)
        defer { close(held) }
        let ended = try await Program.run(["sh", "-c", "echo /proc/$$/fd/*"])
        let numbers = ended.output.split(separator: " ").compactMap {
            Int($0.split(separator: "/").last ?? "")
        }
        #expect(numbers.contains(1) && !numbers.contains(Int(held)), "\(ended.output)")
    }
}
