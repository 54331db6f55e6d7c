import Foundation
import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

/// A list that is kept as it was written goes out as one that is made for each request.
@Suite(.timeLimit(.minutes(1)))
struct WrittenListTests {
    private static let tools: [JSON] = (0..<50).map { number in
        [
            "name": .string("tool-\(number)"), "title": "Does \"things\" – ø", "icons": [["src": "a"]],
            "inputSchema": ["type": "object", "properties": ["a": ["type": "string"]]],
            "outputSchema": ["type": "object"], "execution": ["taskSupport": "optional"],
        ]
    }

    private static func service(_ written: WrittenPage?) -> MCPService {
        var service = FrontRig.sample
        service.list = { _, _, kind, cursor in
            guard kind == .tools else { return .success(ListPage(items: [])) }
            guard cursor == nil else { return .failure(.invalidParams("no such cursor")) }
            return .success(ListPage(items: Self.tools, nextCursor: "more", written: written))
        }
        return service
    }

    /// The answers to the same requests, asked twice each.
    private static func answers(_ written: WrittenPage?) async throws -> [String] {
        var texts: [String] = []
        try await FrontRig.with(service(written)) { front in
            for id in [1, "a b", 12_345_678_901_234] as [JSON] {
                for _ in 0..<2 {
                    let answer = try await front.send(
                        "POST", "/mcp", headers: FrontRig.modernHeaders("tools/list"),
                        body: FrontRig.modernBody("tools/list", id: id))
                    #expect(
                        answer.status == 200 && answer.headers.first("content-type") == "application/json")
                    texts.append(answer.json.text)
                }
            }
            for accept in ["application/json", "text/event-stream"] {
                let headers = FrontRig.modernHeaders("tools/list").map {
                    $0.0 == "Accept" ? ($0.0, accept) : $0
                }
                let answer = try await front.send(
                    "POST", "/mcp", headers: headers, body: FrontRig.modernBody("tools/list"))
                #expect(answer.headers.first("content-type") == accept)
                texts.append(answer.json.text)
            }
            let stale = try await front.modern("tools/list", ["cursor": "x"])
            texts.append(stale.json.text)
            for revision in ProtocolRevision.allCases
            where revision.era == .legacy && revision != .v2024_11_05 {
                let (_, session) = try await front.initialize(revision)
                for _ in 0..<2 {
                    let answer = try await front.legacy("tools/list", session: session, revision: revision)
                    texts.append(answer.json.text)
                }
            }
        }
        return texts
    }

    @Test func `its bytes are the same for every revision and every way to ask`() async throws {
        let room = WrittenRoom()
        let plain = try await Self.answers(nil)
        let kept = try await Self.answers(WrittenPage(room))
        #expect(plain.count > 12 && plain.allSatisfy { $0.hasPrefix(#"{"jsonrpc":"2.0","#) })
        #expect(plain.filter { $0.contains("tool-49") }.count >= 12)
        for (index, (one, other)) in zip(plain, kept).enumerated() { #expect(one == other, "\(index)") }
        #expect(plain.count == kept.count)
        let none = try await Self.answers(WrittenPage(WrittenRoom(max: 0)))
        #expect(none == plain, "also where nothing can be kept")
        #expect(room.bytes == 0, "what was kept is let go of with the page")
    }

    @Test func `many at once on one connection come whole and in order`() async throws {
        try await FrontRig.with(Self.service(WrittenPage(WrittenRoom()))) { front in
            let peer = try await RawPeer.connect(port: front.port)
            func request(_ id: Int, _ close: Bool) -> String {
                let body = String(
                    decoding: FrontRig.modernBody("tools/list", id: .number(id)), as: UTF8.self)
                let headers = FrontRig.modernHeaders("tools/list").map { "\($0.0): \($0.1)\r\n" }.joined()
                return "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:\(front.port)\r\n\(headers)"
                    + (close ? "Connection: close\r\n" : "") + "Content-Length: \(body.utf8.count)\r\n\r\n"
                    + body
            }
            try await peer.send((1...20).map { request($0, $0 == 20) }.joined())
            let text = try await peer.readToEnd()
            let parts = text.components(separatedBy: "\r\n\r\n").dropFirst()
            #expect(parts.count == 20)
            for (index, part) in parts.enumerated() {
                #expect(part.hasPrefix(#"{"jsonrpc":"2.0","id":\#(index + 1),"result":{"#))
                #expect(part.contains("tool-49"))
            }
        }
    }
}
