import HTTPWire
import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

/// Broken streams of legacy clients.
@Suite(.timeLimit(.minutes(1)))
struct ResumptionTests {
    private static var limits: FrontLimits {
        var limits = FrontLimits()
        limits.streamAfter = .milliseconds(1)
        limits.reconnectAfter = .milliseconds(1_500)
        return limits
    }

    private func call(
        _ rig: FrontRig, _ session: String, _ revision: ProtocolRevision = .v2025_11_25, id: JSON = "c"
    ) throws -> EventReader {
        try rig.stream(
            "POST", "/mcp", headers: FrontRig.legacyHeaders(session, revision),
            body: FrontRig.legacyBody("tools/call", ["name": "x", "_meta": ["progressToken": "t"]], id: id))
    }

    private func headers(_ session: String, after id: String?) -> [(String, String)] {
        [("Accept", "text/event-stream"), ("Mcp-Session-Id", session)]
            + (id.map { [("Last-Event-ID", $0)] } ?? [])
    }

    private func resume(_ rig: FrontRig, _ session: String, after id: String) throws -> EventReader {
        try rig.stream("GET", "/mcp", headers: headers(session, after: id))
    }

    /// The next event that holds a message, and its id.
    private func message(_ reader: EventReader) async throws -> (json: JSON, id: String)? {
        while let event = await reader.nextEvent() {
            if !event.data.isEmpty { return (try JSON(validating: event.data), event.id ?? "") }
        }
        return nil
    }

    private func progress(_ value: Int) -> CallEvent {
        .notification(method: Method.progress, params: ["progress": .number(value)])
    }

    private static let done = CallEvent.result(["resultType": "complete", "content": []])

    @Test func `a call that takes its time gets a stream, and on it first a way to come back`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service, limits: Self.limits) { rig in
            let (_, session) = try await rig.initialize(.v2025_11_25)
            let reader = try call(rig, session)
            let first = try #require(await reader.nextEvent())
            #expect(first.data.isEmpty && first.retry == 1_500)
            let id = try #require(first.id.flatMap { EventID($0) })
            #expect(id.number == 0)
            probe.answer(Self.done)
            let answer = try #require(try await message(reader))
            #expect(answer.json["id"]?.string == "c" && EventID(answer.id)?.stream == id.stream)
            #expect(await reader.nextEvent() == nil)
        }
    }

    @Test(arguments: 0...4)
    func `a stream cut after any event goes on behind it`(cut: Int) async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service, limits: Self.limits) { rig in
            let (_, session) = try await rig.initialize(.v2025_11_25)
            let first = try call(rig, session)
            var last = try #require(await first.nextEvent()?.id)
            for value in 1...2 { probe.answer(progress(value)) }
            for value in 1...2 where value <= cut {
                let event = try #require(try await message(first))
                #expect(event.json["params"]?["progress"]?.int == value)
                last = event.id
            }
            first.close()
            // Another call meanwhile: its events belong to another stream.
            let other = try call(rig, session, id: "other")
            _ = await other.nextEvent()
            probe.answer(Self.done)
            #expect(try await message(other)?.json["id"]?.string == "other")
            probe.answer(progress(3), of: 0)
            if cut >= 4 { probe.answer(Self.done, of: 0) }
            let second = try resume(rig, session, after: last)
            for value in (min(cut, 2) + 1)...3 {
                #expect(try await message(second)?.json["params"]?["progress"]?.int == value)
            }
            if cut < 4 { probe.answer(Self.done, of: 0) }
            #expect(try await message(second)?.json["id"]?.string == "c")
            #expect(await second.nextEvent() == nil)
            #expect(probe.cancelled == 0)
        }
    }

    @Test func `an answer waits for its client, but not for ever`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service, limits: Self.limits) { rig in
            let (_, session) = try await rig.initialize(.v2025_11_25)
            let reader = try call(rig, session)
            let id = try #require(await reader.nextEvent()?.id)
            reader.close()
            await probe.wait(for: "call")
            probe.answer(Self.done)
            // As often as a client likes: what it has received only it knows.
            for _ in 1...2 {
                let again = try resume(rig, session, after: id)
                #expect(try await message(again)?.json["id"]?.string == "c")
                #expect(await again.nextEvent() == nil)
            }
            rig.front.tick(at: .now + .seconds(6 * 60))
            let late = try await rig.send("GET", "/mcp", headers: headers(session, after: id))
            #expect(late.status == 400 && late.json["error"]?.string?.contains("not kept") == true)
        }
    }

    @Test(arguments: ["7-0", "1-99", "nonsense"])
    func `an id that was never given resumes nothing`(id: String) async throws {
        try await FrontRig.with(limits: Self.limits) { rig in
            let (_, session) = try await rig.initialize(.v2025_11_25)
            #expect(try await rig.send("GET", "/mcp", headers: headers(session, after: id)).status == 400)
        }
    }

    @Test func `another session's stream is out of reach`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service, limits: Self.limits) { rig in
            let (_, session) = try await rig.initialize(.v2025_11_25)
            let (_, other) = try await rig.initialize(.v2025_11_25)
            let reader = try call(rig, session)
            let id = try #require(await reader.nextEvent()?.id)
            #expect(try await rig.send("GET", "/mcp", headers: headers(other, after: id)).status == 400)
            reader.close()
        }
    }

    @Test(arguments: [ProtocolRevision.v2025_03_26, .v2025_06_18])
    func `older clients get ids, and no event without a message`(revision: ProtocolRevision) async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service, limits: Self.limits) { rig in
            let (_, session) = try await rig.initialize(revision)
            let reader = try call(rig, session, revision)
            await probe.wait(for: "call")
            probe.answer(progress(1))
            let first = try #require(await reader.nextEvent())
            #expect(!first.data.isEmpty && first.retry == nil)
            reader.close()
            probe.answer(Self.done)
            let second = try resume(rig, session, after: try #require(first.id))
            #expect(try await message(second)?.json["id"]?.string == "c")
        }
    }

    @Test func `the session's own stream goes on where it broke`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service, limits: Self.limits) { rig in
            let (_, session) = try await rig.initialize(.v2025_11_25)
            let first = try rig.stream("GET", "/mcp", headers: headers(session, after: nil))
            let primed = try #require(await first.nextEvent()?.id)
            await probe.wait(for: "watch")
            probe.change(.tools)
            #expect(try await message(first)?.json["method"]?.string == ListChange.tools.method)
            first.close()
            // It may have been lost on the way, for all that we know.
            let second = try resume(rig, session, after: primed)
            #expect(try await message(second)?.json["method"]?.string == ListChange.tools.method)
            probe.change(.prompts)
            let news = try #require(try await message(second))
            #expect(news.json["method"]?.string == ListChange.prompts.method)
            // A stream that is opened anew owes nothing of the old one.
            let third = try rig.stream("GET", "/mcp", headers: headers(session, after: nil))
            #expect(await third.nextEvent()?.id == news.id)
            probe.change(.resources)
            #expect(try await message(third)?.json["method"]?.string == ListChange.resources.method)
        }
    }

    @Test func `a fast answer stays plain JSON`() async throws {
        try await FrontRig.with { rig in
            let (_, session) = try await rig.initialize(.v2025_11_25)
            let answer = try await rig.legacy(
                "tools/call", ["name": "echo", "arguments": ["text": "hi"]], session: session)
            #expect(answer.headers.first("content-type") == "application/json")
            #expect(answer.json["result"]?["content"]?[0]?["text"]?.string == "hi")
        }
    }
}
