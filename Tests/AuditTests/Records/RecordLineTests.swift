import Audit
import Catalog
import JSONSlice
import MartletTestKit
import Testing

extension AuditRecord {
    static func sample(
        _ call: String = "0123456789abcdef0123456789abcdef", at: Int64 = 1_795_970_599_364,
        entry: String = "get_order",
        outcome: Outcome = .ok
    ) -> AuditRecord {
        AuditRecord(
            at: at, end: .entry, call: call, trace: "4bf92f3577b34da6a3ce929d0e0e4736",
            principal: "key:alice",
            entryNode: Node(label: "hq", id: "aaaa"), virtualServer: "ops",
            owner: Node(label: "plant", id: "bbbb"),
            server: "erp", method: "tools/call", entry: entry, definition: "00ff", rule: "ops-do-all",
            outcome: outcome,
            argumentsBytes: 17, resultBytes: 4, argumentsDigest: "ab", resultDigest: "cd",
            microseconds: 5_600,
            path: ["hq", "bridge", "plant"])
    }
}

struct RecordLineTests {
    /// The form is for good: logs of other versions, and the heads that were signed over them, hang on it.
    @Test func `a leaf has one spelling, this one`() {
        #expect(
            String(decoding: RecordLeaf.call(.sample()).bytes, as: UTF8.self)
                == #"{"v":1,"kind":"call","at":1795970599364,"end":"entry","call":"0123456789abcdef0123456789abcdef","#
                + #""trace":"4bf92f3577b34da6a3ce929d0e0e4736","principal":"key:alice","entryNode":{"label":"hq","id":"aaaa"},"#
                + #""virtualServer":"ops","owner":{"label":"plant","id":"bbbb"},"server":"erp","method":"tools/call","#
                + #""entry":"get_order","definition":"00ff","decision":"allowed","rule":"ops-do-all","outcome":"ok","#
                + #""argumentsBytes":17,"resultBytes":4,"arguments":"ab","result":"cd","microseconds":5600,"#
                + #""path":["hq","bridge","plant"]}"#)
        #expect(
            String(decoding: RecordLeaf.lost(LostRecords(at: 7, count: 3, why: "full")).bytes, as: UTF8.self)
                == #"{"v":1,"kind":"lost","at":7,"count":3,"why":"full"}"#)
    }

    @Test(arguments: AuditRecord.Outcome.allCases)
    func `what was written is read as it was`(outcome: AuditRecord.Outcome) throws {
        var record = AuditRecord.sample(outcome: outcome)
        record.parent = "ffff"
        record.assumedBy = "local:admin"
        record.reason = "denied"
        record.answer = "task"
        record.isAllowed = false
        for leaf in [RecordLeaf.call(record), .lost(LostRecords(at: 1, count: 2, why: "x"))] {
            let line = RecordLine(leaf).bytes
            #expect(line.last == UInt8(ascii: "\n"))
            let read = try #require(RecordLine(line.dropLast()))
            #expect(read.leaf == leaf)
            #expect(RecordLine(read.leaf).bytes == line)
        }
    }

    @Test func `kept values stand beside the leaf, and the leaf is the same without them`() throws {
        let record = RecordLeaf.call(.sample())
        let arguments = Array("{ \"order\":\n 7 }".utf8)
        let line = RecordLine(record, keepingArguments: arguments[...], result: nil)
        let bytes = line.bytes
        #expect(bytes.starts(with: record.bytes + [UInt8(ascii: "\t")]))
        #expect(bytes.count { $0 == UInt8(ascii: "\n") } == 1)
        let read = try #require(RecordLine(bytes.dropLast()))
        #expect(read.leaf == record)
        #expect(read.values?["arguments"]?["order"]?.int == 7)
        #expect(read.json["values"]?["arguments"]?["order"]?.int == 7)
    }

    @Test func `values that are too long, or no JSON, are left out, and the record stays`() throws {
        let record = RecordLeaf.call(.sample())
        let long = Array("\"\(String(repeating: "x", count: RecordLine.valuesBytesMax))\"".utf8)
        for values in [long, Array("{".utf8)] {
            let bytes = RecordLine(record, keepingArguments: values[...], result: nil).bytes
            #expect(bytes == record.bytes + [UInt8(ascii: "\n")])
        }
    }

    @Test(arguments: [
        "", "{", "[]", "null", "{\"v\":2,\"kind\":\"call\",\"at\":1}",
        "{\"v\":1,\"kind\":\"other\",\"at\":1}",
    ])
    func `what is no record is none`(line: String) {
        #expect(RecordLine(Array(line.utf8)[...]) == nil)
    }

    @Test func `no beginning of a line is taken for a record`() {
        let bytes = RecordLeaf.call(.sample()).bytes
        for count in 0..<bytes.count { #expect(RecordLine(bytes[..<count]) == nil, "\(count) bytes") }
    }

    @Test func `whatever callers choose for names, a leaf stays within its bound, on one line`() {
        let nasty = String(repeating: "\u{1}\n\t\u{1F600}", count: 50_000)
        var record = AuditRecord.sample(entry: nasty)
        record.principal = nasty
        record.assumedBy = nasty
        record.method = nasty
        record.rule = nasty
        record.reason = nasty
        record.server = nasty
        record.virtualServer = nasty
        record.path = Array(repeating: nasty, count: 100)
        let line = RecordLine(.call(record)).bytes
        #expect(line.count <= RecordLine.leafBytesMax)
        #expect(line.count { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\t") } == 1)
        #expect(RecordLine(line.dropLast()) != nil)
    }

    @Test func `digests are of the key: the same on a node, another on the next, and published`() throws {
        // RFC 4231, test case 2, has a short key; ours have 32 bytes: this is HMAC of RFC 2104 by Python's hmac module.
        let key = try #require(RecordKey([UInt8](repeating: 0x0b, count: 32)))
        let other = try #require(RecordKey([UInt8](repeating: 0x0c, count: 32)))
        let bytes = Array("Hi There".utf8)
        #expect(
            key.digest(of: bytes[...]) == "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7")
        #expect(key.digest(of: bytes[...]) == key.digest(of: bytes[...]))
        #expect(key.digest(of: bytes[...]) != other.digest(of: bytes[...]))
        #expect(RecordKey([1, 2, 3]) == nil)
    }
}

struct RecordRotationTests {
    @Test(arguments: [1 << 20, 10 << 20, 256 << 20, 64 << 30])
    func `all segments together never have more than is kept`(keep: Int) {
        let rotation = RecordRotation(keep: keep)
        var sizes: [(number: Int, bytes: Int)] = []
        for number in 1...100 {
            let outgoing = rotation.outgoing(of: sizes)
            #expect(outgoing == Array(sizes.prefix(outgoing.count).map(\.number)), "the oldest go")
            sizes.removeFirst(outgoing.count)
            sizes.append((number, rotation.segmentBytes))
            #expect(sizes.reduce(0) { $0 + $1.bytes } <= keep)
        }
        #expect(sizes.count >= 15, "and most of it is used")
    }

    @Test func `a segment is full by bytes or by records, and an empty one takes any line`() {
        let rotation = RecordRotation(keep: 1 << 20)
        #expect(rotation.segmentBytes == 1 << 16)
        #expect(!rotation.isFull(.init(number: 1, bytes: 0, records: 0), forBytes: 1 << 20))
        #expect(!rotation.isFull(.init(number: 1, bytes: 65_000, records: 9), forBytes: 536))
        #expect(rotation.isFull(.init(number: 1, bytes: 65_000, records: 9), forBytes: 537))
        #expect(rotation.isFull(.init(number: 1, bytes: 1, records: RecordRotation.recordsMax), forBytes: 1))
    }

    @Test(arguments: [(0, 1 << 20), (.max, 64 << 30)])
    func `what is asked for is taken into its range`(asked: Int, kept: Int) {
        #expect(RecordRotation(keep: asked).keep == kept)
    }
}

struct RecordFilterTests {
    private func chooses(_ filter: RecordFilter, _ record: AuditRecord = .sample()) -> Bool {
        filter.chooses(.call(record))
    }

    @Test(arguments: [
        ("get_*", true), ("erp/get_*", true), ("erp__get_order", true), ("plant--erp__get_order", true),
        ("plant--erp/*", true), ("*", true), ("hq/get_*", false), ("order", false),
    ])
    func `an entry is meant by any of its names`(pattern: String, isChosen: Bool) {
        #expect(chooses(RecordFilter(entry: Glob(pattern))) == isChosen)
    }

    @Test(arguments: [
        ("4bf92f35", true), ("4bf92f3577b34da6a3ce929d0e0e4736", true), ("01234567", true),
        ("bf92f357", false),
    ])
    func `an id is a trace's or a call's, or its beginning`(id: String, isChosen: Bool) {
        #expect(chooses(RecordFilter(id: id)) == isChosen)
    }

    @Test func `outcome, caller and time choose, and all must hold`() {
        let refused = AuditRecord.sample(outcome: .refused)
        #expect(chooses(RecordFilter(outcomes: [.refused, .error]), refused))
        #expect(!chooses(RecordFilter(outcomes: [.refused])))
        #expect(chooses(RecordFilter(principal: Glob("key:*"))))
        #expect(!chooses(RecordFilter(principal: Glob("jwt:*"))))
        #expect(chooses(RecordFilter(since: 1_795_970_599_364)))
        #expect(!chooses(RecordFilter(since: 1_795_970_599_365)))
        #expect(!chooses(RecordFilter(principal: Glob("key:*"), outcomes: [.refused])))
    }

    @Test func `losses are told to whoever asks about their time`() {
        let lost = RecordLeaf.lost(LostRecords(at: 100, count: 1, why: ""))
        #expect(RecordFilter(entry: Glob("nothing")).chooses(lost))
        #expect(!RecordFilter(since: 101).chooses(lost))
    }
}
