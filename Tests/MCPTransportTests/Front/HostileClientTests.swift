import HTTPWire
import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// Clients that do what no client should: each is told what is wrong with what it sent, and nobody else notices.
@Suite(.timeLimit(.minutes(3)), .serialized)
struct HostileClientTests {
    private static var http: HTTPLimits {
        var limits = HTTPLimits.standard
        limits.message.bodyBytesMax = 4_096
        limits.message.headBytesMax = 2_048
        limits.names = HTTPLimitNames(
            body: LimitName.message.description, head: LimitName.header.description)
        return limits
    }

    /// Short, and long enough for a busy machine to send what it means to send.
    private static var impatient: HTTPLimits {
        var limits = http
        limits.bodyTimeout = .seconds(3)
        limits.headTimeout = .seconds(3)
        return limits
    }

    private static func head(_ length: Int, _ more: String = "") -> String {
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(more)"
            + "Content-Length: \(length)\r\n\r\n"
    }

    /// A good client's call, which must go through whatever others do.
    private func expectService(_ rig: FrontRig) async throws {
        let answer = try await rig.modern("tools/call", ["name": "echo", "arguments": ["text": "fine"]])
        #expect(answer.json.pointer("/result/content/0/text")?.string == "fine")
    }

    @Test(arguments: [
        (head(5_000), 413, "limits.message"),
        (
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", 413,
            "limits.message"
        ),
        (head(1, "X-Pad: " + String(repeating: "x", count: 3_000) + "\r\n"), 431, "limits.header"),
    ])
    func `too much is refused by the name of the limit`(
        request: String, status: Int, limit: String
    ) async throws {
        try await FrontRig.with(http: Self.http) { rig in
            let peer = try await RawPeer.connect(port: rig.port)
            try await peer.send(request)
            let answer = try await peer.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
            #expect(answer.contains(limit))
            try await expectService(rig)
        }
    }

    @Test func `what is nested too deep is refused under its id, by the name of the limit`() async throws {
        var limits = FrontLimits()
        limits.message.depthMax = 20
        let nested = String(repeating: "[", count: 30) + String(repeating: "]", count: 30)
        let body =
            #"{"jsonrpc":"2.0","method":"tools/call","params":{"arguments":{"x":\#(nested)}},"id":"mine"}"#
        try await FrontRig.with(limits: limits) { rig in
            let answer = try await rig.send(
                "POST", "/mcp", headers: FrontRig.modernHeaders("tools/call", name: "echo"),
                body: Array(body.utf8))
            #expect(answer.status == 400)
            #expect(answer.json["id"]?.string == "mine")
            #expect(answer.json.pointer("/error/code")?.int == -32600)
            #expect(answer.json.pointer("/error/data/limit")?.string == "limits.nesting")
            #expect(answer.json.pointer("/error/data/reason")?.string == "too_large")
            try await expectService(rig)
        }
    }

    @Test func `half-open requests and slow bodies keep nobody out, and end`() async throws {
        try await FrontRig.with(http: Self.impatient) { rig in
            var peers: [RawPeer] = []
            for index in 0..<30 {
                let peer = try await RawPeer.connect(port: rig.port)
                switch index % 3 {
                case 0: break
                case 1: try await peer.send("POST /mcp HTTP/1.1\r\nHost: loc")
                default: try await peer.send(Self.head(1_000) + #"{"jsonrpc":"2.0","#)
                }
                peers.append(peer)
            }
            try await expectService(rig)
            for peer in peers { #expect(try await peer.readToEnd().hasPrefix("HTTP/1.1 408 ")) }
            try await expectService(rig)
        }
    }

    @Test func `a body that lies about its length is one message and one refusal`() async throws {
        let body = String(decoding: FrontRig.legacyBody("ping", [:], id: 1), as: UTF8.self)
        try await FrontRig.with(http: Self.impatient) { rig in
            let longer = try await RawPeer.connect(port: rig.port)
            try await longer.send(Self.head(body.utf8.count - 3) + body)
            // What is cut off is no JSON; what is left over is no request.
            let answers = try await longer.readToEnd()
            #expect(answers.contains("-32700"))
            #expect(answers.contains("HTTP/1.1 400 ") || answers.contains("HTTP/1.1 501 "))
            let shorter = try await RawPeer.connect(port: rig.port)
            try await shorter.send(Self.head(body.utf8.count + 10) + body)
            #expect(try await shorter.readToEnd().hasPrefix("HTTP/1.1 408 "))
            try await expectService(rig)
        }
    }

    @Test func `ten thousand requests in one batch are refused as one, and none is run`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let (_, session) = try await rig.initialize(.v2025_03_26)
            let calls = (0..<10_000).map {
                #"{"jsonrpc":"2.0","id":\#($0),"method":"tools/call","params":{"name":"x"}}"#
            }
            let answer = try await rig.send(
                "POST", "/mcp", headers: FrontRig.legacyHeaders(session),
                body: Array("[\(calls.joined(separator: ","))]".utf8))
            #expect(answer.status == 400)
            #expect(answer.json.pointer("/error/code")?.int == -32600)
            #expect(probe.lastCall == nil)
            let pong = try await rig.legacy("ping", session: session, revision: .v2025_03_26)
            #expect(pong.json["result"] == .emptyObject)
        }
    }

    @Test func `an id that is in use is refused, and the call that has it goes on`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let (_, session) = try await rig.initialize(.v2025_06_18)
            async let first = rig.legacy(
                "tools/call", ["name": "x"], session: session, revision: .v2025_06_18, id: 7)
            await probe.wait(for: "call")
            let second = try await rig.legacy(
                "tools/call", ["name": "y"], session: session, revision: .v2025_06_18, id: 7)
            #expect(second.json.pointer("/error/code")?.int == -32600)
            probe.answer(.result(["content": [], "resultType": "complete"]))
            #expect(try await first.json["result"]?["content"] == .emptyArray)
            #expect(probe.cancelled == 0)
        }
    }

    @Test func `a client that never reads its stream loses it, and its call is cancelled`() async throws {
        let probe = ServiceProbe()
        try await FrontRig.with(probe.service) { rig in
            let deaf = try await RawPeer.connectDeaf(port: rig.port)
            let fields = FrontRig.modernHeaders("tools/call", name: "x").map { "\($0.0): \($0.1)\r\n" }
            let body = FrontRig.modernBody("tools/call", ["name": "x"], token: 1)
            try await deaf.send(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\n\(fields.joined())Content-Length: \(body.count)\r\n\r\n"
                    + String(decoding: body, as: UTF8.self))
            await probe.wait(for: "call")
            let words = JSON.string(String(repeating: "w", count: 64 * 1024))
            var sent = 0
            while probe.cancelled == 0 {
                sent += 1
                probe.answer(
                    .notification(
                        method: Method.progress, params: ["progress": .number(sent), "message": words]))
                try await Task.sleep(for: .milliseconds(1))  // a condition; the suite has a time limit
            }
            #expect(sent < 2_000, "64 KiB each, over a bound of 4 MiB and what the system takes")
        }
    }
}
