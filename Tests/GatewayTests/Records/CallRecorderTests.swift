import Audit
import Catalog
import Composition
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
@testable import MeshTransport

/// What the router and the owner's desk leave on record; other nodes' servers are played by the test.
struct CallRecorderTests {
    private static let canary = "c4n4ry/+\"secret\" of 33 bytes: äö"

    private let scratch = Scratch()
    private let board = CatalogBoard(me: .here, nameLengthMax: 50)
    private let local = LocalServers()
    private let forwarded = Box<ForwardedCall>()
    private let sinks = Box<CallSink>()

    /// A log in the test's folder; closed before it is read, so all is in the file.
    private struct Desk {
        let log: RecordLog
        let recorder: CallRecorder
        let access: AccessDesk

        func records() async -> [AuditRecord] {
            await log.find(RecordFilter(), limit: 100).lines.compactMap {
                if case .call(let record) = $0.leaf { record } else { nil }
            }
        }
    }

    private func desk(
        _ rules: [AccessRule] = [], values: [String] = [], disk: RecordDisk = .real
    ) throws -> Desk {
        let snapshot = try CatalogSnapshot.sample().with("press", .tools("stamp"))
            .with("desk", on: .there, .tools("echo", "get") + .resources("file:///a.txt"))
        let composite =
            #"{"use":[{"composite":"both","steps":[{"id":"one","call":"there--desk/echo"},{"id":"two","call":"there--desk/get"}]}]}"#
        let definition = try VirtualServerDefinition(json: try JSON(validating: composite)).resolve(
            against: snapshot)
        board.publish(snapshot.with(virtual: "ops", definition.json))
        try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: true)
        let key = try #require(RecordKey([UInt8](repeating: 9, count: 32)))
        let log = RecordLog(in: scratch.path, key: key, disk: disk)
        let access = AccessDesk(rules: AccessRules(rules: rules), board: board)
        let recorder = CallRecorder(
            log, values: values.map { EntryPattern($0) }, access: access, board: board
        ) {
            $0.map { $0.owner == .here ? ["here"] : ["here", "there"] } ?? ["here"]
        }
        return Desk(log: log, recorder: recorder, access: access)
    }

    /// Routes one call; what goes to another node is answered with `answer`, or kept.
    @discardableResult
    private func call(
        _ desk: Desk, _ params: JSON, method: String = Method.toolsCall, at endpoint: EndpointName = .all,
        traceparent: String? = nil, number: UInt64 = 1, answer: CallEvent? = .result(["content": []])
    ) -> (heard: Heard, handle: CallHandle) {
        let router = CallRouter(
            board: board, local: local, access: desk.access, recorder: desk.recorder, label: { "here" }
        ) { [forwarded, sinks] call, sink in
            forwarded.add(call)
            if let answer { sink(answer) } else { sinks.add(sink) }
            return .finished
        }
        let heard = Heard()
        let handle = router.call(
            EndpointCall(
                endpoint: endpoint, principal: Principal(Caller(issuer: "key", subject: "agent")),
                method: method,
                params: params, client: ClientFacts(traceparent: traceparent)),
            id: CallID(high: 7, low: number),
            heard.sink)
        return (heard, handle)
    }

    private var filesText: String {
        let folder = "\(scratch.path)/records"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.map { (try? String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)) ?? "" }.joined()
    }

    @Test func `a call has one record, of who, what, whose, and what came of it`() async throws {
        let desk = try desk()
        call(desk, ["name": "there--desk__echo", "arguments": ["text": "hi"]])
        let records = await desk.records()
        let record = try #require(records.first)
        #expect(records.count == 1)
        #expect(record.end == .entry && record.outcome == .ok && record.isAllowed && record.rule == nil)
        #expect(record.call == CallID(high: 7, low: 1).description && record.trace == record.call)
        #expect(record.principal == "key:agent")
        #expect(record.entryNode.label == "here" && record.owner?.label == "there")
        #expect(record.server == "desk" && record.entry == "echo" && record.method == Method.toolsCall)
        #expect(record.definition?.count == 64 && record.path == ["here", "there"])
        #expect(record.argumentsBytes == 13 && record.resultBytes == 14)
        #expect(record.argumentsDigest?.count == 64 && record.resultDigest?.count == 64)
        let sent = try #require(forwarded.values.first?.request.client.traceparent)
        #expect(TraceContext(sent)?.trace == record.trace, "the owner hears of the same trace")
    }

    private static let full = RecordDisk(write: { _, _ in
        errno = ENOSPC
        return -1
    })

    private static func rule(_ name: String, isRecordRequired: Bool) -> AccessRule {
        AccessRule(name, .allow, [.call], AccessScope(who: [.anybody]), isRecordRequired: isRecordRequired)
    }

    @Test func `what a rule wants recorded goes out only after its intent, and has an end like any other`()
        async throws
    {
        // Whichever of the two is first: both allow it.
        let desk = try desk([
            Self.rule("plain", isRecordRequired: false), Self.rule("kept", isRecordRequired: true),
        ])
        let (heard, _) = call(desk, ["name": "there--desk__echo"])
        try await eventually("answered") { heard.result != nil }
        let text = filesText
        #expect(text.contains(#""kind":"intent""#) && forwarded.values.count == 1)
        let records = await desk.records()
        #expect(records.count == 1 && records.first?.isIntended == true && records.first?.outcome == .ok)
    }

    @Test func `a full disk refuses what must be recorded, and nothing else`() async throws {
        let desk = try desk(
            [
                AccessRule(
                    "kept", .allow, [.call], AccessScope(who: [.anybody], entries: [EntryPattern("echo")]),
                    isRecordRequired: true), Self.rule("plain", isRecordRequired: false),
            ], disk: Self.full)
        let (heard, _) = call(desk, ["name": "there--desk__echo"])
        try await eventually("refused") { heard.failure != nil }
        #expect(heard.failure?.reason == .denied && heard.failure?.rule == "audit_required")
        #expect(
            heard.failure?.detail.contains("records/00000001.jsonl") == true, "\(heard.failure?.detail ?? "")"
        )
        #expect(forwarded.values.isEmpty, "nothing went out")
        #expect(call(desk, ["name": "there--desk__get"], number: 2).heard.result != nil)
    }

    @Test
    func `a server's own setting holds for callers of other nodes too, and where no records are written`()
        async throws
    {
        local.put(
            "press", StillBackend.make("press"), concurrency: 4,
            demands: RecordDemands(everything: false, tools: [Glob("st*")]))
        let desk = try desk(disk: Self.full)
        let (own, _) = call(desk, ["name": "press__stamp"])
        try await eventually("refused") { own.failure != nil }
        #expect(own.failure?.rule == "audit_required")
        for recorder in [desk.recorder, nil] {
            let owner = OwnerDesk(
                local: local, label: { "here" }, isShared: { _, _ in true }, access: desk.access,
                recorder: recorder)
            let heard = Heard()
            _ = owner.serve(
                IncomingMeshCall(
                    server: "press",
                    request: CallRequest(
                        id: CallID(high: 1, low: 2), method: Method.toolsCall, params: ["name": "stamp"],
                        client: ClientFacts(), caller: Caller(issuer: "key", subject: "a"),
                        timeLeft: .seconds(5)),
                    principal: WirePrincipal(issuer: "key", subject: "a", entryNode: .there)), heard.sink)
            try await eventually("refused") { heard.failure != nil }
            #expect(heard.failure?.rule == "audit_required" && heard.failure?.node == "here")
        }
    }

    @Test func `a call that is cancelled while it waits for its record never goes out`() async throws {
        let gate = Flag()
        let desk = try desk(
            [Self.rule("kept", isRecordRequired: true)],
            disk: RecordDisk(write: { descriptor, bytes in
                while !gate.isRaised { usleep(1_000) }  // a disk that hangs
                return write(descriptor, bytes.baseAddress, bytes.count)
            }))
        let (heard, handle) = call(desk, ["name": "there--desk__echo"])
        handle.cancel()
        #expect(heard.failure?.reason == .cancelled)
        gate.raise()
        _ = await desk.records()
        #expect(forwarded.values.isEmpty)
    }

    private func eventually(_ what: String, _ isSo: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(10)
        while !isSo() {
            try #require(ContinuousClock.now < end, "not so in time: \(what)")
            try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
        }
    }

    @Test func `a client's own trace is kept, and goes on as it is`() async throws {
        let desk = try desk()
        let own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
        call(desk, ["name": "there--desk__echo"], traceparent: own)
        call(desk, ["name": "there--desk__echo"], traceparent: "00-nonsense", number: 2)
        let records = await desk.records()
        #expect(
            records.map(\.trace) == ["4bf92f3577b34da6a3ce929d0e0e4736", CallID(high: 7, low: 2).description])
        #expect(forwarded.values.first?.request.client.traceparent == own)
    }

    @Test(
        arguments: [
            (CallEvent.result(["content": [], "isError": true]), AuditRecord.Outcome.error, nil as String?),
            (.error(["code": -1, "message": "no"]), .error, nil),
            (.failure(CallFailure(.noPath, "gone")), .failed, "no_path"),
            (.failure(CallFailure(.outcomeUnknown, "who knows")), .unknown, "outcome_unknown"),
            (.failure(CallFailure(.denied, "not there")), .refused, "denied"),
        ] as [(CallEvent, AuditRecord.Outcome, String?)])
    func `how a call ended is told by its outcome`(
        answer: CallEvent, outcome: AuditRecord.Outcome, reason: String?
    ) async throws {
        let desk = try desk()
        call(desk, ["name": "there--desk__echo"], answer: answer)
        let record = try #require(await desk.records().first)
        #expect(record.outcome == outcome && record.reason == reason)
        #expect(record.isAllowed, "this node let it through")
    }

    @Test func `a result that waits for its caller says so`() async throws {
        let desk = try desk()
        call(
            desk, ["name": "there--desk__echo"],
            answer: .result(["resultType": "input_required", "requestState": "x"]))
        #expect(await desk.records().first?.answer == "input_required")
    }

    @Test func `a call that its caller gives up is on record once, whatever comes after`() async throws {
        let desk = try desk()
        let (_, handle) = call(desk, ["name": "there--desk__echo"], answer: nil)
        handle.cancel()
        handle.cancel()
        sinks.values.first?(.result(["content": []]))
        let records = await desk.records()
        #expect(records.map(\.outcome) == [.cancelled])
    }

    @Test func `what leads nowhere is refused here`() async throws {
        let desk = try desk()
        call(desk, ["name": "nothing__here"])
        let record = try #require(await desk.records().first)
        #expect(record.outcome == .refused && !record.isAllowed && record.reason == "unknown_entry")
        #expect(record.owner == nil && record.entry == "nothing__here")
    }

    @Test func `the rule that allows and the rule that denies are named`() async throws {
        let rules = [
            AccessRule("no-get", .deny, [.call], AccessScope(entries: [EntryPattern("get")])),
            AccessRule("rest", .allow, [.see, .call, .read]),
        ]
        let desk = try desk(rules)
        call(desk, ["name": "there--desk__echo"])
        call(desk, ["name": "there--desk__get"], number: 2)
        let records = await desk.records()
        #expect(records.map(\.rule) == ["rest", "no-get"])
        #expect(records.map(\.isAllowed) == [true, false])
        #expect(records.map(\.outcome) == [.ok, .refused])
        #expect(forwarded.values.count == 1)
        call(desk, ["name": "both", "arguments": [:]], at: .server("ops"), number: 3)
        let hidden = try #require(await desk.records().last)
        #expect(hidden.reason == "unknown_entry" && !hidden.isAllowed && hidden.outcome == .refused)
        #expect(forwarded.values.count == 1, "no step of it ran")
    }

    @Test func `a composite's steps are calls with the composite's as parent, in its trace`() async throws {
        let desk = try desk()
        call(
            desk, ["name": "both", "arguments": [:]], at: .server("ops"),
            answer: .result(["resultType": "complete", "content": [], "structuredContent": ["ok": true]]))
        let all = await desk.records()
        let whole = try #require(all.last)
        let records = all.dropLast()
        #expect(
            whole.entry == "both" && whole.server == nil && whole.owner?.label == "here"
                && whole.parent == nil)
        #expect(whole.virtualServer == "ops" && whole.path == ["here"])
        #expect(records.map(\.entry) == ["echo", "get"])
        #expect(
            records.allSatisfy {
                $0.parent == whole.call && $0.trace == whole.trace && $0.owner?.label == "there"
            })
        #expect(Set(records.map(\.call) + [whole.call]).count == 3)
    }

    @Test
    func `no value of an argument or a result lies in any form in the files, and the search would find it`()
        async throws
    {
        let desk = try desk()
        let canary = Self.canary
        let json = JSON.string(canary)
        call(
            desk, ["name": "there--desk__echo", "arguments": ["text": json]],
            answer: .result(["content": [["type": "text", "text": json]]]))
        call(
            desk, ["name": "there--desk__get", "arguments": ["text": json]], number: 2,
            answer: .error(["code": -1, "message": json]))
        call(
            desk, ["uri": .string("martlet://there--desk/file:///orders/\(canary)")],
            method: Method.resourcesRead,
            number: 3, answer: .failure(CallFailure(.backendProtocol, "said \(canary)")))
        call(
            desk,
            [
                "ref": [
                    "type": "ref/resource", "uri": .string("martlet://there--desk/file:///orders/\(canary)"),
                ], "argument": ["name": "row", "value": json],
            ], method: Method.completionComplete, number: 4)
        #expect(await desk.records().count == 4)
        let text = filesText
        #expect(Self.forms(of: canary, in: text).isEmpty)
        #expect(text.contains(#""entry":"file:…""#))
    }

    @Test func `the control: where values are allowed they are found`() async throws {
        let desk = try desk(values: ["desk/ec*", "there--desk/ec*"])
        let json = JSON.string(Self.canary)
        call(desk, ["name": "there--desk__echo", "arguments": ["text": json]])
        call(desk, ["name": "there--desk__get", "arguments": ["text": json]], number: 2)
        #expect(await desk.records().count == 2)
        let lines = filesText.split(separator: "\n")
        #expect(!Self.forms(of: Self.canary, in: String(lines[0])).isEmpty)
        #expect(Self.forms(of: Self.canary, in: String(lines[1])).isEmpty)
    }

    @Test(arguments: [0, 1, 2])
    func `the search finds a planted secret in every form`(shift: Int) {
        let text = String(repeating: "-", count: shift) + Self.canary
        let bytes = Data(text.utf8)
        let hex = bytes.map { String(format: "%02x", $0) }.joined()
        #expect(Self.forms(of: Self.canary, in: JSON.string(text).text) == ["JSON"])
        #expect(Self.forms(of: Self.canary, in: bytes.base64EncodedString()).contains("Base64"))
        #expect(Self.forms(of: Self.canary, in: hex) == ["hexadecimal"])
        let encoded = text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        #expect(Self.forms(of: Self.canary, in: encoded) == ["URL"])
        #expect(Self.forms(of: Self.canary, in: text) == ["raw"])
    }

    /// The forms in which a text has a secret.
    private static func forms(of secret: String, in text: String) -> Set<String> {
        var needles = [("raw", secret), ("JSON", String(JSON.string(secret).text.dropFirst().dropLast()))]
        needles.append(("hexadecimal", Data(secret.utf8).map { String(format: "%02x", $0) }.joined()))
        needles.append(("URL", secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? secret))
        for shift in 0..<3 {
            // Of its first and last group of three bytes what stands beside decides as well.
            let whole = Data([UInt8](repeating: 0, count: shift) + Array(secret.utf8)).base64EncodedString()
            needles.append(("Base64", String(whole.dropFirst(4).dropLast(4))))
        }
        return Set(needles.filter { text.contains($0.1) }.map(\.0))
    }

    // MARK: The owner

    @Test func `the owner's record is of the entry node's call, and names the rule that refused`()
        async throws
    {
        let desk = try desk()
        local.put("press", StillBackend.make("press"), concurrency: 1)
        local.put(
            Manifest(entries: try .tools("stamp"), instructions: nil, capabilities: [:], serverInfo: [:]),
            of: "press")
        let owner = OwnerDesk(
            local: local, label: { "here" }, isShared: { server, _ in server == "press" },
            access: desk.access,
            recorder: desk.recorder)
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        for (number, server, hash) in [
            (1, "press", try [Entry].tools("stamp").first?.hash), (2, "secret", nil),
            (3, "press", ContentHash(of: [1])),
        ] as [(UInt64, Label, ContentHash?)] {
            _ = owner.serve(
                IncomingMeshCall(
                    server: server,
                    request: CallRequest(
                        id: CallID(high: 5, low: number), method: Method.toolsCall,
                        params: ["name": "stamp", "arguments": ["a": 1]],
                        client: ClientFacts(traceparent: trace),
                        caller: Caller(issuer: "key", subject: "agent"), timeLeft: .seconds(5)),
                    entry: hash.map { CallHeader.SeenEntry(kind: .tool, hash: $0) },
                    principal: WirePrincipal(issuer: "key", subject: "agent", entryNode: .there)),
                Heard().sink)
        }
        let records = await desk.records()
        #expect(records.map(\.end) == [.owner, .owner, .owner])
        #expect(records.map(\.rule) == [nil, "server_not_shared", "definition_changed"])
        #expect(records.map(\.outcome) == [.failed, .refused, .refused])
        #expect(records.map(\.reason) == ["backend_unavailable", "unknown_entry", "not_confirmed"])
        #expect(
            records.allSatisfy {
                $0.entryNode.label == "there" && $0.owner?.label == "here" && $0.path.isEmpty
            })
        #expect(
            records.allSatisfy {
                $0.trace == "4bf92f3577b34da6a3ce929d0e0e4736" && $0.principal == "key:agent"
            })
    }
}
