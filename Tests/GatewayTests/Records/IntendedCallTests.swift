import Audit
import Catalog
import Foundation
import JSONSlice
import MCPModel
import MCPTransport
import MartletTestKit
import Mesh
import Policy
import Storage
import Testing

@testable import Gateway

/// Calls that wait for their intents, on a disk that a test may hold or break.
struct IntendedCallTests {
    private let scratch = Scratch()
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)

    private struct Rig {
        let log: RecordLog
        let trail: CallTrail
    }

    private func rig(_ disk: RecordDisk = .real) throws -> Rig {
        try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: true)
        let log = RecordLog(
            in: scratch.path, key: try #require(RecordKey([UInt8](repeating: 9, count: 32))), disk: disk)
        let recorder = CallRecorder(log, values: [], access: AccessDesk(board: board), board: board) { _ in
            ["here"]
        }
        let (_, trail) = try #require(
            recorder.begin(
                EndpointCall(
                    endpoint: .all, principal: Principal(Caller(issuer: "key", subject: "agent")),
                    method: Method.toolsCall, params: ["name": "echo"], client: ClientFacts()),
                CallID(high: 7, low: 1)))
        return Rig(log: log, trail: trail)
    }

    /// Takes nothing until the flag is raised.
    private static func hanging(_ gate: Flag) -> RecordDisk {
        RecordDisk(write: { descriptor, bytes in
            while !gate.isRaised { usleep(1_000) }  // a disk that hangs
            return write(descriptor, bytes.baseAddress, bytes.count)
        })
    }

    private static func request(_ timeLeft: Duration) -> CallRequest {
        CallRequest(
            id: CallID(high: 7, low: 1), method: Method.toolsCall, params: ["name": "echo"],
            client: ClientFacts(), caller: Caller(issuer: "key", subject: "agent"), timeLeft: timeLeft)
    }

    private func eventually(_ what: String, _ isSo: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(10)
        while !isSo() {
            try #require(ContinuousClock.now < end, "not so in time: \(what)")
            try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
        }
    }

    // MARK: What it holds

    /// Stands for all that a call weighs.
    private final class Weight: Sendable {}

    private final class Seen {
        weak var weight: Weight?
    }

    private func begin(_ rig: Rig, _ heard: Heard, _ sent: Box<CallRequest>, weighing seen: Seen)
        -> CallHandle
    {
        let weight = Weight()
        seen.weight = weight
        return IntendedCall.begin(
            Self.request(.seconds(7_200)), rig.trail, waitMax: .seconds(3_600),
            { event in withExtendedLifetime(weight) { heard.sink(event) } },
            send: { request in
                withExtendedLifetime(weight) { sent.add(request) }
                heard.sink(.result(["content": []]))
                return .finished
            })
    }

    @Test func `a call that has gone out is let go of, long before its time would have run out`() async throws
    {
        let (rig, heard, sent, seen) = (try rig(), Heard(), Box<CallRequest>(), Seen())
        let handle = begin(rig, heard, sent, weighing: seen)
        try await eventually("answered") { heard.result != nil }
        try await eventually("let go of") { seen.weight == nil }
        withExtendedLifetime(handle) {}
        #expect(sent.values.count == 1)
    }

    @Test func `a call that its caller gave up is let go of, although the log still holds its intent`()
        async throws
    {
        let gate = Flag()
        let (rig, heard, sent, seen) = (try rig(Self.hanging(gate)), Heard(), Box<CallRequest>(), Seen())
        begin(rig, heard, sent, weighing: seen).cancel()
        #expect(heard.failure?.reason == .cancelled)
        try await eventually("let go of") { seen.weight == nil }
        gate.raise()
        rig.log.close()
        #expect(sent.values.isEmpty && heard.count == 1)
    }

    // MARK: Its time

    @Test func `the wait for the disk ends with the call's own time, and nothing has gone out`() async throws
    {
        let gate = Flag()
        let (rig, heard, sent) = (try rig(Self.hanging(gate)), Heard(), Box<CallRequest>())
        let handle = IntendedCall.begin(
            Self.request(.milliseconds(30)), rig.trail, waitMax: .seconds(3_600), heard.sink
        ) { request in
            sent.add(request)
            return .finished
        }
        try await eventually("told") { heard.failure != nil }
        #expect(heard.failure?.reason == .deadlineExceeded && heard.failure?.isUnsent == true)
        gate.raise()
        rig.log.close()
        withExtendedLifetime(handle) {}
        #expect(sent.values.isEmpty && heard.count == 1)
    }

    @Test func `a disk that takes longer than any call waits refuses it`() async throws {
        let gate = Flag()
        let (rig, heard) = (try rig(Self.hanging(gate)), Heard())
        let handle = IntendedCall.begin(
            Self.request(.seconds(3_600)), rig.trail, waitMax: .milliseconds(30), heard.sink
        ) { _ in .finished }
        try await eventually("told") { heard.failure != nil }
        #expect(heard.failure?.rule == "audit_required" && heard.failure?.isUnsent == true)
        gate.raise()
        withExtendedLifetime(handle) {}
        rig.log.close()
    }

    @Test func `the server has what the disk has left of the call's time`() async throws {
        let took = Duration.milliseconds(30)
        let slow = RecordDisk(write: { descriptor, bytes in
            usleep(30_000)  // a slow disk: it takes at least so long
            return write(descriptor, bytes.baseAddress, bytes.count)
        })
        let (rig, sent) = (try rig(slow), Box<CallRequest>())
        let handle = IntendedCall.begin(Self.request(.seconds(3_600)), rig.trail, { _ in }) { request in
            sent.add(request)
            return .finished
        }
        try await eventually("sent") { !sent.values.isEmpty }
        withExtendedLifetime(handle) {}
        #expect(try #require(sent.values.first).timeLeft <= .seconds(3_600) - took)
    }

    // MARK: Its mark

    @Test func `one intent that is on disk stays, whatever becomes of the next`() async throws {
        let isBroken = Flag()
        let rig = try rig(
            RecordDisk(
                write: { write($0, $1.baseAddress, $1.count) },
                sync: { descriptor in
                    guard isBroken.isRaised else { return fdatasync(descriptor) }
                    errno = EIO
                    return -1
                }))
        let told = Box<String?>()
        rig.trail.intend { told.add($0) }
        try await eventually("the first") { told.values.count == 1 }
        isBroken.raise()
        rig.trail.intend { told.add($0) }
        try await eventually("the second") { told.values.count == 2 }
        #expect(told.values[0] == nil && told.values[1] != nil)
        rig.trail.sink { _ in }(.result(["content": []]))
        let ends = await rig.log.find(RecordFilter(), limit: 100).lines.compactMap {
            if case .call(let record) = $0.leaf { record } else { nil }
        }
        #expect(ends.map(\.isIntended) == [true])
    }
}
