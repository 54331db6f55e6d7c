import Audit
import Foundation
import MartletTestKit
import Synchronization
import Testing

@testable import Storage

/// A log in a folder of its own, whose disk a test may hold, fill or empty.
private final class Rig: Sendable {
    let folder: String
    let log: RecordLog

    init(keep: Int = RecordRotation.keepDefault, in existing: Rig? = nil) throws {
        folder = existing?.folder ?? NSTemporaryDirectory() + "martlet-records-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let key = try #require(RecordKey([UInt8](repeating: 7, count: 32)))
        let (room, isHeld, entered) = (Gate(-1), Gate(0), Gate(0))
        gates = (room, isHeld, entered)
        let (syncs, folderSyncs) = (Gate(0), Gate(0))
        self.syncs = syncs
        self.folderSyncs = folderSyncs
        log = RecordLog(
            in: folder, key: key, keep: keep,
            disk: RecordDisk(
                write: { descriptor, bytes in
                    entered.value += 1
                    while isHeld.value != 0 { usleep(1_000) }  // a disk that hangs
                    guard room.value >= 0 else { return write(descriptor, bytes.baseAddress, bytes.count) }
                    guard room.value > 0 else {
                        errno = ENOSPC
                        return -1
                    }
                    let count = write(descriptor, bytes.baseAddress, min(bytes.count, room.value))
                    room.value -= max(0, count)
                    return count
                },
                sync: { descriptor in
                    guard syncs.value >= 0 else {
                        errno = EIO
                        return -1
                    }
                    syncs.value += 1
                    return fdatasync(descriptor)
                },
                syncFolder: { descriptor in
                    guard folderSyncs.value < 0 else { return fsync(descriptor) }
                    errno = EIO
                    return -1
                }))
    }

    /// Flushes to stable storage; below zero: they fail.
    let syncs: Gate
    /// Below zero: flushes of the folder fail.
    let folderSyncs: Gate
    /// `room`: bytes that the disk still takes, -1 for any number; `held`: 1 while it does not answer; `entered`: writes that were begun.
    let gates: (room: Gate, held: Gate, entered: Gate)

    var segments: [(name: String, text: String)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/records").sorted()) ?? []
        return names.map {
            ($0, (try? String(contentsOfFile: "\(folder)/records/\($0)", encoding: .utf8)) ?? "")
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}

private final class Gate: Sendable {
    private let state: Mutex<Int>
    init(_ value: Int) { state = Mutex(value) }
    var value: Int {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

private func ended(_ number: Int, arguments: String? = nil, keeps: Bool = false) -> RecordLog.Ended {
    RecordLog.Ended(
        record: { record(number) }, arguments: arguments.map { Array($0.utf8)[...] }, keep: { keeps })
}

private func record(_ number: Int) -> AuditRecord {
    let digits = String(number, radix: 16)
    let id = String(repeating: "0", count: 32 - digits.count) + digits
    return AuditRecord(
        at: Int64(number), end: .entry, call: id, trace: id, principal: "key:alice",
        entryNode: .init(label: "hq", id: "a"), method: "tools/call", entry: "echo", outcome: .ok)
}

private func eventually(_ what: String, _ isSo: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(20)
    while !(try await isSo()) {
        try #require(ContinuousClock.now < end, "not so in time: \(what)")
        try await Task.sleep(for: .milliseconds(5))  // a condition with a deadline
    }
}

struct RecordLogTests {
    @Test func `what was taken is found, oldest first, and the last ones if there are too many`() async throws
    {
        let rig = try Rig()
        for number in 1...50 { rig.log.take(ended(number)) }
        let all = await rig.log.find(RecordFilter(), limit: 100)
        #expect(all.lines.map(\.leaf.at) == Array(1...50).map(Int64.init))
        #expect(!all.isCut && all.unreadable == 0)
        let few = await rig.log.find(RecordFilter(), limit: 3)
        #expect(few.lines.map(\.leaf.at) == [48, 49, 50])
        #expect(few.isCut)
        #expect(await rig.log.find(RecordFilter(since: 49), limit: 100).lines.count == 2)
    }

    @Test func `the folder and its files are for this user alone`() async throws {
        let rig = try Rig()
        rig.log.take(ended(1))
        _ = await rig.log.find(RecordFilter(), limit: 1)
        let modes = try ["records", "records/00000001.jsonl"].map {
            try FileManager.default.attributesOfItem(atPath: "\(rig.folder)/\($0)")[.posixPermissions] as? Int
        }
        #expect(modes == [0o700, 0o600])
    }

    @Test func `values are digested, and kept only where that is allowed`() async throws {
        let rig = try Rig()
        rig.log.take(ended(1, arguments: #"{"pin":"4711-canary"}"#))
        rig.log.take(ended(2, arguments: #"{"pin":"4711-canary"}"#))
        rig.log.take(ended(3, arguments: #"{"pin":"allowed-one"}"#, keeps: true))
        let lines = await rig.log.find(RecordFilter(), limit: 10).lines
        let text = rig.segments.map(\.text).joined()
        #expect(!text.contains("canary"))
        #expect(text.contains("allowed-one"), "the search finds what is there")
        let digests = lines.map { line in line.json["arguments"]?.string }
        #expect(digests[0] != nil && digests[0] == digests[1] && digests[0] != digests[2])
        #expect(lines[2].values?["arguments"]?["pin"]?.string == "allowed-one")
    }

    /// What became of intents, in the order in which it was told.
    private final class Told: Sendable {
        private let state = Mutex<[(number: Int, trouble: String?)]>([])
        var all: [(number: Int, trouble: String?)] { state.withLock { $0 } }
        func add(_ number: Int, _ trouble: String?) { state.withLock { $0.append((number, trouble)) } }
    }

    private func intend(
        _ number: Int, _ rig: Rig, _ told: Told,
        arguments: [UInt8] = Array(#"{"pin":"4711-canary"}"#.utf8),
        look: @escaping @Sendable () -> Void = {}
    ) {
        rig.log.intend(
            RecordLog.Intent(
                record: {
                    var record = record(number)
                    record.outcome = .unknown
                    return record
                }, arguments: arguments[...],
                done: { trouble in
                    look()
                    told.add(number, trouble)
                }))
    }

    @Test func `an intent is told of when it lies on stable storage, and many share one flush`() async throws
    {
        let rig = try Rig()
        let told = Told()
        let syncsThen = Gate(-1)
        intend(1, rig, told) {
            syncsThen.value = rig.syncs.value
            #expect(rig.segments.first?.text.contains(#""kind":"intent""#) == true)
        }
        try await eventually("the first") { told.all.count == 1 }
        #expect(syncsThen.value == 1, "flushed before it is told")
        // A busy disk: all that come meanwhile go together.
        rig.gates.held.value = 1
        for number in 2...200 { intend(number, rig, told) }
        rig.gates.held.value = 0
        try await eventually("all of them") { told.all.count == 200 }
        #expect(told.all.allSatisfy { $0.trouble == nil } && told.all.map(\.number) == Array(1...200))
        #expect(rig.syncs.value <= 3, "\(rig.syncs.value) flushes")
        let text = rig.segments.map(\.text).joined()
        #expect(!text.contains("canary") && text.contains(#""arguments":""#))
        #expect(!text.contains("outcome") && !text.contains("microseconds"))
    }

    @Test func `where the disk takes no record the intent is told so, and nothing counts as lost`()
        async throws
    {
        let rig = try Rig()
        let told = Told()
        rig.gates.room.value = 0
        intend(1, rig, told)
        try await eventually("told") { told.all.count == 1 }
        #expect(told.all.first?.trouble?.contains("records/00000001.jsonl") == true)
        #expect(rig.log.facts().standing.lost == 0 && rig.log.facts().standing.trouble != nil)
        // Written and not flushed is not there.
        rig.gates.room.value = -1
        rig.syncs.value = -1
        intend(2, rig, told)
        try await eventually("told again") { told.all.count == 2 }
        #expect(told.all.last?.trouble?.contains("flush") == true)
        // Then another segment is begun: what the system holds to be clean proves nothing.
        rig.syncs.value = 0
        intend(3, rig, told)
        try await eventually("the third") { told.all.count == 3 }
        #expect(told.all.last?.trouble == nil && rig.segments.count == 2)
    }

    @Test func `a segment whose name is not on stable storage is written into by nobody`() async throws {
        let rig = try Rig()
        let told = Told()
        rig.folderSyncs.value = -1
        for number in 1...3 {
            intend(number, rig, told)
            try await eventually("told") { told.all.count == number }
            #expect(told.all.last?.trouble?.contains("flush") == true)
        }
        #expect(rig.segments.isEmpty, "nor do empty ones pile up")
        rig.folderSyncs.value = 0
        intend(4, rig, told)
        try await eventually("the fourth") { told.all.count == 4 }
        #expect(told.all.last?.trouble == nil && rig.segments.count == 1)
    }

    @Test func `intents that wait for a disk that hangs fill no memory`() async throws {
        let rig = try Rig()
        let told = Told()
        rig.gates.held.value = 1
        intend(0, rig, told)
        try await eventually("the disk hangs") { rig.gates.entered.value > 0 }
        let size = RecordLog.intendedBytesMax / 4
        for number in 1...5 {
            intend(number, rig, told, arguments: [UInt8](repeating: UInt8(ascii: "1"), count: size))
        }
        try await eventually("one is told") { !told.all.isEmpty }
        #expect(told.all.map(\.number) == [5] && told.all.first?.trouble?.contains("32 MiB") == true)
        rig.gates.held.value = 0
        try await eventually("the others") { told.all.count == 6 }
        #expect(told.all.dropFirst().allSatisfy { $0.trouble == nil })
        // What they took is given back.
        intend(6, rig, told, arguments: [UInt8](repeating: UInt8(ascii: "1"), count: 4 * size))
        try await eventually("one as large as all") { told.all.count == 7 }
        #expect(told.all.last?.trouble == nil)
    }

    @Test func `an intent is shown until the end of its call is on record`() async throws {
        let rig = try Rig()
        let told = Told()
        intend(1, rig, told)
        intend(2, rig, told)
        try await eventually("both") { told.all.count == 2 }
        rig.log.take(
            RecordLog.Ended(record: {
                var record = record(2)
                record.isIntended = true
                return record
            }))
        let lines = await rig.log.find(RecordFilter(), limit: 10).lines
        #expect(lines.map { $0.json["kind"]?.string } == ["intent", "call"])
        #expect(lines.first?.json["outcome"] == nil && lines.last?.json["intended"]?.bool == true)
        #expect(await rig.log.find(RecordFilter(outcomes: [.unknown]), limit: 10).lines.count == 1)
        for line in lines { #expect(RecordLine(line.bytes.dropLast()[...]) == line, "read as written") }
    }

    @Test func `a value that waits holds nothing else of its message`() async throws {
        let rig = try Rig()
        rig.gates.held.value = 1
        var message = [UInt8](repeating: 0x20, count: 1 << 20)
        let before = message.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
        rig.log.take(
            RecordLog.Ended(record: { record(1) }, arguments: message[7..<9], result: message[10..<12]))
        // Whoever else held it would make this a copy.
        message[0] = 1
        #expect(message.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) } == before)
        rig.gates.held.value = 0
        rig.log.close()
        #expect(rig.segments.count == 1)
    }

    @Test func `what was lost is said at the end, although no call comes any more`() async throws {
        let rig = try Rig()
        rig.gates.room.value = 0
        rig.log.take(ended(1))
        try await eventually("the loss is counted") { rig.log.facts().standing.lost == 1 }
        rig.gates.room.value = -1
        rig.log.close()
        let lines = await rig.log.find(RecordFilter(), limit: 10).lines
        #expect(lines.count == 1)
        let lost = lines.map { if case .lost(let lost) = $0.leaf { lost.count } else { 0 } }
        #expect(lost == [1])
    }

    @Test func `a disk that hangs holds no call, and what does not fit is counted and said`() async throws {
        let rig = try Rig()
        rig.gates.held.value = 1
        rig.log.take(ended(1))
        let start = ContinuousClock.now
        let count = 3 * RecordLog.pendingMax
        for number in 2...count { rig.log.take(ended(number)) }
        #expect(ContinuousClock.now - start < .seconds(5), "nothing waits for the disk")
        let lost = rig.log.facts().standing.lost
        #expect(lost >= count - 2 * RecordLog.pendingMax - 1)
        rig.gates.held.value = 0
        try await eventually("all is written that was not lost") {
            rig.log.facts().standing.written == count - lost
        }
        rig.log.take(ended(count + 1))
        // Once for each time that writing went on; together they are all.
        try await eventually("the log says what it lacks") {
            let lines = await rig.log.find(RecordFilter(since: 1_000_000_000), limit: 10).lines
            let said = lines.reduce(0) { sum, line in
                if case .lost(let lost) = line.leaf { sum + lost.count } else { sum }
            }
            return said == lost
        }
    }

    @Test
    func `a full disk loses what it does not take, leaves no half line, and is an alarm until there is room`()
        async throws
    {
        let rig = try Rig()
        rig.log.take(ended(1))
        try await eventually("the first is written") { rig.log.facts().standing.written == 1 }
        rig.gates.room.value = 100
        rig.log.take(ended(2))
        try await eventually("the loss is counted") { rig.log.facts().standing.lost == 1 }
        #expect(rig.log.facts().standing.trouble?.contains("records/00000001.jsonl") == true)
        #expect(rig.segments.first?.text.hasSuffix("}\n") == true, "the half line is taken back")
        rig.gates.room.value = -1
        rig.log.take(ended(3))
        try await eventually("writing goes on") { rig.log.facts().standing.written == 2 }
        #expect(rig.log.facts().standing.trouble == nil)
        let found = await rig.log.find(RecordFilter(), limit: 10)
        #expect(found.unreadable == 0)
        let kinds = found.lines.map { $0.json["kind"]?.string }
        #expect(kinds == ["call", "lost", "call"])
    }

    @Test func `the torn last line of a crash is skipped and counted, and writing goes on behind it`()
        async throws
    {
        let first = try Rig()
        for number in 1...3 { first.log.take(ended(number)) }
        try await eventually("written") { first.log.facts().standing.written == 3 }
        let path = "\(first.folder)/records/00000001.jsonl"
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        try bytes.dropLast(40).write(to: URL(fileURLWithPath: path))
        let second = try Rig(in: first)
        #expect(await second.log.find(RecordFilter(), limit: 10).unreadable == 1)
        second.log.take(ended(4))
        try await eventually("written") { second.log.facts().standing.written == 1 }
        let found = await second.log.find(RecordFilter(), limit: 10)
        #expect(found.lines.map(\.leaf.at) == [1, 2, 4])
        #expect(found.unreadable == 1)
        #expect(second.segments.map(\.name) == ["00000001.jsonl"])
    }

    @Test func `the oldest segments go, and all together stay within what is kept`() async throws {
        let rig = try Rig(keep: 1 << 20)
        for batch in 0..<4 {
            for number in 1...2_000 { rig.log.take(ended(batch * 2_000 + number)) }
            try await eventually("written") { rig.log.facts().standing.written == (batch + 1) * 2_000 }
        }
        let segments = rig.segments
        #expect(segments.first?.name != "00000001.jsonl")
        #expect(segments.reduce(0) { $0 + $1.text.utf8.count } <= 1 << 20)
        #expect(segments.allSatisfy { $0.text.utf8.count <= 1 << 16 && $0.text.hasSuffix("}\n") })
        #expect(await rig.log.find(RecordFilter(), limit: 1).lines.first?.leaf.at == 8_000)
    }

    @Test func `a follower hears what fits, and how much it missed`() async throws {
        let rig = try Rig()
        let stream = try #require(rig.log.follow(RecordFilter(since: 10)))
        let count = RecordLog.followedMax + 110
        for number in 1...count { rig.log.take(ended(number)) }
        try await eventually("written") { rig.log.facts().standing.written == count }
        var heard = 0
        var items = stream.makeAsyncIterator()
        while heard < RecordLog.followedMax, case .line? = await items.next() { heard += 1 }
        #expect(heard == RecordLog.followedMax)
        rig.log.take(ended(count + 1))
        guard case .dropped(let dropped)? = await items.next() else {
            Issue.record("nothing is said of what was left out")
            return
        }
        #expect(dropped == count - 9 - RecordLog.followedMax)
        guard case .line(let last)? = await items.next() else {
            Issue.record("nothing comes behind it")
            return
        }
        #expect(last.leaf.at == Int64(count + 1))
    }

    @Test func `only so many follow at once, and one that goes makes room`() async throws {
        let rig = try Rig()
        var streams = (0..<RecordLog.followersMax).compactMap { _ in rig.log.follow(RecordFilter()) }
        #expect(streams.count == RecordLog.followersMax)
        #expect(rig.log.follow(RecordFilter()) == nil)
        streams.removeLast()
        try await eventually("there is room again") { rig.log.follow(RecordFilter()) != nil }
    }

    @Test func `a hundred thousand calls leave nothing behind, and never more than a few are held`()
        async throws
    {
        let rig = try Rig(keep: 8 << 20)
        let held = Held()
        let body = String(repeating: "x", count: 200)
        let count = 100_000
        for number in 1...count {
            var ended = ended(number, arguments: "\"\(body)\"")
            let hold = Held.One(of: held)
            ended.making = .record { withExtendedLifetime(hold) { record(number) } }
            rig.log.take(ended)
            if number % 4_000 == 0 {
                try await eventually("keeps up") { rig.log.facts().standing.written >= number - 4_000 }
            }
        }
        try await eventually("written") { rig.log.facts().standing.written == count }
        try await eventually("let go of") { held.count.load(ordering: .relaxed) == 0 }
        // Those that wait, and those that are being written.
        #expect(held.most.load(ordering: .relaxed) <= 2 * RecordLog.pendingMax)
        #expect(rig.log.facts().bytes <= 8 << 20)
        #expect(rig.log.facts().standing.lost == 0)
    }

    /// Counts calls that something holds on to.
    private final class Held: Sendable {
        let count = Atomic(0)
        let most = Atomic(0)

        final class One: Sendable {
            let held: Held

            init(of held: Held) {
                self.held = held
                let now = held.count.add(1, ordering: .relaxed).newValue
                held.most.max(now, ordering: .relaxed)
            }

            deinit { held.count.subtract(1, ordering: .relaxed) }
        }
    }
}
