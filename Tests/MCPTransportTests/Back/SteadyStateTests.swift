import HTTPWire
import JSONSlice
import MCPModel
import MartletTestKit
import Synchronization
import Testing

@testable import MCPTransport

/// What a call costs its backend once everything is up, counted: one request, and no connection, session or child of its own.
@Suite(.timeLimit(.minutes(1)))
struct SteadyStateTests {
    private static let calls = 40
    /// Of ``FrontRig``.
    private static let loops = 2
    /// Calls, one after another, before the counting begins: each loop has connections of its own.
    private static let warmUp = 16

    /// What came in at a backend.
    private final class Gate: Sendable {
        struct Arrival: Sendable {
            var verb: String
            var method: String
            var session: String?
        }

        private let arrivals = Mutex<[Arrival]>([])

        func note(_ exchange: HTTPExchange) {
            let message = (try? JSON(validating: exchange.body)) ?? .null
            let arrival = Arrival(
                verb: exchange.method, method: message["method"]?.string ?? "",
                session: exchange.headers.first("mcp-session-id"))
            arrivals.withLock { $0.append(arrival) }
        }

        var all: [Arrival] { arrivals.withLock { $0 } }
    }

    /// How a backend is reached over HTTP.
    enum Way: String, CaseIterable, CustomTestStringConvertible {
        case modern = "Streamable HTTP of 2026-07-28"
        case legacy = "Streamable HTTP in a session"
        case events = "HTTP+SSE"

        var testDescription: String { rawValue }

        func admits(_ exchange: HTTPExchange) -> Bool {
            let isModern = exchange.headers.first("mcp-protocol-version") == "2026-07-28"
            return switch self {
            case .modern: isModern
            case .legacy: !isModern
            case .events: exchange.path.hasSuffix("/messages") || exchange.method == "GET"
            }
        }

        var path: String { self == .events ? "/servers/any/sse" : "/mcp" }
    }

    /// - Returns: how many of so many calls at once were answered as they should.
    private static func burst(of count: Int, at rig: BackendRig) async -> Int {
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<count {
                group.addTask { await rig.tool("echo", ["text": .string("\(number)")]).text == "\(number)" }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
    }

    @Test(arguments: Way.allCases)
    func `a call is one request over a connection that was there before`(way: Way) async throws {
        let gate = Gate()
        let admits = { @Sendable (exchange: HTTPExchange) in
            gate.note(exchange)
            return way.admits(exchange)
        }
        try await FrontRig.with(admits: admits) { front in
            let target = BackendTarget.http(
                url: front.url(way.path), headers: [], startsWithEvents: way == .events)
            try await BackendRig.with(target) { rig in
                let era = try await rig.listing().era
                #expect(era == (way == .modern ? .modern : .legacy))
                // A session's own stream takes a connection, which the next call on its loop then finds gone.
                if way == .legacy {
                    try await eventually("the session's stream") { gate.all.contains { $0.verb == "GET" } }
                }
                for _ in 0..<Self.warmUp { #expect(await rig.tool("echo", ["text": "warm"]).text == "warm") }
                let (before, connections) = (gate.all, front.connectionCount())
                for number in 0..<Self.calls {
                    #expect(await rig.tool("echo", ["text": .string("\(number)")]).text == "\(number)")
                }
                let arrived = gate.all.dropFirst(before.count)
                #expect(arrived.count == Self.calls, "one request for each call")
                #expect(arrived.allSatisfy { $0.verb == "POST" && $0.method == "tools/call" })
                // Over HTTP+SSE a call may be over before its POST is answered, and the next one finds that connection busy.
                let spare = way == .events ? Self.loops : 0
                #expect(front.connectionCount() <= connections + spare, "no connection was made for them")
                #expect(Set(arrived.map(\.session)).count == 1, "all in one session, or none")
                #expect((arrived.first?.session != nil) == (way == .legacy))
            }
        }
    }

    @Test(arguments: Way.allCases)
    func `calls at once cost one request each too`(way: Way) async throws {
        let gate = Gate()
        let admits = { @Sendable (exchange: HTTPExchange) in
            gate.note(exchange)
            return way.admits(exchange)
        }
        try await FrontRig.with(admits: admits) { front in
            let target = BackendTarget.http(
                url: front.url(way.path), headers: [], startsWithEvents: way == .events)
            try await BackendRig.with(target) { rig in
                _ = try await rig.listing()
                let before = gate.all
                #expect(await Self.burst(of: Self.calls, at: rig) == Self.calls)
                // A session's own stream may be opened meanwhile, by GET.
                let arrived = gate.all.dropFirst(before.count).filter { $0.verb == "POST" }
                #expect(arrived.count == Self.calls)
                #expect(arrived.allSatisfy { $0.method == "tools/call" })
            }
        }
    }

    /// A server that says who it is, and the how manyth line it answers. Its one process counts, so both are known.
    private static func counter(isModern: Bool) -> String {
        let greeting =
            isModern
            ? #"answer '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"counter","version":"1"},"ttlMs":60000,"cacheScope":"private"}'"#
            : #"printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32600,"message":"not initialized"}}\n' "$id""#
        return #"""
            lines=0
            answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
            while IFS= read -r line; do
              lines=$((lines + 1))
              id=$(printf '%s' "$line" | sed -n 's/^{"jsonrpc":"2.0","id":\([0-9]*\),.*/\1/p')
              case "$line" in
                *'"method":"server/discover"'*) GREETING ;;
                *'"method":"initialize"'*)
                  answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"counter","version":"1"}}' ;;
                *'"method":"tools/list"'*)
                  answer '{"resultType":"complete","tools":[{"name":"count","inputSchema":{"type":"object"}}],"ttlMs":60000,"cacheScope":"private"}' ;;
                *'"method":"tools/call"'*)
                  answer '{"resultType":"complete","content":[{"type":"text","text":"'"$$ $lines"'"}]}' ;;
                *) ;;
              esac
            done
            """#.replacing("GREETING", with: greeting)
    }

    @Test(arguments: [true, false])
    func `over stdio a call is one line in and one out, by the same child`(isModern: Bool) async throws {
        let target = BackendTarget.stdio(
            command: "sh", args: ["-c", Self.counter(isModern: isModern)], env: [], directory: nil)
        try await BackendRig.with(target) { rig in
            let era = try await rig.listing().era
            #expect(era == (isModern ? .modern : .legacy))
            let first = try #require(await rig.tool("count").text).split(separator: " ")
            let line = try #require(first.last.flatMap { Int($0) })
            for number in 1...Self.calls {
                let words = try #require(await rig.tool("count").text).split(separator: " ")
                #expect(words.first == first.first, "the same child")
                #expect(words.last == "\(line + number)", "and no line but the call's")
            }
        }
    }
}
