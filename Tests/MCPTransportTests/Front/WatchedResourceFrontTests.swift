import Foundation
import JSONSlice
import MCPModel
import MartletTestKit
import Synchronization
import Testing

@testable import MCPTransport

/// Clients of both eras that watch single resources, at each front.
@Suite(.timeLimit(.minutes(1)))
struct WatchedResourceFrontTests {
    /// One client on a pipe: what it said and what it was told, as text.
    private final class Pipe: Sendable {
        private let told = Mutex<[String]>([])
        private let conversation: StdioConversation

        init(_ service: MCPService, limits: FrontLimits = .standard) {
            conversation = StdioConversation(service, .all, .anonymous, limits)
            conversation.attach { [self] message in told.withLock { $0.append(message.onOneLine.text) } }
        }

        func say(_ line: String) { conversation.take(.line(Array(line.utf8))) }
        func ask(_ method: String, _ params: JSON, id: JSON = 1) -> JSON? {
            let request: JSON = ["jsonrpc": "2.0", "id": id, "method": .string(method), "params": params]
            say(request.text)
            return lines.last.flatMap { try? JSON(validating: $0) }
        }
        func initialize(_ revision: ProtocolRevision) {
            _ = ask("initialize", ["protocolVersion": .string(revision.rawValue), "capabilities": [:]])
        }
        var lines: [String] { told.withLock { $0 } }
        func forget() { told.withLock { $0 = [] } }
        func close() { conversation.close() }
    }

    private static let log = "disk://nas1/log"

    private static func golden(_ name: String, _ revision: ProtocolRevision) throws -> [String] {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Fixtures/mcp/\(revision.rawValue)/\(name).jsonl")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    // MARK: Golden exchanges

    @Test func `a listen honours what is known, tells of it, and ends, as written`() throws {
        let probe = WatchProbe(refusing: ["disk://nas2/log"])
        let golden = try Self.golden("subscriptions-listen", .v2026_07_28)
        let client = Pipe(probe.service)
        client.say(golden[0])
        probe.update(Self.log, try JSON(validating: #"{"x-own":1.0e3}"#))
        client.say(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"l-1"}}"#)
        #expect(client.lines == Array(golden.dropFirst()))
        #expect(probe.watched.isEmpty && probe.ended == [Self.log])
    }

    @Test(arguments: ProtocolRevision.legacy)
    func `a session subscribes, is told, and unsubscribes, as written`(revision: ProtocolRevision) throws {
        let probe = WatchProbe()
        let golden = try Self.golden("resources-subscribe", revision)
        let client = Pipe(probe.service)
        client.initialize(revision)
        client.forget()
        client.say(golden[0])
        probe.update(Self.log, try JSON(validating: #"{"x-own":1.0e3}"#))
        client.say(golden[3])
        probe.update(Self.log)
        #expect(client.lines == [golden[1], golden[2], golden[4]])
        #expect(probe.watched.isEmpty)
    }

    // MARK: Modern

    @Test func `the acknowledgement waits for the word on each resource, and updates wait for it`() throws {
        let probe = WatchProbe(isSlow: true)
        let client = Pipe(probe.service)
        client.say(try Self.golden("subscriptions-listen", .v2026_07_28)[0])
        #expect(client.lines.isEmpty)
        probe.update(Self.log)
        probe.update(Self.log)
        probe.settle()
        let told = try client.lines.map { try JSON(validating: $0) }
        #expect(
            told.map { $0["method"]?.string } == [Method.subscriptionsAcknowledged, Method.resourcesUpdated])
        #expect(told[0].pointer("/params/notifications/resourceSubscriptions")?.elements.count == 2)
    }

    @Test func `a listen watches so many resources and no more, each once`() throws {
        var limits = FrontLimits()
        limits.subscriptionsMax = 2
        let probe = WatchProbe()
        let client = Pipe(probe.service, limits: limits)
        let request = FrontRig.modernBody(
            "subscriptions/listen",
            ["notifications": ["resourceSubscriptions": ["a:1", "a:1", "b:2", "c:3"]]], id: "x")
        client.say(String(decoding: request, as: UTF8.self))
        let told = try JSON(validating: try #require(client.lines.first))
        #expect(told.pointer("/params/notifications/resourceSubscriptions") == ["a:1", "b:2"])
        #expect(probe.watched == ["a:1", "b:2"])
        client.close()
        #expect(probe.watched.isEmpty)
    }

    @Test func `what an endpoint does not declare is not honoured`() throws {
        let probe = WatchProbe(offers: false)
        let client = Pipe(probe.service)
        client.say(try Self.golden("subscriptions-listen", .v2026_07_28)[0])
        let told = try JSON(validating: try #require(client.lines.first))
        #expect(told.pointer("/params/notifications") == ["toolsListChanged": true])
        #expect(probe.watched.isEmpty)
    }

    // MARK: Legacy

    @Test func `a session is refused in the words of its era`() {
        let silent = Pipe(WatchProbe(offers: false).service)
        silent.initialize(.v2025_06_18)
        for method in [Method.resourcesSubscribe, Method.resourcesUnsubscribe] {
            #expect(silent.ask(method, ["uri": "a:1"])?["error"]?["code"]?.int == -32601)
        }
        let client = Pipe(WatchProbe(refusing: ["a:1"]).service)
        client.initialize(.v2025_06_18)
        let unknown = client.ask(Method.resourcesSubscribe, ["uri": "a:1"])
        #expect(unknown?["error"]?["code"]?.int == -32002)
        #expect(unknown?.pointer("/error/data/uri")?.string == "a:1")
        #expect(client.ask(Method.resourcesSubscribe, [:])?["error"]?["code"]?.int == -32602)
        #expect(client.ask(Method.resourcesUnsubscribe, ["uri": "never:1"])?["result"] == .emptyObject)
    }

    @Test func `a session watches so many resources and no more, and they end with it`() {
        var limits = FrontLimits()
        limits.subscriptionsMax = 2
        let probe = WatchProbe()
        let client = Pipe(probe.service, limits: limits)
        client.initialize(.v2025_06_18)
        for uri in ["a:1", "b:2", "a:1"] {
            #expect(client.ask(Method.resourcesSubscribe, ["uri": .string(uri)])?["result"] == .emptyObject)
        }
        let third = client.ask(Method.resourcesSubscribe, ["uri": "c:3"])
        #expect(third?.pointer("/error/data/reason")?.string == "limited")
        #expect(probe.watched == ["a:1", "b:2"])
        client.close()
        #expect(probe.watched.isEmpty)
    }

    @Test func `over HTTP an update goes to the session's own stream, one alone, and waits where none is`()
        async throws
    {
        let probe = WatchProbe()
        try await FrontRig.with(probe.service) { rig in
            let (welcome, session) = try await rig.initialize(.v2025_06_18)
            #expect(welcome.json.pointer("/result/capabilities/resources/subscribe")?.bool == true)
            let done = try await rig.legacy(
                Method.resourcesSubscribe, ["uri": "a:1"], session: session, revision: .v2025_06_18)
            #expect(done.json["result"] == .emptyObject)
            for _ in 0..<3 { probe.update("a:1", ["early": true]) }

            let headers = FrontRig.legacyHeaders(session, .v2025_06_18)
            let first = try rig.stream("GET", "/mcp", headers: headers)
            #expect(try await first.next()?.pointer("/params/early")?.bool == true)
            let second = try rig.stream("GET", "/mcp", headers: headers)
            #expect(try await first.next() == nil, "another took its place")
            probe.update("a:1", ["late": true])
            #expect(try await second.next()?.pointer("/params/late")?.bool == true)

            _ = try await rig.send("DELETE", "/mcp", headers: headers)
            #expect(probe.watched.isEmpty)
            #expect(try await second.next() == nil)
        }
    }

    @Test func `over HTTP+SSE updates come on the one stream`() async throws {
        let probe = WatchProbe()
        try await FrontRig.with(probe.service) { rig in
            let stream = try rig.stream("GET", "/servers/x/sse", headers: [("Accept", "text/event-stream")])
            let path = try #require(await stream.nextEvent()?.text)
            let say = { (method: String, params: JSON) in
                _ = try await rig.send(
                    "POST", path, headers: FrontRig.legacyHeaders(nil),
                    body: FrontRig.legacyBody(method, params, id: 1))
            }
            try await say("initialize", ["protocolVersion": "2024-11-05", "capabilities": [:]])
            _ = try await stream.next()
            try await say(Method.resourcesSubscribe, ["uri": "a:1"])
            #expect(try await stream.next()?["result"] == .emptyObject)
            probe.update("a:1")
            #expect(try await stream.next()?["method"]?.string == Method.resourcesUpdated)
            stream.close()
        }
    }
}
