import Foundation
import JSONSlice
import MCPModel
import Testing

/// Scripted clients of every revision against scripted servers of every revision, through real nodes in this process
/// (docs/reference/compatibility-in-process.md).
@Suite(.serialized) struct MatrixTests {
    /// Where `scripts/matrix` wants the table of this run.
    private static let tablePath = ProcessInfo.processInfo.environment["MARTLET_MATRIX_TABLE"]
    /// Only cells whose name has this, for whoever looks into one.
    private static let only = ProcessInfo.processInfo.environment["MARTLET_MATRIX_ONLY"]

    @Test(.timeLimit(.minutes(10)))
    func `every feature works between a client of any revision and a server of any`() async throws {
        let wanted = Cell.all.filter { NotApplicable.reason($0) == nil }
            .filter { cell in Self.only.map { "\(cell)".contains($0) } ?? true }
        let (results, breaches) = try await MatrixRig.with { rig in
            (await MatrixRun(rig: rig).run(wanted), rig.ledger.breaches)
        }
        for result in results {
            guard let failure = result.failure else { continue }
            let text: Comment = "\(result.cell): \(failure)"
            if let gap = KnownGap.reason(result.cell) {
                withKnownIssue(Comment(rawValue: gap)) { Issue.record(text) }
            } else {
                Issue.record(text)
            }
        }
        #expect(breaches.isEmpty, "what nodes did that no client of the server's revision may do")
        #expect(Set(results.map(\.cell)) == Set(wanted), "cells are missing")
        if let path = Self.tablePath {
            try MatrixTable.page(results).write(toFile: path, atomically: true, encoding: .utf8)
        }
    }

    @Test func `only what a revision does not have counts as not applicable`() {
        let left = Cell.all.filter { NotApplicable.reason($0) != nil }
        #expect(Cell.all.count == 7 * 7 * 8 * 2)
        // Two of seven wires have no elicitation: all but 5 × 5 pairs.
        #expect(left.count == (49 - 25) * 2)
        #expect(left.allSatisfy { $0.feature == .elicitation })
    }
}

/// The rules themselves, on messages made for them: a rule that finds nothing proves nothing.
struct RevisionRulesTests {
    @Test(arguments: [
        (#"{"content":[],"resultType":"complete"}"#, "2025-11-25", true),
        (#"{"content":[],"resultType":"complete"}"#, "2026-07-28", false),
        (#"{"content":[]}"#, "2026-07-28", true), (#"{"content":[]}"#, "2024-11-05", false),
        (#"{"content":[],"structuredContent":{}}"#, "2025-03-26", true),
        (#"{"content":[],"structuredContent":{}}"#, "2025-06-18", false),
        (#"{"content":[],"structuredContent":[1]}"#, "2025-11-25", true),
        (#"{"content":[],"structuredContent":[1],"resultType":"complete"}"#, "2026-07-28", false),
        (#"{"content":[{"type":"audio"}]}"#, "2024-11-05", true),
        (#"{"content":[{"type":"audio"}]}"#, "2025-03-26", false),
        (#"{"content":[{"type":"resource_link"}]}"#, "2025-03-26", true),
        (#"{"content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#, "2025-11-25", true),
        (#"{"content":[],"ttlMs":1,"resultType":"complete"}"#, "2026-07-28", true),
        (#"{"resultType":"input_required"}"#, "2026-07-28", true),
        (#"{"resultType":"input_required","requestState":"x"}"#, "2026-07-28", false),
        (#"{"resultType":"input_required","requestState":"x"}"#, "2025-11-25", true),
    ])
    func `a result of another revision is found out`(text: String, revision: String, isFound: Bool) throws {
        let rules = RevisionRules(revision: try #require(ProtocolRevision(rawValue: revision)))
        let objection = rules.objection(toResult: try JSON(validating: text), of: "tools/call")
        #expect((objection != nil) == isFound)
    }

    @Test(arguments: [
        ("annotations", "2024-11-05", "2025-03-26"), ("title", "2025-03-26", "2025-06-18"),
        ("outputSchema", "2025-03-26", "2025-06-18"), ("icons", "2025-06-18", "2025-11-25"),
    ])
    func `a definition of a newer revision is found out`(member: String, before: String, since: String) throws
    {
        let list: JSON = ["tools": [["name": "x", "inputSchema": ["type": "object"]]]]
        let tools = list.setting(
            "tools", to: .array(list["tools"]?.elements.map { $0.setting(member, to: [:]) } ?? []))
        for (text, isFound) in [(before, true), (since, false)] {
            let rules = RevisionRules(revision: try #require(ProtocolRevision(rawValue: text)))
            #expect((rules.objection(toResult: tools, of: "tools/list") != nil) == isFound)
        }
    }
}
