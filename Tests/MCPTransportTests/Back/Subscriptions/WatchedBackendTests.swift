import JSONSlice
import MCPModel
import MartletTestKit
import Synchronization
import Testing

@testable import MCPTransport

/// Backends of both eras whose resources are watched, and what legacy ones are told of log levels and traces.
@Suite(.timeLimit(.minutes(1)))
struct WatchedBackendTests {
    /// One subscription, and what it was told: `acknowledged`, `updated URI`, `end …`.
    private final class Watch: Sendable {
        private let told: AsyncStream<String>
        private let handle: CallHandle

        init(_ backend: Backend, _ uri: String, for time: Duration = .seconds(60)) {
            let (told, tell) = AsyncStream.makeStream(of: String.self)
            self.told = told
            handle = backend.call(
                BackendRig.request(
                    Method.subscriptionsListen, ResourceSubscription.params(uri: uri), timeLeft: time)
            ) { event in
                switch event {
                case .notification(Method.subscriptionsAcknowledged, let params):
                    tell.yield("acknowledged \(ResourceSubscription.uris(in: params))")
                case .notification(_, let params): tell.yield("updated \(params["uri"]?.string ?? "")")
                case .result: tell.yield("end")
                case .error(let error): tell.yield("error \(error["code"]?.int ?? 0)")
                case .failure(let failure): tell.yield("failure \(failure.reason.rawValue)")
                }
            }
        }

        func next() async -> String? { for await word in told { return word }; return nil }
        func end() { handle.cancel() }
    }

    // MARK: Legacy

    /// A child on Python's standard library that tells on its standard error what it is asked.
    private static let script = #"""
        import json, os, sys
        held, level = set(), None
        def say(message):
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n"); sys.stdout.flush()
        def tell(text):
            sys.stderr.write(text + "\n"); sys.stderr.flush()
        tell("started")
        for line in sys.stdin:
            m = json.loads(line)
            method, i, params = m.get("method"), m.get("id"), m.get("params") or {}
            if method == "initialize":
                say({"id": i, "result": {"protocolVersion": "2025-06-18", "serverInfo": {"name": "w", "version": "1"},
                    "capabilities": {"tools": {}, "resources": {"subscribe": True}, "logging": {}}}})
            elif method in ("tools/list", "resources/list", "resources/templates/list"):
                say({"id": i, "result": {{"tools/list": "tools", "resources/list": "resources"}.get(method, "resourceTemplates"): []}})
            elif method == "resources/subscribe":
                tell("subscribe " + params["uri"])
                if params["uri"] == "bad:1": say({"id": i, "error": {"code": -32002, "message": "no"}})
                else: held.add(params["uri"]); say({"id": i, "result": {}})
            elif method == "resources/unsubscribe":
                tell("unsubscribe " + params["uri"]); held.discard(params["uri"]); say({"id": i, "result": {}})
            elif method == "logging/setLevel":
                level = params["level"]; tell("level " + level); say({"id": i, "result": {}})
            elif method == "tools/call":
                name = params["name"]
                if name == "crash": os._exit(3)
                if name == "edit" and params["arguments"]["uri"] in held:
                    say({"method": "notifications/resources/updated", "params": {"uri": params["arguments"]["uri"]}})
                if name == "log":
                    for l in ("debug", "warning", "error"):
                        say({"method": "notifications/message", "params": {"level": l, "data": level}})
                say({"id": i, "result": {"content": [{"type": "text", "text": json.dumps(params.get("_meta"))}]}})
            elif i is not None:
                say({"id": i, "error": {"code": -32601, "message": "no " + method}})
        """#

    private static let stdio = BackendTarget.stdio(
        command: "python3", args: ["-c", script], env: [], directory: nil)

    /// Waits until the child has told that so often: its standard error is another pipe than its answers'.
    private static func hear(_ text: String, times: Int, from rig: BackendRig) async throws {
        while rig.backend.recentLines.filter({ $0 == text }).count < times {
            try await Task.sleep(for: .milliseconds(2))  // a condition; the suite has a deadline
        }
        #expect(rig.backend.recentLines.filter { $0 == text }.count == times)
    }

    @Test func `a legacy server is asked once for all who watch, and anew after a crash`() async throws {
        try await BackendRig.with(Self.stdio) { rig in
            _ = try await rig.listing()
            let (first, second) = (Watch(rig.backend, "a:1"), Watch(rig.backend, "a:1"))
            #expect(await first.next() == "acknowledged [\"a:1\"]")
            #expect(await second.next() == "acknowledged [\"a:1\"]")
            _ = await rig.tool("edit", ["uri": "a:1"])
            #expect(await first.next() == "updated a:1")
            #expect(await second.next() == "updated a:1")
            try await Self.hear("subscribe a:1", times: 1, from: rig)

            _ = await rig.tool("crash")
            #expect(await first.next() == "updated a:1", "something may have been missed")
            #expect(await second.next() == "updated a:1")
            try await Self.hear("subscribe a:1", times: 2, from: rig)
            _ = await rig.tool("edit", ["uri": "a:1"])
            #expect(await first.next() == "updated a:1")

            first.end()
            second.end()
            _ = try await rig.line(containing: "unsubscribe a:1")
        }
    }

    @Test func `a refusal is the server's, in modern terms, and a lease ends by itself`() async throws {
        try await BackendRig.with(Self.stdio) { rig in
            _ = try await rig.listing()
            #expect(await Watch(rig.backend, "bad:1").next() == "error -32602")
            let short = Watch(rig.backend, "a:1", for: .milliseconds(50))
            var last = await short.next()
            while last != nil, last != "end" { last = await short.next() }
            #expect(last == "end")
            _ = try await rig.line(containing: "unsubscribe a:1")
        }
    }

    @Test func `a server that is away keeps who comes, and is asked when it is there`() async throws {
        try await BackendRig.with(Self.stdio) { rig in
            let early = Watch(rig.backend, "a:1")
            #expect(await early.next() == "acknowledged [\"a:1\"]")
            #expect(await early.next() == "updated a:1")
            try await Self.hear("subscribe a:1", times: 1, from: rig)
        }
    }

    // MARK: Modern

    @Test func `a modern server is listened to with the whole set`() async throws {
        let probe = WatchProbe(refusing: ["bad:1"])
        try await FrontRig.with(probe.service) { server in
            try await BackendRig.with(.http(url: server.url("/mcp"), headers: [])) { rig in
                _ = try await rig.listing()
                let first = Watch(rig.backend, "a:1")
                #expect(await first.next() == "acknowledged [\"a:1\"]")
                let second = Watch(rig.backend, "b:2")
                #expect(await second.next() == "acknowledged [\"b:2\"]")
                #expect(await Watch(rig.backend, "bad:1").next() == "error -32602")
                probe.update("a:1")
                #expect(await first.next() == "updated a:1")
                probe.update("b:2")
                #expect(await second.next() == "updated b:2")
                first.end()
                second.end()
                while !probe.watched.isEmpty {
                    try await Task.sleep(for: .milliseconds(2))  // a condition; the suite has a deadline
                }
            }
        }
    }

    @Test func `a server that does not declare subscriptions is not asked`() async throws {
        let probe = WatchProbe(offers: false)
        try await FrontRig.with(probe.service) { server in
            try await BackendRig.with(.http(url: server.url("/mcp"), headers: [])) { rig in
                _ = try await rig.listing()
                #expect(await Watch(rig.backend, "a:1").next() == "error -32601")
                #expect(probe.watched.isEmpty && probe.ended.isEmpty)
            }
        }
    }

    // MARK: Log levels and traces

    @Test func `a session becomes as talkative as a call wants, and each call gets what it wanted`()
        async throws
    {
        try await BackendRig.with(Self.stdio) { rig in
            _ = try await rig.listing()
            #expect(await rig.tool("log").notifications.isEmpty)
            #expect(!rig.backend.recentLines.contains { $0.hasPrefix("level") })
            let levels = { (outcome: BackendRig.Outcome) in
                outcome.notifications.compactMap { $0.pointer("/params/level")?.string }
            }
            let warning = await rig.tool("log", client: ClientFacts(logLevel: "warning"))
            #expect(levels(warning) == ["warning", "error"])
            #expect(
                warning.notifications[0].pointer("/params/data")?.string == "warning", "set before the call")
            #expect(levels(await rig.tool("log", client: ClientFacts(logLevel: "error"))) == ["error"])
            let debug = await rig.tool("log", client: ClientFacts(logLevel: "debug"))
            #expect(levels(debug) == ["debug", "warning", "error"])
            try await Self.hear("level debug", times: 1, from: rig)
            #expect(
                rig.backend.recentLines.filter { $0.hasPrefix("level") } == ["level warning", "level debug"])
            _ = await rig.tool("crash")
            _ = try await rig.listing()
            #expect(levels(await rig.tool("log", client: ClientFacts(logLevel: "error"))) == ["error"])
            try await Self.hear("level error", times: 1, from: rig)
        }
    }

    @Test func `trace context reaches a legacy server whole`() async throws {
        try await BackendRig.with(Self.stdio) { rig in
            _ = try await rig.listing()
            let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            let params: JSON = [
                "name": "echo", "_meta": ["tracestate": "v=1", "baggage": "k=v", "org.example/own": 1],
            ]
            let outcome = await rig.call(Method.toolsCall, params, client: ClientFacts(traceparent: trace))
            let meta = try JSON(validating: try #require(outcome.text))
            #expect(meta["traceparent"]?.string == trace)
            #expect(meta["tracestate"]?.string == "v=1" && meta["baggage"]?.string == "k=v")
            #expect(meta["org.example/own"]?.int == 1)
        }
    }
}
