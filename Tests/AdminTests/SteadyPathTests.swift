import Foundation
import HTTPWire
import JSONSlice
import MCPTransport
import MartletTestKit
import Synchronization
import Testing

@testable import Admin

/// A call through whole nodes, counted at both of its ends: what comes in once goes out once, over what is there.
@Suite(.timeLimit(.minutes(2)))
struct SteadyPathTests {
    private static let calls = 30
    private static let warmUp = 12

    /// The sample server over HTTP, and what came in at it.
    private final class Backend: Sendable {
        private let arrivals = Mutex<[String]>([])
        private let listener = Mutex<HTTPListener?>(nil)

        /// Methods, in their order.
        var all: [String] { arrivals.withLock { $0 } }
        var connectionCount: Int { listener.withLock { $0?.connectionCount ?? 0 } }

        func with(_ body: (_ url: String) async throws -> Void) async throws {
            let service = SampleServer(now: { 1_785_200_000 }, loops: EventLoops.shared).service
            let front = MCPFront(service: service, log: TestNode.log)
            let listener = try await HTTPListener.bind(
                ListenAddress(host: "127.0.0.1", port: 0), group: EventLoops.shared
            ) { exchange in
                let method = (try? JSON(validating: exchange.body))?["method"]?.string ?? exchange.method
                self.arrivals.withLock { $0.append(method) }
                front.handle(exchange)
            }
            self.listener.withLock { $0 = listener }
            do {
                try await body("http://127.0.0.1:\(listener.address.port)/mcp")
            } catch {
                front.close()
                await listener.close()
                throw error
            }
            front.close()
            await listener.close()
        }
    }

    private static func call(_ node: TestNode, _ tool: String, key: String) async throws -> JSON {
        let body: JSON = [
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": [
                "name": .string(tool), "arguments": ["text": "hi"],
                "_meta": [
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": [:],
                ],
            ],
        ]
        let (_, bytes) = try await TestNode.http.collect(
            HTTPClientRequest(
                HTTPURL("http://\(node.node.mcpAddress)/mcp"), method: "POST",
                headers: [
                    ("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"),
                    ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool),
                    ("Authorization", "Bearer \(key)"),
                ], body: Array(body.bytes), timeout: .seconds(30)))
        return (try? JSON(validating: bytes)) ?? .null
    }

    private static func metrics(_ node: TestNode) async throws -> PrometheusText {
        let (_, bytes) = try await TestNode.http.collect(
            HTTPClientRequest(
                HTTPURL("http://\(node.address)/metrics"), method: "GET",
                headers: [("Authorization", "Bearer \(node.node.adminToken)")], timeout: .seconds(30)))
        return try PrometheusText(String(decoding: bytes, as: UTF8.self))
    }

    /// Calls until it works, then counts.
    private func count(
        _ tool: String, at entry: TestNode, over nodes: [TestNode], to backend: Backend
    ) async throws {
        let made = try await entry.ask("POST", "/v1/tokens", #"{"name":"agent"}"#)
        let key = try #require(made.json["token"]?.string)
        let deadline = ContinuousClock.now + .seconds(30)
        while try await Self.call(entry, tool, key: key)["result"]?["content"]?[0]?["text"]?.string != "hi" {
            try #require(ContinuousClock.now < deadline, "\(tool) never answered")
            try await Task.sleep(for: .milliseconds(20))  // a poll with a deadline
        }
        for _ in 0..<Self.warmUp { _ = try await Self.call(entry, tool, key: key) }
        let (before, connections) = (backend.all, backend.connectionCount)
        var links: [Double] = []
        for node in nodes {
            links.append(try await Self.metrics(node)["martlet_mesh_links_opened_total"] ?? -1)
        }
        for _ in 0..<Self.calls {
            let answer = try await Self.call(entry, tool, key: key)
            #expect(answer["result"]?["content"]?[0]?["text"]?.string == "hi")
        }
        let arrived = backend.all.dropFirst(before.count)
        #expect(Array(arrived) == Array(repeating: "tools/call", count: Self.calls))
        #expect(backend.connectionCount <= connections, "no connection was made for them")
        for (node, former) in zip(nodes, links) {
            let read = try await Self.metrics(node)
            #expect(read["martlet_mesh_links_opened_total"] == former, "no link was made for them")
            #expect(read["martlet_calls_open", ["end": "entry"]] == 0)
            #expect(read["martlet_calls_open", ["end": "owner"]] == 0)
        }
    }

    @Test func `through one node a call is one request to the backend, over a connection that is there`()
        async throws
    {
        let backend = Backend()
        try await backend.with { url in
            try await TestNode.with { node in
                _ = try await node.client.post(
                    "/v1/servers", ["name": "press", "definition": ["url": .string(url)]])
                try await count("press__echo", at: node, over: [node], to: backend)
            }
        }
    }

    @Test func `a hop more changes nothing of that, and makes no link`() async throws {
        let backend = Backend()
        try await backend.with { url in
            try await TestNode.with(name: "first", mesh: "127.0.0.1:0") { first in
                try await TestNode.with(name: "second", mesh: "127.0.0.1:0") { second in
                    let made = try await first.ask("POST", "/v1/mesh/token", "{\"roles\":[]}")
                    let token = try #require(made.json["token"]?.string, "\(made.message)")
                    let joined = try await second.ask("POST", "/v1/mesh/join", "{\"token\":\"\(token)\"}")
                    try #require(joined.status == 200, "\(joined.message)")
                    _ = try await first.client.post(
                        "/v1/servers", ["name": "press", "definition": ["url": .string(url)]])
                    try await count("first--press__echo", at: second, over: [first, second], to: backend)
                    let read = try await Self.metrics(first)
                    let labels = ["end": "owner", "owner": "first", "server": "press", "outcome": "ok"]
                    let counted = read["martlet_calls_total", labels] ?? 0
                    #expect(counted >= Double(Self.calls + Self.warmUp))
                }
            }
        }
    }
}
