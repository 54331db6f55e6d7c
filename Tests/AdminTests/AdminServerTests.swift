import Foundation
import Gateway
import HTTPWire
import JSONSlice
import MCPTransport
import Synchronization
import Testing

@testable import Admin

@Suite(.timeLimit(.minutes(1)))
struct AdminServerTests {
    @Test func `without the token nothing is told, not even what stands where`() async throws {
        try await TestNode.with { node in
            for path in ["/v1/status", "/v1/nowhere", "/"] {
                let answer = try await node.ask("GET", path, isAuthorized: false)
                #expect(answer.status == 401 && answer.code == "unauthorized")
                #expect(answer.headers.first("www-authenticate")?.hasPrefix("Bearer ") == true)
            }
            let wrong = try await node.ask("GET", "/v1/status", token: node.node.adminToken + "x")
            #expect(wrong.status == 401)
        }
    }

    @Test func `a path or a method that is none of ours is named`() async throws {
        try await TestNode.with { node in
            let nowhere = try await node.ask("GET", "/v1/nowhere")
            #expect(nowhere.status == 404 && nowhere.message.contains("/v1/nowhere"))
            let method = try await node.ask("DELETE", "/v1/servers")
            #expect(method.status == 405)
            #expect(method.headers.first("allow") == "GET, POST")
        }
    }

    @Test(arguments: [
        ("{", "not JSON"), ("{\"name\":\"a\",\"name\":\"b\"}", "not JSON"), ("{}", "definition"),
        (#"{"definition":{"command":"x"}}"#, "\"name\""), (#"{"definition":[],"name":"a"}"#, "definition"),
        (#"{"name":"Not A Name","definition":{"command":"x"}}"#, "server name"),
        (#"{"name":"a","definition":{}}"#, "command"),
    ])
    func `a body that will not do is 400 and says why`(body: String, why: String) async throws {
        try await TestNode.with { node in
            let answer = try await node.ask("POST", "/v1/servers", body)
            #expect(answer.status == 400 && answer.code == "invalid")
            #expect(answer.message.contains(why))
        }
    }

    @Test(arguments: [("0", 400), ("1001", 400), ("\"3\"", 400), ("3", 200)])
    func `a number out of its bounds is refused, not bent`(uses: String, status: Int) async throws {
        try await TestNode.with { node in
            let answer = try await node.ask("POST", "/v1/mesh/token", "{\"uses\":\(uses)}")
            // A node that listens nowhere cannot be joined: that, too, is said rather than handed out.
            #expect(answer.status == (status == 200 ? 409 : status))
        }
    }

    @Test func `a name is one segment of a path, whatever is in it`() async throws {
        #expect(AdminClient.path("v1", "tokens", "a/b? c") == "/v1/tokens/a%2Fb%3F%20c")
        try await TestNode.with { node in
            let client = node.client
            _ = try await client.post("/v1/tokens", ["name": "a/b? c"])
            _ = try await client.delete(AdminClient.path("v1", "tokens", "a/b? c"))
            #expect(try await client.get("/v1/tokens")["tokens"]?.elements.isEmpty == true)
            let other = await #expect(throws: AdminClientError.self) {
                try await client.delete(AdminClient.path("v1", "servers", "x/../../tokens"))
            }
            #expect(other?.description.contains("x/../../tokens") == true)
            await client.close()
        }
    }

    @Test func `a proxy on this machine does not make its clients local`() async throws {
        try await TestNode.with { node in
            let url = try HTTPURL("http://\(node.node.mcpAddress)/mcp")
            for (fields, status) in [
                ([], 405), ([("X-Forwarded-For", "10.0.0.9")], 401), ([("Forwarded", "for=10.0.0.9")], 401),
            ] as [([(String, String)], Int)] {
                let (head, _) = try await TestNode.http.collect(
                    HTTPClientRequest(url, method: "GET", headers: fields, timeout: .seconds(30)))
                #expect(head.status == status)
            }
        }
    }

    @Test func `a server that is asked again and has nothing new is up`() async throws {
        try await TestNode.with { node in
            let client = node.client
            _ = try await client.post(
                "/v1/servers", ["name": "press", "definition": ShellServer.definition(in: node.folder)])
            let tested = try await client.post("/v1/servers/press/test", .emptyObject)
            #expect(tested["server"]?["state"]?.string == "up")
            await client.close()
        }
    }

    @Test func `status tells of a node alone`() async throws {
        try await TestNode.with { node in
            let answer = try await node.ask("GET", "/v1/status")
            #expect(answer.status == 200)
            #expect(answer.headers.first("cache-control") == "no-store")
            #expect(answer.json["node"]?["label"]?.string == "here")
            #expect(answer.json["listen"]?["admin"]?.string == node.address)
            #expect(answer.json["listen"]?["mesh"] == nil)
            #expect(answer.json["mdns"]?.string == "off")
            #expect(answer.json["peers"]?.elements.isEmpty == true)
            #expect(!answer.json.text.contains(node.node.adminToken))
        }
    }

    @Test func `keys and secrets come and go`() async throws {
        try await TestNode.with { node in
            let client = node.client
            let made = try await client.post("/v1/tokens", ["name": "agent"])
            let key = try #require(made["token"]?.string)
            #expect(try await client.get("/v1/status")["needsKey"]?.bool == true)
            #expect(try await client.get("/v1/tokens")["tokens"]?[0]?["name"]?.string == "agent")
            #expect(try await node.ask("POST", "/v1/tokens", #"{"name":"agent"}"#).status == 409)
            #expect(try await node.ask("GET", "/v1/status", token: key).status == 401, "a caller is no admin")
            _ = try await client.delete("/v1/tokens/agent")
            #expect(try await node.ask("DELETE", "/v1/tokens/agent").status == 404)

            _ = try await client.put("/v1/secrets/press-token", ["value": "hush-hush"])
            let listed = try await client.get("/v1/secrets")
            #expect(listed["secrets"]?[0]?["name"]?.string == "press-token")
            #expect(!listed.text.contains("hush"))
            _ = try await client.delete("/v1/secrets/press-token")
            #expect(try await client.get("/v1/secrets")["secrets"]?.elements.isEmpty == true)
            await client.close()
        }
    }

    @Test func `a server is added, searched, called and removed`() async throws {
        try await TestNode.with { node in
            let client = node.client
            let added = try await client.post(
                "/v1/servers", ["name": "press", "definition": ShellServer.definition(in: node.folder)])
            #expect(added["server"]?["state"]?.string == "up")
            let found = try await client.post("/v1/catalog/search", ["query": "stamp"])
            #expect(found["entries"]?[0]?["name"]?.string == "press__stamp")
            let shown = try await client.post("/v1/catalog/show", ["entry": "press__stamp"])
            #expect(shown["original"]?.string == "stamp")
            let answer = try await client.call("/v1/call", ["entry": "press__stamp", "arguments": [:]]) { _ in
            }
            #expect(answer["ok"]?.bool == true)
            #expect(answer["result"]?["content"]?[0]?["text"]?.string == "stamped")
            #expect(answer["path"]?.elements.compactMap(\.string) == ["here"])
            let unknown = try await client.call("/v1/call", ["entry": "press__stmap"]) { _ in }
            #expect(unknown["error"]?["data"]?["hint"]?.string == "did you mean press__stamp?")
            #expect(
                try await node.ask("POST", "/v1/servers", #"{"name":"press","definition":{"command":"x"}}"#)
                    .status == 409)
            _ = try await client.delete("/v1/servers/press")
            #expect(try await node.ask("DELETE", "/v1/servers/press").status == 404)
            await client.close()
        }
    }

    @Test func `a call whose client goes away is cancelled`() async throws {
        try await TestNode.with { node in
            let client = node.client
            _ = try await client.post(
                "/v1/servers", ["name": "press", "definition": ShellServer.definition(in: node.folder)])
            let call = Task { try await client.call("/v1/call", ["entry": "press__wait"]) { _ in } }
            try await ShellServer.waitForFile("started", in: node.folder)
            call.cancel()
            try await ShellServer.waitForFile("cancelled", in: node.folder)
            _ = await call.result
            await client.close()
        }
    }
}

/// A legacy stdio server in a few lines of shell: `stamp` answers, `wait` never does and notes that it was cancelled.
enum ShellServer {
    static func definition(in folder: String) -> JSON {
        ["command": "sh", "args": ["-c", .string(script)], "env": ["NOTES": .string(folder)]]
    }

    /// Returns when the server has left a file of this name.
    static func waitForFile(_ name: String, in folder: String) async throws {
        while !FileManager.default.fileExists(atPath: "\(folder)/\(name)") {
            try await Task.sleep(for: .milliseconds(5))  // another process writes it
        }
    }

    private static let script = #"""
        answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
        while IFS= read -r line; do
          id=$(printf '%s' "$line" | sed -n 's/^{"jsonrpc":"2.0","id":\([0-9]*\),.*/\1/p')
          case "$line" in
            *'"method":"server/discover"'*)
              printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32600,"message":"not initialized"}}\n' "$id" ;;
            *'"method":"initialize"'*)
              answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"shell","version":"1"}}' ;;
            *'"method":"tools/list"'*)
              answer '{"tools":[{"name":"stamp","inputSchema":{"type":"object"}},{"name":"wait","inputSchema":{"type":"object"}}]}' ;;
            *'"name":"stamp"'*) answer '{"content":[{"type":"text","text":"stamped"}]}' ;;
            *'"name":"wait"'*) : > "$NOTES/started" ;;
            *'"notifications/cancelled"'*) : > "$NOTES/cancelled" ;;
            *) ;;
          esac
        done
        """#
}
