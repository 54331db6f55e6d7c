import Catalog
import JSONSlice
import MartletTestKit
import Testing

struct CatalogRowTests {
    private let owner = NodeID(high: 1, low: 2)

    private func row(
        _ definition: JSON, kind: EntryKind = .tool, tags: [String] = [], revision: String = "",
        reachability: NodeRecord.Reachability = .me, moment: CatalogRow.Moment? = nil
    ) throws -> CatalogRow {
        let label: Label = "plant"
        let node = NodeRecord(
            id: owner, label: label, segment: label, roles: .ordinary, software: "", addresses: [],
            reachability: reachability, heardAt: .zero)
        return CatalogRow(
            kind: kind, name: try #require(definition[kind.nameMember]?.string), definition: definition,
            server: ServerRecord(
                key: ServerKey(owner: owner, name: label), tags: tags, revision: revision),
            node: node, nodeName: "plant", moment: moment)
    }

    @Test func `an entry is seen with its server and node`() throws {
        let row = try row(["name": "get", "title": "Get", "description": "Gets."], tags: ["erp"])
        let values: [SelectionColumn: SelectionValue] = [
            .name: .text("get"), .kind: .text("tool"), .title: .text("Get"), .description: .text("Gets."),
            .server: .text("plant"), .node: .text("plant"), .owner: .text(owner.description),
            .segment: .text("plant"), .tags: .words(["erp"]), .readonly: .null, .destructive: .null,
            .listed: .null, .state: .null, .callable: .null, .revision: .null, .era: .null, .age: .null,
            .hops: .null,
        ]
        for (column, value) in values { #expect(row.value(column) == value, "\(column)") }
    }

    @Test(
        arguments: [
            (["readOnlyHint": true, "destructiveHint": true], ["readonly"]),
            (
                ["readOnlyHint": false, "destructiveHint": true, "idempotentHint": true],
                ["destructive", "idempotent"]
            ),
            (["openWorldHint": true, "readOnlyHint": "yes"], ["openworld"]), ([:], []),
        ] as [(JSON, [String])])
    func `a tool's own hints are among its tags`(annotations: JSON, tags: [String]) throws {
        let row = try row(["name": "x", "annotations": annotations], tags: ["erp"])
        #expect(row.value(.tags) == .words(["erp"] + tags))
        #expect(try Selection("'readonly' IN tags").matches(row.value) == tags.contains("readonly"))
        #expect(
            try Selection("readonly").matches(row.value) == tags.contains("readonly"))
    }

    @Test func `what its server says of it is a tag once`() throws {
        let row = try row(["name": "x", "annotations": ["readOnlyHint": true]], tags: ["readonly"])
        #expect(row.value(.tags) == .words(["readonly"]))
    }

    @Test func `what holds at a moment is there only when it is told`() throws {
        let moment = CatalogRow.Moment(
            listed: "plant--plant__x", state: "available", isCallable: true, era: "modern",
            now: Instant(nanoseconds: 90_000_000_000))
        let far = try row(
            ["name": "x"], revision: "2026-07-28", reachability: .reachable(path: [owner, owner]),
            moment: moment)
        let values: [SelectionColumn: SelectionValue] = [
            .listed: .text("plant--plant__x"), .state: .text("available"), .callable: .flag(true),
            .revision: .text("2026-07-28"), .era: .text("modern"), .age: .number(90), .hops: .number(2),
        ]
        for (column, value) in values { #expect(far.value(column) == value, "\(column)") }
        let own = try row(["name": "x"], moment: moment)
        #expect(own.value(.age) == .number(0) && own.value(.hops) == .number(0))
        let lost = try row(["name": "x"], reachability: .unreachable(since: .zero), moment: moment)
        #expect(lost.value(.hops) == .null && lost.value(.age) == .number(90))
    }

    @Test func `no text has a character of value 0`() throws {
        #expect(try row(["name": "a\u{0}b"]).value(.name) == .text("a\u{FFFD}b"))
    }

    @Test func `every column has a value of its type, or none`() throws {
        let moment = CatalogRow.Moment(
            listed: "x", state: "up", isCallable: true, era: "modern", now: .zero)
        let row = try row(
            [
                "name": "x", "title": "t", "description": "d",
                "annotations": [
                    "readOnlyHint": true, "destructiveHint": true, "idempotentHint": true,
                    "openWorldHint": true,
                ],
            ], revision: "2025-11-25", moment: moment)
        for column in SelectionColumn.allCases {
            switch (column.type, row.value(column)) {
            case (.text, .text), (.number, .number), (.flag, .flag), (.words, .words): continue
            case (let type, let value): Issue.record("\(column) is \(type), and was \(value)")
            }
        }
    }
}
