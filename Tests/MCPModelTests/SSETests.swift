import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@Suite struct SSETests {
    static let stream =
        "\u{FEFF}: comment\r\nevent: endpoint\r\ndata: /post?x=1\r\n\r\n"
        + "data: one\rdata:two\rdata:  three\r\rid: 7\nretry: 250\ndata\n\n"
        + "event: ignored\n\nid: a\u{0}b\nid:\nunknown: x\ndata: {\"é\":1}\nretry: 2x\n\n\ndata: lost"

    static let events = [
        SSEEvent(type: "endpoint", data: Array("/post?x=1".utf8)),
        SSEEvent(data: Array("one\ntwo\n three".utf8)),
        SSEEvent(data: [], id: "7", retry: 250),
        SSEEvent(data: Array("{\"é\":1}".utf8), id: ""),
    ]

    @Test func `events follow the standard`() throws {
        var parser = SSEParser()
        #expect(try parser.push(Self.stream.utf8) == Self.events)
        #expect(parser.lastEventID == "")
        #expect(parser.retry == 250)
    }

    @Test func `any two chunks give the same events`() throws {
        let bytes = Array(Self.stream.utf8)
        for cut in 0...bytes.count {
            var parser = SSEParser()
            let events = try parser.push(bytes[..<cut]) + parser.push(bytes[cut...])
            #expect(events == Self.events, "cut at \(cut)")
        }
    }

    @Test(arguments: UInt64(1)...100)
    func `any chunks give the same events`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var parser = SSEParser()
        var events: [SSEEvent] = []
        var rest = Array(Self.stream.utf8)[...]
        while !rest.isEmpty {
            let count = Int.random(in: 0...min(9, rest.count), using: &random)
            events += try parser.push(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        #expect(events == Self.events)
    }

    @Test(arguments: [
        SSEEvent(data: []), SSEEvent(type: "message", data: Array("{\"a\":1}".utf8), id: "s1-4"),
        SSEEvent(data: Array("a\n\nb\n".utf8), retry: 1000), SSEEvent(data: Array(" lead: é".utf8)),
    ])
    func `an event is read as it was written`(event: SSEEvent) throws {
        var parser = SSEParser()
        #expect(try parser.push(SSEEvent.keepAlive + event.bytes + SSEEvent.keepAlive) == [event])
    }

    @Test func `a line break cannot be smuggled into a field`() throws {
        let event = SSEEvent(type: "a\ndata: x", data: Array("1\r\n2\r3".utf8), id: "b\r\n")
        var parser = SSEParser()
        #expect(
            try parser.push(event.bytes)
                == [SSEEvent(type: "adata: x", data: Array("1\n2\n3".utf8), id: "b")])
    }

    @Test func `a message is one data line`() throws {
        let params = try JSON(validating: "{\"a\":\n1}")
        let event = SSEEvent(.notification(method: "x", params: params), id: "9")
        #expect(
            String(decoding: event.bytes, as: UTF8.self)
                == "event: message\nid: 9\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"a\":1}}\n\n"
        )
    }

    @Test func `an event without end is refused at the bound`() throws {
        var parser = SSEParser(limit: 16)
        #expect(try parser.push("data: 12345\n".utf8).isEmpty)
        #expect(throws: SSEParser.TooLarge.self) {
            for _ in 0..<4 { _ = try parser.push("data: 12345\n".utf8) }
        }
        #expect(throws: SSEParser.TooLarge.self) { try parser.push("\n\n".utf8) }
    }

    @Test(arguments: UInt64(1)...100)
    func `an event over the bound can be left out alone, however it is cut`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let giant = "{\"id\":9,\"result\":{\"x\":\"" + String(repeating: "y", count: 400) + "\"}}"
        let text = "data: 1\n\ndata: \(giant)\r\n: note\r\n\r\nid: 5\ndata: 2\n\n"
        var parser = SSEParser(limit: 60, overLimit: .leavesOut)
        var events: [SSEEvent] = []
        var leftOut: [EnvelopeSkim] = []
        for piece in random.cut(Array(text.utf8)) {
            events += try parser.push(piece)
            leftOut += parser.takeLeftOut()
        }
        #expect(events == [SSEEvent(data: [0x31]), SSEEvent(data: [0x32], id: "5")])
        #expect(leftOut.map(\.answers) == [RPCID(9)])
    }
}
