import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// Probes of real links, against a server that counts: its sessions, and what it was asked.
@Suite(.timeLimit(.minutes(1)))
struct ProbeTests {
    /// A legacy server that opens a session for whatever comes without one, as some do, and can be told to fail.
    private final class Counter: Sendable {
        struct Count: Sendable {
            var sessions: Set<String> = []
            var opened = 0
            var asked: [String: Int] = [:]
            /// Answered to each method instead of what is right.
            var refusals: [String: Int] = [:]
            /// Whether it answers nothing any more.
            var hangs = false
        }

        let count = Mutex(Count())

        func handle(_ exchange: HTTPExchange) {
            let message = (try? JSON(validating: exchange.body)) ?? .null
            let method = exchange.method == "POST" ? message["method"]?.string ?? "" : exchange.method
            let session = exchange.headers.first("mcp-session-id")
            enum Reply { case status(Int, String?), result(JSON, String?), none }
            let reply: Reply = count.withLock { count in
                count.asked[method, default: 0] += 1
                if count.hangs { return .none }
                if method == "DELETE" {
                    return .status(session.flatMap { count.sessions.remove($0) } == nil ? 404 : 200, nil)
                }
                if let status = count.refusals[method] { return .status(status, nil) }
                guard method != "GET" else { return .status(405, nil) }
                guard let session else {
                    count.opened += 1
                    let fresh = "s\(count.opened)"
                    count.sessions.insert(fresh)
                    guard method == "initialize" else { return .status(400, fresh) }
                    return .result(
                        [
                            "protocolVersion": "2025-06-18", "capabilities": ["tools": [:]],
                            "serverInfo": [:],
                        ], fresh)
                }
                guard count.sessions.contains(session) else { return .status(404, nil) }
                switch method {
                case "tools/list":
                    return .result(["tools": [["name": "stamp", "inputSchema": ["type": "object"]]]], nil)
                case "tools/call": return .result(["content": []], nil)
                case "ping": return .result(.emptyObject, nil)
                default: return .status(202, nil)
                }
            }
            let headers = { (session: String?) in session.map { [("Mcp-Session-Id", $0)] } ?? [] }
            switch reply {
            case .none: break
            case .status(let status, let session): exchange.respond(status: status, headers: headers(session))
            case .result(let result, let session):
                exchange.respond(
                    status: 200, headers: [("Content-Type", "application/json")] + headers(session),
                    body: Array(
                        (["jsonrpc": "2.0", "id": message["id"] ?? .null, "result": result] as JSON).bytes))
            }
        }

        func asked(_ method: String) -> Int { count.withLock { $0.asked[method] ?? 0 } }

        /// Refuses a method with an HTTP status from now on; `nil`: answers it again.
        func refuse(_ method: String, _ status: Int?) { count.withLock { $0.refusals[method] = status } }

        func hang() { count.withLock { $0.hangs = true } }

        func until(_ isSo: @Sendable (Count) -> Bool) async throws {
            while !count.withLock({ isSo($0) }) {
                try Task.checkCancellation()
                try await Task.sleep(for: .milliseconds(2))  // a condition with the suite's deadline
            }
        }
    }

    private static var limits: BackendLimits {
        var limits = BackendRig.limits
        limits.probePauses = .milliseconds(5) ... .milliseconds(10)
        return limits
    }

    private func with(
        _ limits: BackendLimits = limits, _ body: (Counter, BackendRig) async throws -> Void
    ) async throws {
        let counter = Counter()
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: FrontRig.loops
        ) { counter.handle($0) }
        let url = "http://127.0.0.1:\(listener.address.port)/mcp"
        do {
            try await BackendRig.with(.http(url: url, headers: []), limits: limits) {
                try await body(counter, $0)
            }
        } catch {
            await listener.close()
            throw error
        }
        await listener.close()
    }

    @Test func `a hundred probes stay in one session, and what finding the era opened is closed`()
        async throws
    {
        try await with { counter, rig in
            _ = try await rig.listing()
            try await counter.until { $0.asked["ping"] ?? 0 >= 100 && $0.sessions.count == 1 }
            #expect(counter.count.withLock { $0.opened } == 2, "one to find the era, one to stay")
            #expect(counter.asked("initialize") == 1)
        }
    }

    @Test func `a server that goes and comes ten times is left with one session`() async throws {
        try await with { counter, rig in
            _ = try await rig.listing()
            for _ in 1...10 {
                counter.refuse("ping", 503)
                counter.refuse("initialize", 503)
                _ = try await rig.reason(.down)
                counter.refuse("ping", nil)
                counter.refuse("initialize", nil)
                _ = try await rig.listing()
            }
            try await counter.until { $0.sessions.count == 1 }
        }
        // And with none once the gateway has gone: see `HTTPLink.close`.
    }

    @Test func `three failed probes say degraded, then down; the first good one says up`() async throws {
        try await with { counter, rig in
            // Not inside the macro: there nobody sees that this closure throws.
            let first = try await rig.reason(.up)
            #expect(first.isEmpty)
            counter.refuse("ping", 502)
            counter.refuse("initialize", 502)
            #expect(try await rig.reason(.degraded) == "it answers HTTP 502")
            #expect(try await rig.reason(.down).contains("3 probes in a row failed"))
            #expect(await rig.tool("stamp").failure?.reason == .backendUnavailable)
            counter.refuse("ping", nil)
            counter.refuse("initialize", nil)
            #expect(try await rig.reason(.up).isEmpty)
            #expect(await rig.tool("stamp").result != nil, "up means callable")
        }
    }

    @Test(arguments: [429, 405, 400])
    func `probes and calls that are refused as no outage leave a server up`(status: Int) async throws {
        try await with { counter, rig in
            _ = try await rig.reason(.up)
            counter.refuse("ping", status)
            counter.refuse("tools/call", status)
            for _ in 1...5 { #expect(await rig.tool("stamp").failure != nil) }
            let probes = counter.asked("ping")
            try await counter.until { $0.asked["ping"] ?? 0 > probes + 20 }
            counter.refuse("tools/call", nil)
            #expect(await rig.tool("stamp").result != nil)
            #expect(counter.asked("initialize") == 1, "it was up all the time")
        }
    }

    @Test func `a call that one person may not make takes the server from nobody`() async throws {
        try await with { counter, rig in
            _ = try await rig.reason(.up)
            counter.refuse("tools/call", 403)
            for _ in 1...5 {
                let failure = await rig.tool("stamp").failure
                #expect(failure?.reason == .backendAuth && failure?.isUnsent == false)
            }
            counter.refuse("tools/call", nil)
            #expect(await rig.tool("stamp").result != nil)
            #expect(counter.asked("initialize") == 1)
        }
    }

    @Test func `a server that wants another credential says so by a probe, before anybody calls`()
        async throws
    {
        try await with { counter, rig in
            _ = try await rig.reason(.up)
            counter.refuse("initialize", 401)
            counter.refuse("ping", 401)
            #expect(try await rig.reason(.authNeeded).contains("401"))
            // And from then on calls are refused before anything is sent.
            let failure = await rig.tool("stamp").failure
            #expect(failure?.reason == .backendAuth && failure?.isUnsent == true)
        }
    }

    @Test func `a server that hangs goes down though calls never cease`() async throws {
        var limits = Self.limits
        limits.silenceMax = .milliseconds(200)
        limits.pingTimeout = .milliseconds(100)
        try await with(limits) { counter, rig in
            _ = try await rig.reason(.up)
            try await withThrowingTaskGroup { group in
                for _ in 1...4 {
                    group.addTask {
                        // One of them always runs. On a slow machine a probe may fail before anything hangs; they go on after that.
                        while !Task.isCancelled {
                            guard await rig.tool("stamp").failure?.reason == .backendUnavailable else {
                                continue
                            }
                            try await Task.sleep(for: .milliseconds(5))  // a load, not a wait
                        }
                    }
                }
                try await counter.until { $0.asked["tools/call"] ?? 0 > 20 }
                counter.hang()
                let reason = try await rig.reason(.down)
                #expect(reason.contains("probes in a row failed"))
                group.cancelAll()
            }
        }
    }

    @Test func `three calls in a row that bring garbage degrade, the next good one mends`() async throws {
        // Calls alone: a good probe between two of them would mend as well.
        try await with(BackendRig.limits) { counter, rig in
            _ = try await rig.reason(.up)
            counter.refuse("tools/call", 500)
            for _ in 1...3 { #expect(await rig.tool("stamp").failure?.reason == .backendProtocol) }
            #expect(try await rig.reason(.degraded).contains("its last 3 calls failed"))
            counter.refuse("tools/call", nil)
            #expect(await rig.tool("stamp").result != nil)
            #expect(try await rig.reason(.up).isEmpty)
            #expect(counter.asked("initialize") == 1)
        }
    }
}
