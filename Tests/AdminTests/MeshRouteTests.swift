import Foundation
import JSONSlice
import Testing

/// Issuers, revocation and the root's key, over the admin surface of whole nodes.
@Suite(.timeLimit(.minutes(2)))
struct MeshRouteTests {
    /// Two nodes; the second joined the first's mesh with these roles.
    private func pair(
        roles: String = "[]", _ body: (_ first: TestNode, _ second: TestNode) async throws -> Void
    ) async throws {
        try await TestNode.with(name: "first", mesh: "127.0.0.1:0") { first in
            try await TestNode.with(name: "second", mesh: "127.0.0.1:0") { second in
                let made = try await first.ask("POST", "/v1/mesh/token", "{\"roles\":\(roles)}")
                let token = try #require(made.json["token"]?.string, "\(made.message)")
                let joined = try await second.ask("POST", "/v1/mesh/join", "{\"token\":\"\(token)\"}")
                try #require(joined.status == 200, "\(joined.message)")
                for (node, other) in [(first, "second"), (second, "first")] {
                    try await until("\(other) reached") {
                        let peers = try await node.ask("GET", "/v1/peers").json["peers"]?.elements ?? []
                        return peers.contains {
                            $0["label"]?.string == other && $0["state"]?.string == "reachable"
                        }
                    }
                }
                try await body(first, second)
            }
        }
    }

    private func until(_ what: String, _ holds: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try await !holds() {
            try #require(ContinuousClock.now < deadline, "never came to: \(what)")
            try await Task.sleep(for: .milliseconds(20))  // a poll with a deadline
        }
    }

    private func attention(_ node: TestNode) async throws -> String {
        let lines = try await node.ask("GET", "/v1/status").json["attention"]?.elements ?? []
        return lines.compactMap(\.string).joined(separator: "\n")
    }

    private func finding(_ node: TestNode, _ what: String) async throws -> JSON? {
        let checks = try await node.ask("GET", "/v1/doctor").json["checks"]?.elements ?? []
        return checks.first { $0["what"]?.string == what }
    }

    @Test func `a revoked node is gone here, and says there why`() async throws {
        try await pair { first, second in
            #expect(try await attention(first).contains("root export --remove"))
            #expect(try await finding(first, "issuers")?["verdict"]?.string == "warning")
            let unknown = try await first.ask("POST", "/v1/mesh/revoke", #"{"node":"nobody"}"#)
            #expect(unknown.status == 404)
            let refused = try await second.ask("POST", "/v1/mesh/revoke", #"{"node":"first"}"#)
            #expect(refused.status != 200)
            let revoked = try await first.ask(
                "POST", "/v1/mesh/revoke", #"{"node":"second","reason":"stolen"}"#)
            #expect(revoked.status == 200, "\(revoked.message)")
            #expect(revoked.json["label"]?.string == "second")
            try await until("second gone") {
                try await first.ask("GET", "/v1/peers").json["peers"]?.elements.isEmpty == true
            }
            try await until("second knows") { try await attention(second).contains("stolen") }
            // It becomes a mesh of one again.
            #expect(try await second.ask("POST", "/v1/mesh/leave").status == 200)
            let token = try await first.ask("POST", "/v1/mesh/token").json["token"]?.string ?? ""
            let again = try await second.ask("POST", "/v1/mesh/join", "{\"token\":\"\(token)\"}")
            #expect(again.message.contains("revoked"))
        }
    }

    @Test func `a peer is told with its path, since when, and answers a ping`() async throws {
        try await pair { first, second in
            let peer = try await first.ask("GET", "/v1/peers").json["peers"]?[0]
            #expect(peer?["path"]?.string == "direct")
            #expect(peer?["sinceSeconds"] != nil)
            let path = try await first.ask("GET", "/v1/peers/second/path")
            #expect(path.status == 200, "\(path.message)")
            #expect(path.json["best"]?["hops"]?.elements.compactMap { $0["label"]?.string } == ["second"])
            #expect(path.json["second"] == nil)
            let ping = try await first.ask("POST", "/v1/peers/second/ping")
            #expect(ping.status == 200, "\(ping.message)")
            #expect(ping.json["path"]?.elements.compactMap(\.string) == ["second"])

            for ask in [("GET", "path"), ("POST", "ping")] {
                let unknown = try await first.ask(ask.0, "/v1/peers/nobody/\(ask.1)")
                #expect(unknown.status == 404)
                #expect(unknown.message.contains("no node named nobody"))
                #expect(try await first.ask(ask.0, "/v1/peers/first/\(ask.1)").status == 400)
            }
            #expect(try await second.ask("POST", "/v1/mesh/leave").status == 200)
        }
    }

    @Test func `a second issuer admits, and the root's key goes over to it`() async throws {
        try await pair(roles: #"["member","entry","issuer"]"#) { first, second in
            let issuers = try await second.ask("GET", "/v1/mesh/issuers").json["issuers"]?.elements ?? []
            #expect(issuers.compactMap { $0["label"]?.string } == ["first", "second"])
            #expect(try await finding(second, "issuers")?["verdict"]?.string == "ok")
            #expect(try await second.ask("POST", "/v1/mesh/token").status == 200)
            // Further issuers are the root's affair.
            let further = try await second.ask("POST", "/v1/mesh/token", #"{"roles":["member","issuer"]}"#)
            #expect(further.message.contains("root's key"))

            // The first does not take the root's key with it.
            #expect(try await first.ask("POST", "/v1/mesh/leave").message.contains("root's key"))
            let root = try await first.ask("POST", "/v1/mesh/root/export").json["root"]?.string ?? ""
            #expect(root.hasPrefix("martlet-root-"))
            #expect(
                try await first.ask("POST", "/v1/mesh/root/remove", #"{"root":"martlet-root-x"}"#).status
                    != 200)
            #expect(
                try await first.ask("POST", "/v1/mesh/root/remove", "{\"root\":\"\(root)\"}").status == 200)
            #expect(try await first.ask("POST", "/v1/mesh/root/export").status != 200)
            let imported = try await second.ask("POST", "/v1/mesh/root/import", "{\"root\":\"\(root)\"}")
            #expect(imported.json["becameIssuer"]?.bool == false, "\(imported.message)")
            let ended = try await second.ask("POST", "/v1/mesh/revoke", #"{"node":"first","reason":"old"}"#)
            #expect(ended.json["by"]?.string == "the root", "\(ended.message)")
            try await until("first knows") { try await attention(first).contains("revoked by the root") }
        }
    }

    @Test func `whoever gets the root's key becomes an issuer, without losing its mesh`() async throws {
        try await pair { first, second in
            let root = try await first.ask("POST", "/v1/mesh/root/export").json["root"]?.string ?? ""
            let imported = try await second.ask("POST", "/v1/mesh/root/import", "{\"root\":\"\(root)\"}")
            #expect(imported.json["becameIssuer"]?.bool == true, "\(imported.message)")
            try await until("both issuers") {
                let issuers = try await first.ask("GET", "/v1/mesh/issuers").json["issuers"]?.elements ?? []
                return issuers.count == 2
            }
            #expect(try await second.ask("POST", "/v1/mesh/token").status == 200)
            let other = try await second.ask(
                "POST", "/v1/mesh/root/import", #"{"root":"martlet-root-aaaa"}"#)
            #expect(other.status == 400, "\(other.message)")
        }
    }
}
