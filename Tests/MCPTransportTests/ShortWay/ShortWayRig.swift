import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

/// A client's kept connection to a front, behind which stands one backend whose tools do as they are called.
struct ShortWayRig {
    /// What comes of calls that ended on the short way.
    final class Ends: Sendable {
        private let all = Mutex<[ShortTool.End]>([])
        private let settledCount = Mutex(0)

        /// Calls that the lane did not take, started from where all had been decided.
        var settled: Int { settledCount.withLock { $0 } }
        func noteSettled() { settledCount.withLock { $0 += 1 } }

        func add(_ end: ShortTool.End) { all.withLock { $0.append(end) } }

        var answered: Int { all.withLock { $0.count { $0.answer != nil } } }
        var refused: Int { all.withLock { $0.count { $0.refusal != nil } } }
        var cancelled: Int { all.withLock { $0.count { $0.answer == nil && $0.refusal == nil } } }
    }

    /// One loop, so that each request goes over the connection of the one before.
    static let loop = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    let front: FrontRig
    let backend: Backend
    let places: CallPlaces
    let ends: Ends
    /// What the pass says of itself.
    let isGood: Goodness
    let alive: Alive
    let client: HTTPClient

    /// The requests that the front has had and that somebody still holds.
    final class Alive: Sendable {
        private struct Weak: Sendable { weak let exchange: HTTPExchange? }
        private let all = Mutex<[Weak]>([])

        func add(_ exchange: HTTPExchange) -> Bool {
            all.withLock { $0.append(Weak(exchange: exchange)) }
            return true
        }

        var count: Int { all.withLock { $0.count { $0.exchange != nil } } }
    }

    final class Goodness: Sendable {
        private let value = Mutex(true)
        var now: Bool { value.withLock { $0 } }
        func set(_ new: Bool) { value.withLock { $0 = new } }
    }

    static func with(
        limits: BackendLimits = BackendRig.limits, front frontLimits: FrontLimits = .standard,
        isFar: Bool = false,
        _ serve: @escaping @Sendable (_ tool: String, _ id: JSON, HTTPExchange) -> Void,
        _ body: (ShortWayRig) async throws -> Void
    ) async throws {
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: FrontRig.loops
        ) {
            answer($0, serve)
        }
        let url = "http://127.0.0.1:\(listener.address.port)/mcp"
        try await with(
            .http(url: url, headers: []), limits: limits, front: frontLimits, isFar: isFar, body)
        await listener.close()
    }

    static func with(
        _ target: BackendTarget, limits: BackendLimits = BackendRig.limits,
        front frontLimits: FrontLimits = .standard, seal: StateSeal? = nil, isFar: Bool = false,
        _ body: (ShortWayRig) async throws -> Void
    ) async throws {
        try await BackendRig.with(target, limits: limits, seal: seal) { rig in
            _ = try await rig.listing()
            let (places, ends, isGood) = (CallPlaces(max: 4), Ends(), Goodness())
            let service = service(over: rig.backend, places, ends, isGood, isFar: isFar)
            let alive = Alive()
            try await FrontRig.with(service, limits: frontLimits, admits: { alive.add($0) }) { front in
                // Its connection is kept, however slow the machine is.
                var kept = HTTPClientLimits.standard
                kept.idleLife = .seconds(60)
                let client = HTTPClient(group: loop, limits: kept)
                try await body(
                    ShortWayRig(
                        front: front, backend: rig.backend, places: places, ends: ends, isGood: isGood,
                        alive: alive, client: client))
                await client.shutdown()
            }
        }
    }

    private static func answer(
        _ exchange: HTTPExchange,
        _ serve: @escaping @Sendable (_ tool: String, _ id: JSON, HTTPExchange) -> Void
    ) {
        let message = (try? JSON(validating: exchange.body)) ?? .null
        let id = message["id"] ?? .null
        switch message["method"]?.string {
        case "server/discover":
            exchange.say(
                id,
                #""supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":3600000,"cacheScope":"public""#
            )
        case "tools/list":
            exchange.say(id, #""ttlMs":3600000,"cacheScope":"public","tools":[]"#)
        case "tools/call": serve(message["params"]?["name"]?.string ?? "", id, exchange)
        default: exchange.respond(status: 405)
        }
    }

    private static func service(
        over backend: Backend, _ places: CallPlaces, _ ends: Ends, _ isGood: Goodness, isFar: Bool
    ) -> MCPService {
        let timeout = Duration.seconds(20)
        let request = { @Sendable (id: CallID, call: EndpointCall) in
            var client = call.client
            client.traceparent = TraceContext(begunBy: id).traceparent
            return CallRequest(
                id: id, method: call.method, params: call.params, client: client, caller: call.caller,
                timeLeft: timeout)
        }
        return MCPService(
            door: FrontDoor(
                admit: { _, _, decided in decided(.allowed(.anonymous)) }, lasting: { _ in { true } }),
            describe: { _, _ in
                EndpointDescription(
                    serverInfo: ["name": "front", "version": "1"], capabilities: ["tools": [:]])
            },
            list: { _, _, _, _ in .success(ListPage(items: [])) },
            call: { call, sink in backend.call(request(.random(), call), sink) },
            watch: { _, _, _ in .none },
            definition: { _, _, _, tool in
                let property: JSON =
                    tool == "mirrored" ? ["type": "string", "x-mcp-header": "A"] : ["type": "integer"]
                return [
                    "name": .string(tool), "inputSchema": ["type": "object", "properties": ["a": property]],
                ]
            },
            toolPass: { _, _, tool in
                guard let lane = backend.lane(toTool: tool) else { return nil }
                if isFar {
                    let far = FarWay.tool(
                        named: tool, behind: OwnersEnd(backend, lane, places, on: loop, within: timeout), ends
                    ) { backend.call(request(.random(), $0), $1) }
                    return ToolPass(isGood: { isGood.now }, way: .far(far))
                }
                let short = ShortTool(
                    lane: lane, places: places, callMax: timeout, outward: nil,
                    ended: { ends.add($0) },
                    carryOn: { call, carried, sink in
                        backend.carry(request(carried.id, call), carried) { event in
                            if event.isFinal { places.leave(after: nil) }
                            sink(event)
                        }
                    },
                    start: { call, sink in
                        ends.noteSettled()
                        return backend.call(request(.random(), call), sink)
                    })
                return ToolPass(isGood: { isGood.now }, way: .short(short))
            })
    }

    private func request(
        _ tool: String, capabilities: JSON = [:], headers: [(String, String)] = [], arguments: JSON = ["a": 1]
    ) throws -> HTTPClientRequest {
        try HTTPClientRequest(
            HTTPURL(front.url("/mcp")), method: "POST",
            headers: FrontRig.modernHeaders("tools/call", name: tool) + headers,
            body: FrontRig.modernBody(
                "tools/call", ["name": .string(tool), "arguments": arguments], capabilities: capabilities),
            timeout: .seconds(20))
    }

    /// Calls a tool over the kept connection, and gives up when that has been reached.
    func leave(_ tool: String, when isReached: AsyncStream<Void>) async throws {
        let handle = client.send(try request(tool)) { _ in }
        for await _ in isReached { break }
        handle.cancel()
    }

    /// Calls a tool over the kept connection.
    ///
    /// - Returns: the status, and the response without what differs between any two calls: the call's id, and whether its connection was
    ///   the server's first.
    func call(
        _ tool: String, capabilities: JSON = [:], headers: [(String, String)] = [],
        arguments: JSON = ["a": 1]
    ) async throws -> (Int, JSON) {
        try await answer(
            to: request(tool, capabilities: capabilities, headers: headers, arguments: arguments))
    }

    /// - Returns: as ``call(_:capabilities:headers:arguments:)``.
    func answer(to request: HTTPClientRequest) async throws -> (Int, JSON) {
        let answer = try await client.collect(request)
        let messages =
            answer.head.headers.isMediaType("text/event-stream")
            ? Self.messages(in: answer.body) : [(try? JSON(validating: answer.body)) ?? .null]
        return (
            answer.head.status,
            .array(
                messages.map { message in
                    guard let data = message["error"]?["data"], let error = message["error"] else {
                        return message
                    }
                    let plain = message.setting(
                        "error", to: error.setting("data", to: data.removing("callId")))
                    return
                        (try? JSON(
                            validating: plain.text.replacing(
                                "the kept-alive connection", with: "the connection")))
                        ?? plain
                })
        )
    }

    private static func messages(in body: [UInt8]) -> [JSON] {
        var parser = SSEParser()
        return ((try? parser.push(body[...])) ?? []).compactMap { try? JSON(validating: $0.data) }
    }

    /// Waits until nothing runs any more, and says whether every place was given back and every request let go of.
    func isQuiet() async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            let isIdle = backend.state.withLock { $0.callsOpen == 0 } && alive.count == 0 && places.enter()
            if isIdle {
                let more = (1..<places.max).map { _ in places.enter() }
                for taken in [true] + more where taken { places.leave(after: nil) }
                if more.allSatisfy(\.self) { return true }
            }
            try await Task.sleep(for: .milliseconds(5))  // a condition with a deadline
        }
        return false
    }
}

extension HTTPExchange {
    /// Answers with a complete result of these members.
    func say(_ id: JSON, _ members: String) {
        respond(
            status: 200, headers: [("Content-Type", "application/json")],
            body: Array(
                #"{"jsonrpc":"2.0","id":\#(id.text),"result":{"resultType":"complete",\#(members)}}"#.utf8))
    }
}
