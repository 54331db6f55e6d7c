import HTTPWire
import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

/// A legacy server that asks, behind a front: what clients of both eras see of it.
@Suite(.timeLimit(.minutes(1)))
struct AskedCallerTests {
    /// The caller is who the header `X-Caller` says.
    ///
    /// - Parameter questionWindow: longer where several questions must come as one round, also on a busy machine.
    private static func with(
        questionWindow: Duration = BackendLimits.standard.questionWindow,
        _ body: (FrontRig, BackendRig) async throws -> Void
    ) async throws {
        var limits = BackendRig.limits
        limits.questionWindow = questionWindow
        try await BackendRig.with(AskingServer.stdio(), limits: limits, seal: AskingServer.seal) { back in
            let backends = BackendService(timeout: .seconds(20))
            backends.take(.listed(try await back.listing()))
            var service = backends.service { back.backend.call($0, $1) }
            service.door = FrontDoor { exchange in
                .allowed(
                    Principal(Caller(issuer: "key", subject: exchange.headers.first("x-caller") ?? "ada")))
            }
            try await FrontRig.with(service) { try await body($0, back) }
        }
    }

    private static func call(_ asked: JSON? = nil, _ answers: JSON? = nil) -> JSON {
        var params: JSON = ["name": "confirm", "arguments": ["n": 1]]
        if let answers { params = params.setting("inputResponses", to: answers) }
        if let state = asked?["requestState"] { params = params.setting("requestState", to: state) }
        return params
    }

    private static let answers: JSON = ["elicitation-1": ["action": "accept", "content": ["ok": true]]]

    @Test func `a modern client is asked by input_required, and only the one who was asked may answer`()
        async throws
    {
        try await Self.with { front, _ in
            let asked = try await front.modern("tools/call", Self.call(), capabilities: AskingServer.form)
            let result = try #require(asked.json["result"])
            #expect(asked.status == 200 && result["resultType"]?.string == "input_required")
            #expect(result["ttlMs"] == nil)
            let retry = Self.call(result, Self.answers)
            let stolen = try await front.send(
                "POST", "/mcp",
                headers: FrontRig.modernHeaders("tools/call", name: "confirm") + [("X-Caller", "mallory")],
                body: FrontRig.modernBody("tools/call", retry, capabilities: AskingServer.form))
            #expect(stolen.json["error"]?["data"]?["reason"]?.string == "invalid_arguments")
            let done = try await front.modern("tools/call", retry, capabilities: AskingServer.form)
            #expect(done.json["result"]?["resultType"]?.string == "complete")
            #expect(done.json["result"]?["content"]?[0]?["text"]?.string?.contains("accept") == true)
        }
    }

    @Test func `a modern client that cannot be asked is not`() async throws {
        try await Self.with { front, _ in
            let answer = try await front.modern("tools/call", Self.call())
            #expect(answer.json["result"]?["content"]?[0]?["text"]?.string?.contains("-32601") == true)
        }
    }

    @Test(arguments: ["cancel", "refuse", "leave"])
    func `a legacy client that will not answer frees the call at once`(how: String) async throws {
        try await Self.with(questionWindow: .seconds(1)) { front, back in
            let (_, session) = try await front.initialize(.v2025_11_25, capabilities: AskingServer.everything)
            let headers = FrontRig.legacyHeaders(session, .v2025_11_25)
            let events = try front.stream(
                "POST", "/mcp", headers: headers,
                body: FrontRig.legacyBody("tools/call", ["name": "many for ever", "arguments": [:]], id: "c"))
            for _ in 0..<3 {
                let asked = try #require(try await events.next())
                guard how == "refuse", asked["method"]?.string == "roots/list" else { continue }
                let refusal: JSON = [
                    "jsonrpc": "2.0", "id": asked["id"] ?? .null, "error": ["code": -1, "message": "no"],
                ]
                _ = try await front.send("POST", "/mcp", headers: headers, body: Array(refusal.bytes))
            }
            let cancelled: JSON = [
                "jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": "c"],
            ]
            if how == "cancel" {
                _ = try await front.send("POST", "/mcp", headers: headers, body: Array(cancelled.bytes))
            }
            if how == "leave" { _ = try await front.send("DELETE", "/mcp", headers: headers) }
            _ = try await back.line(containing: #"answer {"action": "cancel"}"#)
            _ = try await back.line(containing: "cancelled")
        }
    }

    @Test func `a client that can take no question frees the call at once`() async throws {
        try await Self.with { front, back in
            let (_, session) = try await front.initialize(.v2025_11_25, capabilities: AskingServer.form)
            var headers = FrontRig.legacyHeaders(session, .v2025_11_25)
            headers = headers.map { $0.0 == "Accept" ? ("Accept", "application/json") : $0 }
            let answer = try await front.send(
                "POST", "/mcp", headers: headers,
                body: FrontRig.legacyBody("tools/call", ["name": "confirm for ever"], id: 1))
            #expect(answer.json["error"]?["message"]?.string?.contains("text/event-stream") == true)
            _ = try await back.line(containing: "cancelled")
        }
    }

    @Test(arguments: [ProtocolRevision.v2025_06_18, .v2025_11_25])
    func `a legacy client is asked by a real request on the stream of its call`(
        revision: ProtocolRevision
    ) async throws {
        try await Self.with { front, _ in
            let (_, session) = try await front.initialize(revision, capabilities: ["elicitation": [:]])
            let events = try front.stream(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(session, revision),
                body: FrontRig.legacyBody("tools/call", Self.call(), id: "c"))
            let asked = try #require(try await events.next())
            #expect(asked["method"]?.string == "elicitation/create")
            #expect(asked["params"]?["message"]?.string == "Sure?")
            let response: JSON = [
                "jsonrpc": "2.0", "id": asked["id"] ?? .null,
                "result": Self.answers["elicitation-1"] ?? .null,
            ]
            let posted = try await front.send(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(session, revision),
                body: Array(response.bytes))
            #expect(posted.status == 202)
            let result = try #require(try await events.next())
            #expect(result["id"]?.string == "c" && result["result"]?["resultType"] == nil)
            #expect(result["result"]?["content"]?[0]?["text"]?.string?.contains(#""ok": true"#) == true)
        }
    }
}
