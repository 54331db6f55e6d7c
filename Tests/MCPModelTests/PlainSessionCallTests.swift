import JSONSlice
import MartletTestKit
import Testing

@testable import MCPModel

/// The short way's reading and writing of calls in a session against the long way's.
@Suite struct PlainSessionCallTests {
    private static let id = CallID(high: 0x0123_4567_89AB_CDEF, low: 0x0F1E_2D3C_4B5A_6978)
    private static let revisions = ProtocolRevision.allCases.filter { $0.era == .legacy }

    private static func client(_ info: JSON?) -> ClientFacts {
        ClientFacts(capabilities: ["roots": [:]], info: info, era: .legacy)
    }

    /// A call with its members in any order and white space between them.
    private func request(_ random: inout SplitMix64) -> String {
        func joined(_ members: [String]) -> String {
            let space = RandomObject.space(&random)
            return "{" + space
                + members.shuffled(using: &random).joined(
                    separator: space + "," + RandomObject.space(&random))
                + space + "}"
        }
        var params = [#""name":"greet""#]
        if random.chance(0.8) { params.append(#""arguments":"# + RandomObject.value(&random, depth: 0)) }
        return joined([
            #""jsonrpc":"2.0""#, #""id":17"#, #""method":"tools/call""#, #""params":"# + joined(params),
        ])
    }

    @Test(arguments: 0..<300)
    func `a server gets the same bytes by either way`(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let document = try JSON(validating: request(&random))
        for info in [nil, ["name": "a \"b\"", "version": "1"] as JSON] {
            var facts = Self.client(info)
            let plain = try #require(PlainToolCall(document, inSessionOf: facts))
            let short = plain.message(number: 4_711, name: "weather.greet", begunBy: Self.id)
            facts.traceparent = TraceContext(begunBy: Self.id).traceparent
            let sent = try #require(document["params"]).setting("name", to: "weather.greet")
            let params = RequestMeta(version: .newestModern, client: facts).written(into: sent)
            let long = RPCMessage.request(id: RPCID(4_711), method: Method.toolsCall, params: params).json
            #expect(try JSON(validating: short) == long)
        }
    }

    @Test(arguments: [
        #"{"name":"a","_meta":{}}"#, #"{"name":"a","_meta":{"progressToken":1}}"#, #"{"name":"a","task":{}}"#,
        #"{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#, "{}", "[]",
    ])
    func `what is out of the ordinary is none`(params: String) throws {
        let document = try JSON(
            validating: #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":\#(params)}"#)
        #expect(PlainToolCall(document, inSessionOf: Self.client(nil)) == nil)
    }

    @Test func `a call outside of a session says who calls`() throws {
        let document = try JSON(
            validating: #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#)
        #expect(PlainToolCall(document) == nil)
        #expect(PlainToolCall(document, inSessionOf: Self.client(nil)) != nil)
    }

    @Test(arguments: 0..<300)
    func `a client of each revision gets the same bytes by either way`(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let text =
            #"{"type":"text","text":"# + RandomObject.written(RandomObject.plain(&random), &random) + "}"
        let blocks = [
            text, #"{"type":"audio","data":"","mimeType":"audio/wav"}"#,
            #"{"type":"resource_link","uri":"a:b","name":"n","icons":[]}"#,
        ]
        var members = [#""resultType":"complete""#]
        if random.chance(0.8) {
            let chosen = blocks.filter { _ in random.chance(0.4) }
            members.append(#""content":["# + chosen.joined(separator: ", ") + "]")
        }
        if random.chance(0.3) { members.append(#""isError": true"#) }
        if random.chance(0.4) { members.append(#""structuredContent":"# + RandomObject(using: &random).text) }
        if random.chance(0.1) { members.append(#""vendor":[1, 2]"#) }
        if random.chance(0.2) {
            members.append(#""_meta":{ "a":1, "io.modelcontextprotocol/serverInfo": {"name":"x"} , "b":2}"#)
        }
        let space = RandomObject.space(&random)
        let result =
            "{" + space + members.shuffled(using: &random).joined(separator: "," + space) + space + "}"
        let document = try JSON(validating: #"{"jsonrpc":"2.0","id":5,"result":"# + result + "}")
        let plain = try #require(PlainToolAnswer(document, to: 5))
        let id = RPCID(3)
        for revision in Self.revisions {
            let long = RPCMessage.response(
                id: id,
                result: EraBridge.legacyResult(
                    fromModern: plain.result, method: Method.toolsCall, revision: revision)
            ).json
            #expect(try JSON(validating: Array(plain.pieces(id: id, in: revision).joined())) == long)
            let rewritten = PlainToolAnswer.pieces(id: id, plain.result, in: revision)
            #expect(try JSON(validating: Array(rewritten.joined())) == long)
        }
    }
}
