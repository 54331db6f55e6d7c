import Gateway
import JSONSlice
import MCPModel
import Testing

@testable import Admin

@Suite(.timeLimit(.minutes(1)))
struct AdminRightsTests {
    @Test func `every route has its line, and every line its route`() {
        let routes = AdminRoute.all.map { "\($0.method) /\($0.pattern.joined(separator: "/"))" }
        let (missing, left) = (
            Set(routes).subtracting(AdminRights.needed.keys), Set(AdminRights.needed.keys).subtracting(routes)
        )
        #expect(missing.isEmpty, "give these a role in AdminRights")
        #expect(left.isEmpty, "these routes are gone")
    }

    @Test func `what only looks is open to viewers, what changes is not`() {
        for route in AdminRoute.all where route.method == "GET" && route.pattern != ["v1", "admin-tokens"] {
            #expect(AdminRights.role(for: route) == .viewer, "\(route.pattern)")
        }
        for route in AdminRoute.all where route.method == "PUT" || route.method == "DELETE" {
            #expect(AdminRights.role(for: route) > .viewer, "\(route.pattern)")
        }
    }

    @Test func `a route that nobody has thought of is for administrators`() {
        let route = AdminRoute("GET", "/v1/unheard-of") { _, _ in .null }
        #expect(AdminRights.role(for: route) == .admin)
    }

    private func key(_ role: String, _ node: TestNode) async throws -> String {
        let made = try await node.ask("POST", "/v1/admin-tokens", #"{"name":"\#(role)","role":"\#(role)"}"#)
        return try #require(made.json["token"]?.string)
    }

    @Test(arguments: [
        ("viewer", "GET", "/v1/status", "", 200), ("viewer", "POST", "/v1/catalog/search", "{}", 200),
        ("viewer", "POST", "/v1/call", #"{"entry":"x"}"#, 403), ("viewer", "POST", "/v1/virtual", "{}", 403),
        ("editor", "POST", "/v1/virtual", "{}", 400), ("editor", "POST", "/v1/call", #"{"entry":"x"}"#, 200),
        ("editor", "POST", "/v1/tokens", #"{"name":"x"}"#, 403),
        ("editor", "PUT", "/v1/secrets/a", "{}", 403),
        ("editor", "GET", "/v1/admin-tokens", "", 403),
        ("editor", "POST", "/v1/admin-tokens", #"{"name":"x","role":"admin"}"#, 403),
        ("admin", "POST", "/v1/tokens", #"{"name":"x"}"#, 200), ("admin", "GET", "/v1/admin-tokens", "", 200),
    ])
    func `a key does what its role may`(role: String, method: String, path: String, body: String, status: Int)
        async throws
    {
        try await TestNode.with { node in
            let answer = try await node.ask(method, path, body, token: try await key(role, node))
            #expect(answer.status == status, "\(answer.json)")
            if status == 403 {
                #expect(answer.code == "forbidden" && answer.message.contains("this key has \(role)"))
            }
        }
    }

    @Test func `a key is shown once, opens nothing once revoked, and no other door`() async throws {
        try await TestNode.with { node in
            let token = try await key("viewer", node)
            let listed = try await node.ask("GET", "/v1/admin-tokens").json
            #expect(listed["tokens"]?[0]?["role"]?.string == "viewer" && !listed.text.contains(token))
            #expect(try await node.ask("GET", "/v1/status", token: token).status == 200)
            // A caller's key is another thing.
            let callers = try await node.ask("POST", "/v1/tokens", #"{"name":"agent"}"#).json
            #expect(
                try await node.ask("GET", "/v1/status", token: callers["token"]?.string ?? "").status == 401)
            #expect(try await node.ask("DELETE", "/v1/admin-tokens/viewer").status == 200)
            #expect(try await node.ask("GET", "/v1/status", token: token).status == 401)
        }
    }

    @Test(arguments: ["", "root", "Viewer"])
    func `a role that does not exist is told`(role: String) async throws {
        try await TestNode.with { node in
            let answer = try await node.ask("POST", "/v1/admin-tokens", #"{"name":"x","role":"\#(role)"}"#)
            #expect(answer.status == 400)
        }
    }

    @Test func `only administrators call as somebody else, and it is told on the call`() async throws {
        try await TestNode.with { node in
            let body = #"{"entry":"nothing","as":"key:alice"}"#
            let editors = try await node.ask("POST", "/v1/call", body, token: try await key("editor", node))
            #expect(editors.json["error"] != nil || editors.json == .null)
            await #expect(throws: AdminClientError.self) {
                let client = AdminClient(address: node.address, token: try await key("viewer", node))
                _ = try await client.call("/v1/call", try JSON(validating: body)) { _ in }
            }
            let mine = try await node.client.call("/v1/call", try JSON(validating: body)) { _ in }
            #expect(mine["as"]?.string == "key:alice" && mine["by"]?.string == "local:admin")
        }
    }

    @Test func `rules are explained over the admin surface`() async throws {
        try await TestNode.with { node in
            let nobody = try await node.ask("POST", "/v1/auth/can-call", #"{"who":"alice","entry":"x"}"#)
            #expect(nobody.status == 400 && nobody.message.contains("names no caller"))
            let nothing = try await node.ask("POST", "/v1/auth/can-call", #"{"who":"key:alice","entry":"x"}"#)
            #expect(nothing.status == 404)
        }
    }
}
