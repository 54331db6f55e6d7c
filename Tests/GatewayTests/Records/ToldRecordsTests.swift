import Audit
import Catalog
import JSONSlice
import MartletTestKit
import Testing

@testable import Gateway

struct ToldRecordsTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let other = "00f067aa0ba902b700f067aa0ba902b7"
    private static let call = "7000000000000000000000000000000a"

    private static func record(
        _ end: AuditRecord.End, entry: NodeID, owner: NodeID?, trace: String = trace, call: String = call
    ) -> AuditRecord {
        func node(_ id: NodeID) -> AuditRecord.Node { AuditRecord.Node(label: "any", id: id.description) }
        return AuditRecord(
            at: 1, end: end, call: call, trace: trace, principal: "key:alice", entryNode: node(entry),
            owner: owner.map(node), method: "tools/call", entry: "echo", outcome: .ok)
    }

    private func told(_ leaves: [RecordLeaf], about id: String = "4BF92F35") -> ToldRecords {
        ToldRecords(
            ["records": .array(leaves.map { RecordLine($0).json })], of: .there, about: id)
    }

    @Test func `a node's own ends of the calls of the trace are taken, as they were told`() {
        let leaves: [RecordLeaf] = [
            .call(Self.record(.entry, entry: .there, owner: .here)),
            .call(Self.record(.owner, entry: .here, owner: .there)),
            .call(Self.record(.entry, entry: .there, owner: nil)),
            .intent(Self.record(.owner, entry: .here, owner: .there)),
            .lost(LostRecords(at: 2, count: 3, why: "full")),
        ]
        let told = told(leaves)
        #expect(told.records == leaves.map { RecordLine($0).json })
        #expect(told.leftOut == 0 && told.trouble == nil)
    }

    @Test func `a call is found by its own id too`() {
        let told = told([.call(Self.record(.entry, entry: .there, owner: .here))], about: "70000000")
        #expect(told.records.count == 1)
    }

    @Test(arguments: [
        record(.entry, entry: .here, owner: .there), record(.owner, entry: .there, owner: .here),
        record(.owner, entry: .there, owner: nil),
        record(.entry, entry: .there, owner: .here, trace: other),
    ])
    func `what is another's end, or of another trace, is left out and counted`(record: AuditRecord) {
        let mine = RecordLeaf.call(Self.record(.owner, entry: .here, owner: .there))
        for leaf in [RecordLeaf.call(record), .intent(record)] {
            let told = told([mine, leaf])
            #expect(told.records == [RecordLine(mine).json])
            #expect(told.leftOut == 1 && told.trouble?.contains("1 records") == true)
        }
    }

    @Test func `what is no record is left out, and of too many the rest is not looked at`() {
        let answer: JSON = ["records": [7, [:], ["v": 9, "kind": "call"], "x"]]
        #expect(ToldRecords(answer, of: .there, about: "4bf92f35").leftOut == 4)
        let leaf = RecordLeaf.call(Self.record(.owner, entry: .here, owner: .there))
        let many = told(Array(repeating: leaf, count: TraceQuestion.recordsMax + 5))
        #expect(many.records.count == TraceQuestion.recordsMax)
        #expect(ToldRecords([:], of: .there, about: "4bf92f35").records.isEmpty)
    }
}
