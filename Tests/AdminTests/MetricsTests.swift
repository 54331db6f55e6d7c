import Gateway
import HTTPWire
import JSONSlice
import MCPTransport
import MartletTestKit
import Testing

@testable import Admin

@Suite(.timeLimit(.minutes(1)))
struct MetricsTests {
    private func scrape(_ node: TestNode, token: String) async throws -> (
        head: HTTPResponseHead, text: String
    ) {
        let (head, bytes) = try await TestNode.http.collect(
            HTTPClientRequest(
                HTTPURL("http://\(node.address)/metrics"), method: "GET",
                headers: [("Authorization", "Bearer \(token)")], timeout: .seconds(30)))
        return (head, String(decoding: bytes, as: UTF8.self))
    }

    @Test func `a viewer's key scrapes; nobody does without one`() async throws {
        try await TestNode.with { node in
            #expect(try await node.ask("GET", "/metrics", isAuthorized: false).status == 401)
            #expect(try await node.ask("POST", "/metrics").status == 405)
            let made = try await node.ask(
                "POST", "/v1/admin-tokens", #"{"name":"prometheus","role":"viewer"}"#)
            let (head, text) = try await scrape(node, token: try #require(made.json["token"]?.string))
            #expect(head.status == 200)
            #expect(head.headers.first("content-type") == "text/plain; version=0.0.4; charset=utf-8")
            let read = try PrometheusText(text)
            #expect(read["martlet_ready"] == 1 && read["martlet_vault_sealed"] == 0)
            #expect(read["martlet_mesh_peers", ["state": "reachable"]] == 0)
            #expect((read["process_resident_memory_bytes"] ?? 0) > 1e6)
            #expect(read.kinds.keys.contains("martlet_build_info"))
            #expect(read.kinds.keys.allSatisfy { $0.hasPrefix("martlet_") || $0.hasPrefix("process_") })
        }
    }

    @Test func `nothing that a caller makes up is in it`() async throws {
        try await TestNode.with { node in
            _ = try await node.client.post(
                "/v1/servers", ["name": "press", "definition": ShellServer.definition(in: node.folder)])
            let canary = "canary7c0ffee"
            for entry in ["\(canary)__tool", "press__\(canary)", canary, "\(canary)--press__ok"] {
                let call: JSON = ["entry": .string(entry), "arguments": ["x": .string(canary)]]
                _ = try? await node.client.call("/v1/call", call) { _ in }
                let url = "http://\(node.node.mcpAddress)/servers/\(canary)/mcp?mode=\(canary)"
                _ = try await TestNode.http.collect(
                    HTTPClientRequest(
                        HTTPURL(url), method: "POST",
                        headers: [("Authorization", "Bearer \(canary)"), ("Mcp-Session-Id", canary)],
                        body: Array("{}".utf8), timeout: .seconds(30)))
            }
            let text = try await scrape(node, token: node.node.adminToken).text
            #expect(text.contains("martlet_calls_total") && !text.contains(canary))
            #expect(!text.contains(node.node.adminToken))
        }
    }

    @Test func `a call and a server show on the next scrape`() async throws {
        try await TestNode.with { node in
            _ = try await node.client.post(
                "/v1/servers", ["name": "press", "definition": ShellServer.definition(in: node.folder)])
            let call = try JSON(validating: #"{"entry":"press__nothing"}"#)
            _ = try? await node.client.call("/v1/call", call) { _ in }
            let read = try PrometheusText(try await scrape(node, token: node.node.adminToken).text)
            #expect(read["martlet_servers", ["state": "up"]] == 1)
            #expect(read["martlet_server_up", ["server": "press"]] == 1)
            #expect(read["martlet_catalog_servers"] == 1)
            #expect(
                read[
                    "martlet_call_failures_total", ["end": "entry", "reason": "unknown_entry"]] == 1)
            #expect(read["martlet_calls_open", ["end": "entry"]] == 0)
        }
    }
}
