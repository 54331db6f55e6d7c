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
        let (id, arguments) = (
            random.chance(0.5) ? "17" : #""a-7""#,
            random.chance(0.8) ? RandomObject.value(&random, depth: 0) : nil
        )
        return request(&random, name: name, id: id, arguments: arguments)
    }

    private func request(_ random: inout SplitMix64, name: String, id: String, arguments: String?) -> String {
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
        if let arguments { params.append(#""arguments":"# + arguments) }
        return joined([
            #""jsonrpc":"2.0""#, #""id":"# + id,
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

    @Test(arguments: 0..<100)
    func `a server of an older revision gets the same bytes by either way`(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let document = try JSON(validating: request(&random, name: "greet"))
        let plain = try #require(PlainToolCall(document))
        let short = plain.message(number: 4_711, name: "weather.greet", begunBy: Self.call, in: .legacy)
        let params = RequestMeta.stripped(try #require(document["params"])).setting(
            "name", to: "weather.greet")
        let meta = RequestMeta(
            legacyProgressToken: nil, traceparent: TraceContext(begunBy: Self.call).traceparent)
        let long = RPCMessage.request(
            id: RPCID(4_711), method: Method.toolsCall,
            params: meta.written(into: EraBridge.legacyParams(fromModern: params))
        ).json
        #expect(try JSON(validating: short) == long)
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

    // MARK: Calls that are known again

    @Test(arguments: 0..<400)
    func `a call that is known by its frame is the call that is read`(seed: Int) throws {
        let sample = SplitMix64(seed: UInt64(seed))
        var random = SplitMix64(seed: UInt64(seed) + 1_000)
        func body(id: String, _ arguments: String) -> [UInt8] {
            var same = sample  // the same order and white space each time
            return Array(request(&same, name: "greet", id: id, arguments: arguments).utf8)
        }
        let first = try JSON(validating: body(id: "1", "{}"))
        let frame = try #require(PlainToolCall(first).flatMap { CallFrame(first, $0) })
        for id in ["2", "31337", #""id-of-some-length""#] {
            let bytes = body(id: id, RandomObject(using: &random).text)
            let known = try #require(frame.call(in: bytes, limits: .standard))
            let read = try #require(PlainToolCall(try JSON(validating: bytes)))
            #expect(known.id == read.id && known.name == read.name && known.params == read.params)
            #expect(known.arguments == read.arguments)
            #expect(known.capabilities == read.capabilities && known.clientInfo == read.clientInfo)
            for name in ["greet", "weather.greet"] as [JSON] {
                #expect(
                    known.message(number: 7, name: name, begunBy: Self.call)
                        == read.message(number: 7, name: name, begunBy: Self.call))
                #expect(known.carriedParams(name: name) == read.carriedParams(name: name))
            }
        }
    }

    @Test(arguments: ["[]", "1", "null", #"{"a":1,"a":2}"#, "{}x", #"{},"task":{}"#, ""])
    func `arguments that are no object are not known`(arguments: String) throws {
        func body(_ arguments: String) -> [UInt8] {
            Array(
                (#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":"#
                    + arguments
                    + #","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#)
                    .utf8)
        }
        let sample = try JSON(validating: body("{}"))
        let frame = try #require(PlainToolCall(sample).flatMap { CallFrame(sample, $0) })
        #expect(frame.call(in: body(#"{"a":1}"#), limits: .standard) != nil)
        #expect(frame.call(in: body(arguments), limits: .standard) == nil)
    }

    @Test func `a call without arguments, and a long one, have no frame`() throws {
        var random = SplitMix64(seed: 3)
        for arguments in [nil, "5", #"{"a":"\#(String(repeating: "a", count: 1_024))"}"#] {
            let document = try JSON(
                validating: request(&random, name: "greet", id: "1", arguments: arguments))
            let call = try #require(PlainToolCall(document))
            #expect(CallFrame(document, call) == nil)
        }
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
        #"{"jsonrpc":"2.0","id":%,"result":$}"#, #"{ "result": $ , "id":%, "jsonrpc":"2.0" }"#,
    ])
    func `an answer that is known by its frame is the answer that is read`(written: String) throws {
        func body(_ number: Int, _ result: String) -> [UInt8] {
            Array(written.replacing("%", with: "\(number)").replacing("$", with: result).utf8)
        }
        let results = [
            #"{"resultType":"complete","content":[]}"#,
            #"{"content":[{"type":"text","text":"a"}],"isError":true,"resultType":"complete"}"#,
            #"{"resultType":"complete","_meta":{"a":1}}"#,
        ]
        let frame = try #require(AnswerFrame(try JSON(validating: body(7, results[0]))))
        let id = try #require(RPCID(JSON.string("c")))
        for (number, result) in zip(8..., results) {
            let bytes = body(number, result)
            let known = try #require(frame.answer(in: bytes, to: number, limits: .standard))
            let read = try #require(PlainToolAnswer(try JSON(validating: bytes), to: number))
            #expect(known.result == read.result && known.isError == read.isError)
            #expect(known.namesNoResource == read.namesNoResource)
            #expect(
                known.pieces(id: id, serverInfo: Self.info) == read.pieces(id: id, serverInfo: Self.info))
            #expect(frame.answer(in: bytes, to: number + 1, limits: .standard) == nil)
        }
        for result in [
            "{}", "[]", "null", #"{"resultType":"task"}"#, #"{"resultType":"complete"},"error":{}"#,
        ] {
            #expect(frame.answer(in: body(7, result), to: 7, limits: .standard) == nil)
        }
        #expect(
            frame.answer(
                in: Array(written.replacing("%", with: "\"7\"").replacing("$", with: results[0]).utf8), to: 7,
                limits: .standard) == nil)
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
        (#""contents":[]"#, false), (#""contents":[],"content":[]"#, false),
    ])
    func `an answer that may point at a resource is known`(members: String, namesNone: Bool) throws {
        let text = #"{"jsonrpc":"2.0","id":5,"result":{"resultType":"complete",\#(members)}}"#
        let answer = try #require(PlainToolAnswer(try JSON(validating: text), to: 5))
        #expect(answer.namesNoResource == namesNone)
    }
}
