import Foundation
import Logging
import MartletTestKit
import Synchronization
import Testing

@testable import Gateway

struct UnattendedJoinTests {
    private struct NotYet: Error, CustomStringConvertible { let description = "nobody answers" }

    private let file = NSTemporaryDirectory() + "martlet-token-" + UUID().uuidString

    @Test func `it waits for the file, tells why it waits, and ends when it is in`() async throws {
        defer { try? FileManager.default.removeItem(atPath: file) }
        let waiting = UnattendedJoin(tokenFile: file, log: Logger(label: "test"))
        let tried = Mutex<[String]>([])
        let lines = Mutex<[String]>([])
        #expect(waiting.line == nil)
        try await waiting.run(
            isAlone: {
                // Asked before each attempt: what happens between two.
                if let line = waiting.line { lines.withLock { $0.append(line) } }
                if lines.withLock({ $0.count }) == 1 {
                    try "token-1".write(toFile: file, atomically: true, encoding: .utf8)
                }
                return true
            },
            join: { token in
                if tried.withLock({
                    $0.append(token); return $0.count
                }) == 1 {
                    throw NotYet()
                }
            })
        #expect(tried.withLock { $0 } == ["token-1", "token-1"])
        let told = lines.withLock { $0 }
        #expect(
            told.count == 2 && told[0].contains("cannot read") && told[1].contains("nobody answers"),
            "\(told)")
        #expect(told.allSatisfy { $0.contains(file) })
        #expect(waiting.line == nil)
    }

    @Test func `a node that is in a mesh by another way tries no more`() async throws {
        let waiting = UnattendedJoin(tokenFile: file, log: Logger(label: "test"))
        let asked = Mutex(0)
        try await waiting.run(
            isAlone: {
                asked.withLock {
                    $0 += 1; return $0 == 1
                }
            },
            join: { _ in Issue.record("there is no file to read a token from") })
        #expect(asked.withLock { $0 } == 2)
        #expect(waiting.line == nil)
    }
}
