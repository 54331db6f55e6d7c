import JSONSlice
import MCPModel
import MartletTestKit
import Testing

/// Messages, headers and streams that nobody means well with.
struct HostileMessageTests {
    private static let messages = (try? Hostile.kept("mcp-messages")) ?? []
    private static let streams = (try? Hostile.kept("event-stream")) ?? []
    private static let headers = (try? Hostile.kept("mcp-headers")) ?? []

    private func read(message bytes: [UInt8]) {
        let skim = EnvelopeSkim(bytes)
        guard let json = try? JSON(validating: bytes), let message = try? RPCMessage(json) else { return }
        #expect((try? RPCMessage(message.json)) == message)
        if let id = message.id, message.method != nil { #expect(skim.id == id) }
        _ = try? ModernRequest(message) { [$0] }
        guard let params = message.params else { return }
        _ = EraBridge.legacyParams(fromModern: params)
        if let tool = ToolDefinition(params) { _ = try? tool.parameterHeaders() }
    }

    private func read(stream bytes: [UInt8], using random: inout SplitMix64) {
        var whole = SSEParser(limit: 512)
        var cut = SSEParser(limit: 512)
        let expected = try? whole.push(bytes)
        var events: [SSEEvent]? = []
        for piece in random.cut(bytes) {
            events = (try? cut.push(piece)).flatMap { more in events.map { $0 + more } }
        }
        #expect(events == expected)
    }

    private func read(header bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(MirroredHeaders.decoded(MirroredHeaders.encoded(text)) == text)
        _ = (MirroredHeaders.decoded(text), TraceContext(text), Base64.decode(text))
    }

    @Test func `what searches have kept is read or refused`() {
        #expect(Self.messages.count > 100 && Self.streams.count > 50 && Self.headers.count > 50)
        var random = SplitMix64(seed: 1)
        for bytes in Self.messages { read(message: bytes) }
        for bytes in Self.streams { read(stream: bytes, using: &random) }
        for bytes in Self.headers { read(header: bytes) }
    }

    @Test(arguments: UInt64(1)...30)
    func `what is mangled is read or refused, in little time`(seed: UInt64) throws {
        var mangler = Mangler(seed: seed)
        for _ in 0..<100 {
            let message = mangler.mangled(try Self.messages.randomElement(using: &mangler.random).orFail())
            let stream = mangler.mangled(try Self.streams.randomElement(using: &mangler.random).orFail())
            let header = mangler.mangled(try Self.headers.randomElement(using: &mangler.random).orFail())
            let took = ProcessorTime.of {
                read(message: message)
                read(stream: stream, using: &mangler.random)
                read(header: header)
            }
            #expect(took < ProcessorTime.inputMax, "replay with seed \(seed)")
        }
    }
}
