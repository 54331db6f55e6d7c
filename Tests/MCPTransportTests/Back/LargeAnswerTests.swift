import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// Answers over HTTP that are larger than this node takes.
@Suite(.timeLimit(.minutes(1)))
struct LargeAnswerTests {
    /// How a server shows that its answer is too large.
    enum Way: CaseIterable {
        case itsLength
        case moreAndMore
    }

    @Test(arguments: Way.allCases)
    func `an answer over the limit is told as such, and not read to its end`(way: Way) async throws {
        let closed = Mutex(false)
        let json = [("Content-Type", "application/json")]
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: FrontRig.loops
        ) { exchange in
            let message = (try? JSON(validating: exchange.body)) ?? .null
            let answer = { (result: JSON) in
                let whole: JSON = ["jsonrpc": "2.0", "id": message["id"] ?? .null, "result": result]
                exchange.respond(status: 200, headers: json, body: Array(whole.bytes))
            }
            switch message["method"]?.string {
            case "server/discover":
                answer([
                    "resultType": "complete", "supportedVersions": ["2026-07-28"],
                    "capabilities": ["tools": [:]], "ttlMs": 60_000, "cacheScope": "public",
                ])
            case "tools/list":
                answer(["resultType": "complete", "ttlMs": 60_000, "cacheScope": "public", "tools": []])
            case "tools/call" where way == .itsLength:
                exchange.respond(status: 200, headers: json, body: [UInt8](repeating: 0x20, count: 1 << 20))
            case "tools/call":
                exchange.onClose { closed.withLock { $0 = true } }
                exchange.startStream(status: 200, headers: json)
                for _ in 0..<64 { exchange.write([UInt8](repeating: 0x20, count: 4_096)) }
            default: exchange.respond(status: 405)
            }
        }
        var limits = BackendRig.limits
        limits.message.bytesMax = 100_000
        let url = "http://127.0.0.1:\(listener.address.port)/mcp"
        try await BackendRig.with(.http(url: url, headers: []), limits: limits) { rig in
            _ = try await rig.listing()
            let outcome = await rig.tool("large", [:])
            #expect(outcome.failure?.reason == .tooLarge, "\(outcome)")
            let words = [outcome.failure?.detail, outcome.failure?.hint].compactMap(\.self).joined()
            #expect(words.contains("limits.message"), "\(outcome)")
            let end = ContinuousClock.now + .seconds(10)
            while way == .moreAndMore, !closed.withLock(\.self), ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            #expect(way == .itsLength || closed.withLock(\.self), "the rest is still being read")
        }
        await listener.close()
    }
}
