import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

@Suite(.timeLimit(.minutes(1)))
struct HTTPBackendTests {
    /// Servers of either era, and one of both.
    enum Speaks: CaseIterable {
        case modern
        case legacy

        func admits(_ exchange: HTTPExchange) -> Bool {
            let version = exchange.headers.first("mcp-protocol-version")
            let isModern = version == "2026-07-28"
            return self == .modern ? isModern : !isModern
        }
    }

    private func with(
        _ speaks: Speaks, _ service: MCPService = FrontRig.sample,
        limits: BackendLimits = BackendRig.limits, headers: [(String, SecretText)] = [],
        secrets: [String: String] = [:], _ body: (FrontRig, BackendRig) async throws -> Void
    ) async throws {
        try await FrontRig.with(service, admits: { speaks.admits($0) }) { front in
            try await BackendRig.with(
                .http(url: front.url("/mcp"), headers: headers), limits: limits, secrets: secrets
            ) { rig in
                try await body(front, rig)
            }
        }
    }

    @Test(arguments: [(Speaks.modern, Era.modern, "2026-07-28"), (.legacy, .legacy, "2025-11-25")])
    func `the era is found and everything listed`(
        speaks: Speaks, era: Era, revision: String
    ) async throws {
        try await with(speaks) { _, rig in
            let listing = try await rig.listing()
            #expect(listing.era == era && listing.revision.rawValue == revision)
            #expect(listing.serverInfo["name"]?.string == "martlet-sample")
            #expect(listing.instructions?.isEmpty == false)
            #expect(listing.entries.map(\.list).filter { $0 == .tools }.count == 5)
            #expect(listing.entries.contains { $0.definition["uri"]?.string == "sample://about" })
            #expect(listing.entries.contains { $0.definition["name"]?.string == "greet" })
        }
    }

    @Test func `nothing is asked before the server has taken the word that it is initialized`() async throws {
        let heard = Mutex<[String]>([])
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: FrontRig.loops
        ) { exchange in
            let message = (try? JSON(validating: exchange.body)) ?? .null
            let method = message["method"]?.string ?? exchange.method
            let id = message["id"] ?? .null
            let answer = { (result: JSON) in
                heard.withLock { $0.append(method) }
                exchange.respond(
                    status: 200, headers: [("Content-Type", "application/json")],
                    body: Array((["jsonrpc": "2.0", "id": id, "result": result] as JSON).bytes))
            }
            switch method {
            case "initialize":
                answer(["protocolVersion": "2025-06-18", "capabilities": ["tools": [:]], "serverInfo": [:]])
            case "notifications/initialized":
                // On another connection than what comes next, and slow: it must not be overtaken.
                exchange.eventLoop.scheduleTask(in: .milliseconds(80)) {
                    heard.withLock { $0.append(method) }
                    exchange.respond(status: 202)
                }
            case "tools/list": answer(["tools": []])
            default: exchange.respond(status: method == "server/discover" ? 400 : 405)
            }
        }
        try await BackendRig.with(.http(url: "http://127.0.0.1:\(listener.address.port)/mcp", headers: [])) {
            rig in
            _ = try await rig.listing()
        }
        await listener.close()
        #expect(heard.withLock { $0 } == ["initialize", "notifications/initialized", "tools/list"])
    }

    @Test(arguments: Speaks.allCases)
    func `answers come in modern shape`(speaks: Speaks) async throws {
        try await with(speaks) { _, rig in
            _ = try await rig.listing()
            let echo = await rig.tool("echo", ["text": "hé\n"])
            #expect(echo.text == "hé\n")
            #expect(echo.result?["resultType"]?.string == "complete")
            let about = await rig.call("resources/read", ["uri": "sample://about"])
            #expect(about.result?["ttlMs"] != nil)
            let missing = await rig.call("resources/read", ["uri": "sample://x"])
            #expect(missing.error?["code"]?.int == -32602)
            #expect(missing.error?["data"]?["uri"]?.string == "sample://x")
        }
    }

    @Test(arguments: Speaks.allCases)
    func `progress is passed on, without tokens`(speaks: Speaks) async throws {
        try await with(speaks) { _, rig in
            _ = try await rig.listing()
            let arguments: JSON = ["steps": 3, "delayMs": 1]
            let told = await rig.tool("countdown", arguments, client: ClientFacts(wantsProgress: true))
            #expect(told.notifications.compactMap { $0["params"]?["progress"]?.int } == [1, 2])
            #expect(told.notifications.allSatisfy { $0["params"]?["progressToken"] == nil })
            let untold = await rig.tool("countdown", arguments)
            #expect(untold.notifications.isEmpty && untold.text == "Counted down from 3.")
        }
    }

    @Test(arguments: Speaks.allCases)
    func `a cancelled call is cancelled at the backend`(speaks: Speaks) async throws {
        let probe = ServiceProbe()
        try await with(speaks, probe.service) { _, rig in
            _ = try await rig.listing()
            let ended = AsyncStream.makeStream(of: CallFailure?.self)
            let handle = rig.backend.call(BackendRig.request("tools/call", ["name": "x"])) { event in
                if case .failure(let failure) = event { ended.continuation.yield(failure) }
            }
            await probe.wait(for: "call")
            handle.cancel()
            await probe.wait(for: "cancel")
            var failures = ended.stream.makeAsyncIterator()
            #expect(await failures.next()??.reason == .cancelled)
        }
    }

    @Test(arguments: Speaks.allCases)
    func `a call ends in time, and the backend is told`(speaks: Speaks) async throws {
        let probe = ServiceProbe()
        try await with(speaks, probe.service) { _, rig in
            _ = try await rig.listing()
            // On a busy machine a call's time may pass before the backend has it: then there is nothing to tell, and the next has longer.
            for milliseconds in [300, 3_000, 15_000] where probe.lastCall == nil {
                let time = Duration.milliseconds(milliseconds)
                let outcome = await rig.call("tools/call", ["name": "x"], timeLeft: time)
                #expect(outcome.failure?.reason == .deadlineExceeded)
            }
            await probe.wait(for: "cancel")
        }
    }

    @Test func `a modern backend's questions pass through`() async throws {
        try await with(.modern) { _, rig in
            _ = try await rig.listing()
            let facts = ClientFacts(capabilities: ["elicitation": ["form": [:]]])
            let outcome = await rig.tool("confirm", ["question": "Sure?"], client: facts)
            #expect(outcome.result?["resultType"]?.string == "input_required")
            let retry: JSON = [
                "name": "confirm", "arguments": ["question": "Sure?"],
                "inputResponses": ["confirm": ["action": "accept", "content": ["ok": true]]],
            ]
            #expect(await rig.call("tools/call", retry, client: facts).text == "The user confirmed.")
        }
    }

    @Test(arguments: Speaks.allCases)
    func `a change of a list has it read again`(speaks: Speaks) async throws {
        let probe = ServiceProbe()
        let tools = Mutex<[JSON]>([])
        var service = probe.service
        service.list = { _, _, kind, _ in
            .success(ListPage(items: kind == .tools ? tools.withLock { $0 } : []))
        }
        try await with(speaks, service) { _, rig in
            let before = try await rig.listing()
            #expect(before.entries.isEmpty)
            await probe.wait(for: "watch")
            tools.withLock { $0 = [["name": "new", "inputSchema": ["type": "object"]]] }
            probe.change(.tools)
            let after = try await rig.listing()
            #expect(after.entries.map { $0.definition["name"]?.string } == ["new"])
        }
    }

    @Test func `what a modern server comes to offer later is listed, and its changes are heard from then on`()
        async throws
    {
        let probe = ServiceProbe()
        let tools = Mutex<[JSON]>([])
        let capabilities = Mutex<JSON>(.emptyObject)
        var service = probe.service
        service.describe = { _, _ in
            EndpointDescription(
                serverInfo: ["name": "late", "version": "1"], capabilities: capabilities.withLock { $0 })
        }
        service.list = { _, _, kind, _ in
            .success(ListPage(items: kind == .tools ? tools.withLock { $0 } : []))
        }
        let tool = { (name: String) -> JSON in
            ["name": .string(name), "inputSchema": ["type": "object"]]
        }
        // Nobody tells of what nobody could listen to: the probes find it.
        var limits = BackendRig.limits
        limits.probePauses = .milliseconds(20) ... .milliseconds(20)
        try await with(.modern, service, limits: limits) { _, rig in
            let before = try await rig.listing()
            #expect(before.entries.isEmpty && before.capabilities == .emptyObject)
            tools.withLock { $0 = [tool("first")] }
            capabilities.withLock { $0 = ["tools": ["listChanged": true]] }
            let found = try await rig.listing()
            #expect(found.entries.map { $0.definition["name"]?.string } == ["first"])
            await probe.wait(for: "watch")
            tools.withLock { $0.append(tool("second")) }
            probe.change(.tools)
            #expect(try await rig.listing().entries.count == 2)
        }
    }

    @Test func `a lost session is opened anew and the call sent again, once`() async throws {
        try await with(.legacy) { front, rig in
            _ = try await rig.listing()
            front.front.close()
            #expect(await rig.tool("echo", ["text": "again"]).text == "again")
        }
    }

    @Test func `a backend of 2024-11-05 is found behind its stream`() async throws {
        try await FrontRig.with(admits: { $0.method == "GET" || $0.path.hasSuffix("/messages") }) { front in
            let target = BackendTarget.http(url: front.url("/servers/any/sse"), headers: [])
            try await BackendRig.with(target) { rig in
                let listing = try await rig.listing()
                #expect(listing.entries.filter { $0.list == .tools }.count == 5)
                #expect(await rig.tool("echo", ["text": "old"]).text == "old")
                let told = await rig.tool(
                    "countdown", ["steps": 3, "delayMs": 1], client: ClientFacts(wantsProgress: true))
                #expect(told.notifications.count == 2)
                front.front.close()
                let reason = try await rig.reason(.down)
                #expect(reason.contains("stream ended"))
                _ = try await rig.listing()
                #expect(await rig.tool("echo", ["text": "new"]).text == "new")
            }
        }
    }

    @Test(arguments: Speaks.allCases)
    func `a backend that does not tell of changes is asked`(speaks: Speaks) async throws {
        let tools = Mutex<[JSON]>([])
        var service = ServiceProbe().service
        service.describe = { _, _ in
            EndpointDescription(serverInfo: ["name": "quiet", "version": "1"], capabilities: ["tools": [:]])
        }
        service.list = { _, _, _, _ in .success(ListPage(items: tools.withLock { $0 }, ttl: .zero)) }
        var limits = BackendRig.limits
        (limits.pollInterval, limits.pollMin) = (.milliseconds(10), .milliseconds(10))
        try await with(speaks, service, limits: limits) { _, rig in
            let before = try await rig.listing()
            #expect(before.entries.isEmpty)
            tools.withLock { $0 = [["name": "new", "inputSchema": ["type": "object"]]] }
            let after = try await rig.listing()
            #expect(after.entries.count == 1)
        }
    }

    @Test func `a tool whose header annotation breaks a rule is left out, and its headers are sent`()
        async throws
    {
        var service = FrontRig.sample
        let seen = Mutex<[String]>([])
        let property = { @Sendable (type: String) -> JSON in ["type": .string(type), "x-mcp-header": "Host"] }
        let tool = { @Sendable (name: String, type: String) -> JSON in
            [
                "name": .string(name),
                "inputSchema": ["type": "object", "properties": ["host": property(type)]],
            ]
        }
        service.list = { _, _, kind, _ in
            .success(ListPage(items: kind == .tools ? [tool("good", "string"), tool("bad", "number")] : []))
        }
        service.definition = { _, _, _, name in tool(name, "string") }
        service.call = { call, sink in
            sink(.result(["resultType": "complete", "content": []]))
            return .finished
        }
        service.door = FrontDoor { exchange in
            seen.withLock { $0 += exchange.headers.all("mcp-param-host") }
            return .allowed(.anonymous)
        }
        try await with(.modern, service) { _, rig in
            let listing = try await rig.listing()
            #expect(listing.entries.map { $0.definition["name"]?.string } == ["good"])
            #expect(listing.remarks.first?.contains("bad") == true)
            #expect(await rig.tool("good", ["host": "nas"]).result != nil)
            let refused = await rig.tool("bad", ["host": 1])
            #expect(
                refused.failure?.reason == .backendProtocol && refused.failure?.detail.contains("bad") == true
            )
        }
        #expect(seen.withLock { $0 } == ["nas"])
    }

    @Test func `headers refused as stale are mended by listing again, and the call is sent once more`()
        async throws
    {
        let annotation = Mutex<JSON>(["type": "string"])
        var service = FrontRig.sample
        let tool = { @Sendable () -> JSON in
            [
                "name": "where",
                "inputSchema": ["type": "object", "properties": ["host": annotation.withLock { $0 }]],
            ]
        }
        let calls = Mutex(0)
        service.list = { _, _, kind, _ in .success(ListPage(items: kind == .tools ? [tool()] : [])) }
        service.definition = { _, _, _, _ in tool() }
        service.call = { _, sink in
            calls.withLock { $0 += 1 }
            sink(.result(["resultType": "complete", "content": [["type": "text", "text": "done"]]]))
            return .finished
        }
        try await with(.modern, service) { _, rig in
            _ = try await rig.listing()
            annotation.withLock { $0 = ["type": "string", "x-mcp-header": "Host"] }
            #expect(await rig.tool("where", ["host": "nas"]).text == "done")
        }
        #expect(calls.withLock { $0 } == 1)
    }

    @Test(arguments: [-32020, -32022])
    func `what lies between the gateway and a backend is not told to the client`(code: Int) async throws {
        let probe = ServiceProbe()
        try await with(.modern, probe.service) { _, rig in
            _ = try await rig.listing()
            async let outcome = rig.tool("x")
            for _ in 0..<(code == -32020 ? 2 : 1) {
                await probe.wait(for: "call")
                probe.answer(.error(["code": .number(code), "message": "no"]))
            }
            let told = await outcome
            #expect(told.failure?.reason == .backendProtocol && told.error == nil)
        }
    }

    @Test func `a revision that is refused with a better one is asked for again at once`() async throws {
        let refusals = Mutex(1)
        try await FrontRig.with(admits: { exchange in
            guard
                refusals.withLock({ left in
                    defer { left -= 1 }
                    return left > 0
                })
            else { return true }
            let refusal: JSON = [
                "jsonrpc": "2.0", "id": 1,
                "error": [
                    "code": -32022, "message": "not this one",
                    "data": ["supported": ["2026-07-28"], "requested": "2026-07-28"],
                ],
            ]
            exchange.respond(
                status: 400, headers: [("Content-Type", "application/json")], body: Array(refusal.bytes))
            return false
        }) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: [])) { rig in
                var states: [BackendState] = []
                repeat { states.append(try await rig.state().0) } while states.last != .up
                #expect(states == [.starting, .up])
            }
        }
    }

    @Test func `a server that refuses every revision but a legacy one is initialized`() async throws {
        try await FrontRig.with(admits: { exchange in
            guard exchange.headers.first("mcp-protocol-version") == "2026-07-28" else { return true }
            let refusal: JSON = [
                "jsonrpc": "2.0", "id": 1,
                "error": [
                    "code": -32022, "message": "no", "data": ["supported": ["2025-06-18", "2025-11-25"]],
                ],
            ]
            exchange.respond(
                status: 400, headers: [("Content-Type", "application/json")], body: Array(refusal.bytes))
            return false
        }) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: [])) { rig in
                let listing = try await rig.listing()
                #expect(listing.revision == .v2025_11_25)
            }
        }
    }

    @Test func `resources whose templates cannot be read are listed without`() async throws {
        try await FrontRig.with(admits: { exchange in
            guard exchange.headers.first("mcp-method") == "resources/templates/list" else { return true }
            let id = (try? JSON(validating: exchange.body))?["id"] ?? .null
            let empty: JSON = ["jsonrpc": "2.0", "id": id, "result": ["resultType": "complete"]]
            exchange.respond(
                status: 200, headers: [("Content-Type", "application/json")], body: Array(empty.bytes))
            return false
        }) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: [])) { rig in
                let listing = try await rig.listing()
                #expect(listing.entries.contains { $0.list == .resources })
                #expect(
                    listing.remarks == [#"its answer to resources/templates/list has no "resourceTemplates""#]
                )
            }
        }
    }

    @Test func `a server said to be of the oldest transport is spoken to so at once`() async throws {
        let posts = Mutex(0)
        try await FrontRig.with(admits: { exchange in
            if exchange.path.hasSuffix("/sse"), exchange.method == "POST" { posts.withLock { $0 += 1 } }
            return true
        }) { front in
            let target = BackendTarget.http(
                url: front.url("/servers/any/sse"), headers: [], startsWithEvents: true)
            try await BackendRig.with(target) { rig in
                let listing = try await rig.listing()
                #expect(listing.era == .legacy)
                #expect(await rig.tool("echo", ["text": "old"]).text == "old")
            }
        }
        #expect(posts.withLock { $0 } == 0)
    }

    @Test func `more calls than the limit are refused, not queued`() async throws {
        let probe = ServiceProbe()
        var limits = BackendRig.limits
        limits.callsMax = 1
        try await with(.modern, probe.service, limits: limits) { _, rig in
            _ = try await rig.listing()
            let handle = rig.backend.call(BackendRig.request("tools/call", ["name": "x"])) { _ in }
            await probe.wait(for: "call")
            #expect(await rig.tool("y").failure?.reason == .limited)
            handle.cancel()
            await probe.wait(for: "cancel")
        }
    }

    @Test func `secrets are opened into headers`() async throws {
        let seen = Mutex<Set<String>>([])
        var service = FrontRig.sample
        service.door = FrontDoor { exchange in
            let key = exchange.headers.first("authorization") ?? ""
            seen.withLock { _ = $0.insert(key) }
            return key == "Bearer s3cret"
                ? .allowed(.anonymous) : .refused(status: 401, challenge: "Bearer", message: "no")
        }
        try await with(
            .modern, service, headers: [("Authorization", SecretText("Bearer ${secret:key}"))],
            secrets: ["key": "s3cret"]
        ) { _, rig in
            _ = try await rig.listing()
        }
        #expect(seen.withLock { $0 } == ["Bearer s3cret"])
        try await with(.modern, service) { _, rig in
            let reason = try await rig.reason(.authNeeded)
            #expect(reason.contains("401"))
            let outcome = await rig.tool("echo", ["text": "x"])
            #expect(outcome.failure?.reason == .backendAuth)
        }
        try await with(.modern, service, headers: [("Authorization", SecretText("${secret:none}"))]) {
            _, rig in
            let reason = try await rig.reason(.authNeeded)
            #expect(reason.contains("cannot be opened"))
        }
    }

    @Test func `nobody at the address is down, and says so`() async throws {
        // Port 1 is nobody's on any machine of today.
        try await BackendRig.with(.http(url: "http://127.0.0.1:1/mcp", headers: [])) { rig in
            let reason = try await rig.reason(.down)
            #expect(reason.contains("cannot connect"))
            let outcome = await rig.tool("echo", ["text": "x"])
            #expect(outcome.failure?.reason == .backendUnavailable)
        }
    }

    @Test func `garbage fails the call it answers`() async throws {
        try await FrontRig.with(admits: { exchange in
            guard String(decoding: exchange.body, as: UTF8.self).contains("garble") else { return true }
            exchange.respond(status: 200, headers: [("Content-Type", "application/json")], body: [1, 2, 3])
            return false
        }) { front in
            try await BackendRig.with(.http(url: front.url("/mcp"), headers: [])) { rig in
                _ = try await rig.listing()
                #expect(await rig.tool("garble").failure?.reason == .backendProtocol)
                #expect(await rig.tool("echo", ["text": "fine"]).text == "fine")
            }
        }
    }
}
