import Foundation
import Testing

extension EndToEnd.Matrix {
    /// The covering cells: every pair of front, back, feature and path. All of them: `scripts/matrix`.
    @Test(.timeLimit(.minutes(10)))
    func `official clients and servers of every revision understand each other through nodes`()
        async throws
    {
        let outcome = try await PythonClient.matrix("--covering", limit: .seconds(480))
        let lines = (outcome.output + outcome.errors).split(separator: "\n").map(String.init)
        let wrong = lines.filter { $0.hasPrefix("failed:") || $0.hasPrefix("works,") }
        let summary = lines.contains { $0.contains(" cells: ") }
        #expect(summary, "\(outcome.output)\(outcome.errors.suffix(4_000))")
        #expect(wrong == [])
    }

    /// What the matrix is measured against: a cell that fails here says nothing about Martlet.
    @Test(.timeLimit(.minutes(5)))
    func `the clients and servers of the matrix understand each other without it`() async throws {
        let outcome = try await PythonClient.matrix("--direct", limit: .seconds(240))
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors.suffix(4_000))")
    }
}
