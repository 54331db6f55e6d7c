import JSONSlice
import MartletTestKit
import Testing

@testable import MCPModel

/// The short way's reading and writing against the long way's.
@Suite struct PlainToolTests {
    private static let call = CallID(high: 0x0123_4567_89AB_CDEF, low: 0x0F1E_2D3C_4B5A_6978)

    /// What the long way sends to a server for a request.
    private func longMessage(_ document: JSON, number: Int, name: String) throws -> JSON {
        guard case .request(_, let method, let sent?) = try RPCMessage(document) else {
            Issue.record("no request")
            return .null
        }
        let facts = RequestMeta(params: sent).client
        var params = RequestMeta.stripped(sent)
        if params["name"]?.string != name { params = params.setting("name", to: .string(name)) }
        var client = facts
        client.traceparent = TraceContext(begunBy: Self.call).traceparent
        params = RequestMeta(version: .newestModern, client: client).written(into: params)
        return RPCMessage.request(id: RPCID(number), method: method, params: params).json
    }

    /// A call with its members in any order and white space between them.
    private func request(_ random: inout SplitMix64, name: String) -> String {
        func joined(_ members: [String]) -> String {
            let shuffled = members.shuffled(using: &random)
            let space = { (random: inout SplitMix64) in RandomObject.space(&random) }
            var text = "{" + space(&random)
            for (index, member) in shuffled.enumerated() {
                text += member + space(&random) + (index < shuffled.count - 1 ? "," + space(&random) : "")
            }
            return text + "}"
        }
        var meta = [
            #""io.modelcontextprotocol/protocolVersion": "2026-07-28""#,
            #""io.modelcontextprotocol/clientCapabilities":{"elicitation": {}}"#,
        ]
        if random.chance(0.5) {
            meta.append(#""io.modelcontextprotocol/clientInfo":{"name":"a \"b\"", "version":"1"}"#)
        }
        var params = [#""name":"\#(name)""#, #""_meta":"# + joined(meta)]
        if random.chance(0.8) {
            params.append(#""arguments":"# + RandomObject.value(&random, depth: 0))
        }
        return joined([
            #""jsonrpc":"2.0""#, #""id":"# + (random.chance(0.5) ? "17" : #""a-7""#),
            #""method":"tools/call""#,
            #""params":"# + joined(params),
        ])
    }

    @Test(arguments: 0..<400)
    func `a server gets the same bytes by either way`(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let document = try JSON(validating: request(&random, name: "greet"))
        let plain = try #require(PlainToolCall(document))
        for name in ["greet", "weather.greet", "gré\"et"] {
            let short = plain.message(number: 4_711, name: .string(name), begunBy: Self.call)
            let long = try longMessage(document, number: 4_711, name: name)
            #expect(try JSON(validating: short) == long)
        }
        #expect(plain.arguments?.text == document["params"]?["arguments"]?.text)
    }

    @Test(arguments: [CallID(high: 0, low: 0), CallID(high: 1, low: 0), CallID(high: 0, low: 1)])
    func `a server is told of the same trace by either way`(id: CallID) throws {
        var random = SplitMix64(seed: 1)
        let document = try JSON(validating: request(&random, name: "greet"))
        let plain = try #require(PlainToolCall(document))
        let sent = try JSON(validating: plain.message(number: 1, name: "greet", begunBy: id))
        #expect(sent["params"]?["_meta"]?["traceparent"]?.string == TraceContext(begunBy: id).traceparent)
    }

    @Test(arguments: [
        (#""id":1"#, #""id":1.5"#), (#""id":1"#, #""id":null"#),
        (#""id":1"#, #""id":1,"result":{}"#), (#""2.0""#, #""2.1""#), ("tools/call", "tools/list"),
        ("tools/call", "tools\\/call"), (#""name":"greet""#, #""name":"gr\u0065et""#),
        (#""name":"greet""#, #""name":5"#), (#""name":"greet","#, ""),
        (#""arguments":{}"#, #""arguments":{},"requestState":"s""#),
        (#""arguments":{}"#, #""arguments":{},"task":{}"#), ("2026-07-28", "2025-11-25"),
        (#""_meta":{"#, #""_meta":{"progressToken":1,"#), (#""_meta":{"#, #""_meta":{"traceparent":"00","#),
        (#""_meta":{"#, #""_meta":{"vendor/key":1,"#),
        (#""_meta":{"#, #""_meta":{"io.modelcontextprotocol/logLevel":"info","#),
        (#"Capabilities":{}"#, #"Capabilities":{"extensions":{}}"#),
        (#"Capabilities":{}"#, #"Capabilities":[]"#),
        (#","io.modelcontextprotocol/clientCapabilities":{}"#, ""),
    ])
    func `what is out of the ordinary is none`(part: String, instead: String) throws {
        let text =
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{},"#
            + #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#
        #expect(PlainToolCall(try JSON(validating: text)) != nil)
        let changed = text.replacing(part, with: instead)
        #expect(changed != text)
        #expect(PlainToolCall(try JSON(validating: changed)) == nil)
    }

    // MARK: Answers

    private static let info: JSON = ["name": "martlet", "version": "1"]

    @Test(arguments: 0..<300)
    func `a client gets the same bytes by either way`(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        var members = [
            #""resultType":"complete""#,
            #""content":[{"type":"text","text":"# + RandomObject.written(RandomObject.plain(&random), &random)
                + "}]",
        ]
        if random.chance(0.3) { members.append(#""isError": true"#) }
        if random.chance(0.3) { members.append(#""structuredContent":"# + RandomObject(using: &random).text) }
        if random.chance(0.3) {
            members.append(
                #""_meta":{ "a":1, "io.modelcontextprotocol/serverInfo": {"name":"x"} , "b":2}"#)
        } else if random.chance(0.3) {
            members.append(#""_meta":{}"#)
        }
        let space = RandomObject.space(&random)
        let result =
            "{" + space + members.shuffled(using: &random).joined(separator: "," + space) + space + "}"
        let document = try JSON(validating: #"{"jsonrpc":"2.0", "result":"# + result + #","id":5}"#)
        let plain = try #require(PlainToolAnswer(document, to: 5))
        guard case .response(_, let longResult) = try RPCMessage(document), let id = RPCID(JSON.string("c"))
        else {
            Issue.record("no response")
            return
        }
        let long = RPCMessage.response(id: id, result: EraBridge.withServerInfo(longResult, Self.info)).json
        #expect(
            try JSON(validating: Array(plain.pieces(id: id, serverInfo: Self.info).joined())) == long)
        #expect(plain.isError == (longResult["isError"]?.bool == true))
    }

    @Test(arguments: [
        #"{"jsonrpc":"2.0","id":5,"error":{"code":1,"message":"m"}}"#,
        #"{"jsonrpc":"2.0","id":6,"result":{"resultType":"complete"}}"#,
        #"{"jsonrpc":"2.0","id":"5","result":{"resultType":"complete"}}"#,
        #"{"jsonrpc":"2.0","id":5,"result":{}}"#, #"{"jsonrpc":"2.0","id":5,"result":[]}"#,
        #"{"jsonrpc":"2.0","id":5,"result":{"resultType":"task"}}"#,
        #"{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required"}}"#,
        #"{"id":5,"result":{"resultType":"complete"}}"#, #"[]"#,
        #"{"jsonrpc":"2.0","method":"m","id":5,"result":{"resultType":"complete"}}"#,
    ])
    func `what is no complete result is no plain answer`(text: String) throws {
        #expect(PlainToolAnswer(try JSON(validating: text), to: 5) == nil)
    }

    @Test(arguments: [
        (#""content":[{"type":"text","text":"resource_link"}]"#, true), (#""content":[]"#, true),
        (#""content":[{"type":"image","data":""},{"type":"audio","data":""}]"#, true),
        (#""content":[{"type":"resource_link","uri":"a:b"}]"#, false),
        (#""content":[{"type":"text","text":""},{"type":"resource","resource":{}}]"#, false),
        (#""content":[{"type":"te\u0078t","text":""}]"#, false), (#""_meta":{}"#, false),
        (#""contents":[]"#, false),
    ])
    func `an answer that may point at a resource is known`(members: String, namesNone: Bool) throws {
        let text = #"{"jsonrpc":"2.0","id":5,"result":{"resultType":"complete",\#(members)}}"#
        let answer = try #require(PlainToolAnswer(try JSON(validating: text), to: 5))
        #expect(answer.namesNoResource == namesNone)
    }
}
